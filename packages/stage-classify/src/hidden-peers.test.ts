import { seededRandom } from '@ngisec/core';
import { controlMessage, nextHeaders, Spd, type Channel } from '@ngisec/ipsec';
import { buildTcp, buildUdp, preparePacket, StageBench, type Emitted } from '@ngisec/testkit';
import { read32, tcp } from '@ngisec/wire';
import { prefixes, TestSad } from '../test/secure-channels.ts';
import { flowTracker } from './flow-tracker.ts';

const [TCPSEC, N2N, NAMED] = [0, 1, 2];
const remote = prefixes('198.51.100.2');
const spd = new Spd([
  { name: 'tcpsec', mode: 'tcpsec', remote },
  { name: 'n2n', mode: 'n2n', remote },
  { name: 'named', mode: 'tcpsec', remote, channels: ['control-2', 'data-2'] },
]);

/** A host whose peers 1 and 2 are behind one public address. */
function host() {
  const sad = new TestSad();
  const address = '198.51.100.2';
  const [control1, data1] = [
    sad.addChannel('control-1', 'control', address),
    sad.addChannel('data-1', 'data', address),
  ];
  const [control2, data2] = [
    sad.addChannel('control-2', 'control', address),
    sad.addChannel('data-2', 'data', address),
  ];
  const bench = new StageBench(flowTracker(sad, spd, seededRandom(5)), { prepare: preparePacket });
  const send = (octets: Uint8Array, rule = TCPSEC): string[] =>
    bench
      .feed('outbound', octets, { rule })
      .map(({ output, channel }) => `${output} ${sad.channels[channel]!.name}`);
  const receive = (
    octets: Uint8Array,
    channel: Channel,
    rule = TCPSEC,
    nextHeader: number = nextHeaders.transportData,
  ): Emitted[] => bench.feed('inbound', octets, { channel: channel.index, nextHeader, rule });
  return { bench, control1, data1, control2, data2, send, receive };
}

const out = { src: '10.2.0.2', dst: '198.51.100.2', sport: 8080, dport: 5001 };
const back = { src: '198.51.100.2', dst: '10.2.0.2', sport: 5001, dport: 8080 };
const [SYN, SYN_ACK] = [tcp.SYN, tcp.SYN | tcp.ACK];
const payload = Buffer.from('payload');

describe('#84 TCPSec', () => {
  test('a connection of this host: SYN is control, all else data once the peer answered', () => {
    const { send, receive, control1 } = host();
    expect(send(buildTcp({ ...out, flags: SYN }))).toEqual(['control control-1']);
    expect(receive(buildTcp({ ...back, flags: SYN_ACK }), control1)).toHaveLength(1);
    expect(send(buildTcp(out))).toEqual(['data data-1']);
  });

  test('UDP is control until the peer answered, and is never announced: nobody on the way could read it', () => {
    const { send, receive, control1, bench } = host();
    const datagram = buildUdp({ ...out, payload });
    expect([send(datagram), send(datagram)]).toEqual([['control control-1'], ['control control-1']]);
    receive(buildUdp({ ...back, payload }), control1);
    expect(send(datagram)).toEqual(['data data-1']);
    expect(bench.counters).toMatchObject({ announced: 0, flows: 1 });
  });

  test.each([
    ['TCP', buildTcp(out), buildTcp(back)],
    ['UDP', buildUdp({ ...out, payload }), buildUdp({ ...back, payload })],
  ])('#83 %s says again where it is after 25 s of silence, at -1, 0 and +1 ms', (_, own, theirs) => {
    const { send, receive, control1, bench } = host();
    send(own);
    receive(theirs, control1);
    bench.pass(24_999);
    expect(send(own)).toEqual(['data data-1']);
    bench.pass(1);
    expect(send(own)).toEqual(['data data-1']);
    bench.pass(1);
    expect(send(own)).toEqual(['control control-1']);
  });
});

describe('#117 who is behind the address', () => {
  test('a flow is answered under the control channel that began it, and under the data channel that proved itself', () => {
    const { send, receive, control2, data2 } = host();
    receive(buildTcp({ ...back, flags: SYN }), control2);
    expect(send(buildTcp({ ...out, flags: SYN_ACK }))).toEqual(['control control-2']);
    expect(send(buildTcp({ ...out, payload }))).toEqual(['control control-2']);
    receive(buildTcp(back), data2);
    expect(send(buildTcp({ ...out, payload }))).toEqual(['data data-2']);
  });

  test('no other host behind it gets into the flow', () => {
    const { bench, receive, control1, control2, data1, data2 } = host();
    receive(buildTcp({ ...back, flags: SYN }), control2);
    receive(buildTcp(back), data2);
    expect(receive(buildTcp({ ...back, payload }), data1)).toEqual([]);
    expect(receive(buildTcp({ ...back, flags: tcp.RST }), control1)).toEqual([]);
    expect(bench.drops).toEqual({ wrongChannel: 2 });
  });

  test('a NAT may give the tuple to another host: what opens a flow takes it over, unless it is this host’s own', () => {
    const { bench, send, receive, control1, control2 } = host();
    receive(buildTcp({ ...back, flags: SYN }), control1);
    receive(buildTcp({ ...back, flags: SYN }), control2);
    expect(send(buildTcp({ ...out, flags: SYN_ACK }))).toEqual(['control control-2']);
    const own = { ...out, dport: 80 };
    send(buildTcp({ ...own, flags: SYN }));
    expect(receive(buildTcp({ ...back, sport: 80, flags: SYN }), control2)).toEqual([]);
    expect(bench.drops).toEqual({ wrongChannel: 1 });
  });

  test('a rule may name the channels of the host it means', () => {
    const { send } = host();
    expect(send(buildTcp({ ...out, flags: SYN }), NAMED)).toEqual(['control control-2']);
  });

  test('n2n: the SPI an announcement declares, and the first data that verifies, say which host it is', () => {
    const { send, receive, control1, data1, data2, bench } = host();
    const declaration = new Uint8Array(controlMessage.DECLARATION_BYTES);
    controlMessage.writeDeclaration(declaration, 0, 1004, 1, controlMessage.declaredModes.n2n);
    receive(buildUdp({ ...back, payload: declaration }), control1, N2N, nextHeaders.controlMessage);
    expect(send(buildUdp({ ...out, payload }), N2N)).toEqual(['data data-2']);
    receive(buildUdp({ ...back, payload }), data2, N2N);
    expect(receive(buildUdp({ ...back, payload }), data1, N2N)).toEqual([]);
    expect(bench.drops).toEqual({ wrongChannel: 1 });

    send(buildTcp({ ...out, flags: SYN_ACK }), N2N);
    receive(buildTcp(back), data2, N2N);
    expect(send(buildTcp({ ...out, payload }), N2N)).toEqual(['data data-2']);
  });
});

test('#84 n2n: a gateway’s key is good for control packets only, a data key for data only', () => {
  const { bench, receive, control1, data1 } = host();
  receive(buildTcp({ ...back, payload }), control1, N2N);
  receive(buildUdp({ ...back, payload }), control1, N2N);
  receive(buildTcp({ ...back, flags: SYN }), data1, N2N);
  receive(buildTcp({ ...back, flags: SYN }), data1, TCPSEC);
  expect(bench.drops).toEqual({ wrongChannel: 4 });
});

test('#93 n2n: an announcement declares the mode', () => {
  const { bench } = host();
  const [announced] = bench.feed('outbound', buildUdp({ ...out, payload }), { rule: N2N });
  expect(read32(announced!.payload, 8) >>> 16).toBe((1 << 8) | controlMessage.declaredModes.n2n);
});
