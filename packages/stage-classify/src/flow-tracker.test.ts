import { limits, seededRandom } from '@ngisec/core';
import { controlMessage, nextHeaders, Spd, type Channel } from '@ngisec/ipsec';
import {
  buildEcho,
  buildTcp,
  buildUdp,
  parseIp,
  preparePacket,
  type IpPacket,
  StageBench,
  type Emitted,
} from '@ngisec/testkit';
import { ip, read32, tcp } from '@ngisec/wire';
import { prefixes, TestSad } from '../test/secure-channels.ts';
import { flowTracker } from './flow-tracker.ts';

const VPN = 0;
const LAN = 1;
const spd = new Spd([
  { name: 'far-site', mode: 'vpn', remote: prefixes('10.2.0.0/24', 'fd02::/64') },
  { name: 'neighbour', mode: 'lan', remote: prefixes('10.1.0.0/24') },
]);

interface Host {
  readonly bench: StageBench;
  readonly control: Channel;
  readonly data: Channel;
  readonly lan: Channel;
  /** Gives the stack's packet to the stage. */
  readonly send: (octets: Uint8Array | Uint8Array[], rule?: number) => Emitted[];
  /** Gives a packet that was verified under a channel to the stage. */
  readonly receive: (octets: Uint8Array, channel: Channel, nextHeader?: number) => Emitted[];
}

function host(options: Readonly<Record<string, unknown>> = {}): Host {
  const sad = new TestSad();
  const control = sad.addChannel('gateway', 'control', '10.2.0.0/24', 'fd02::/64');
  const data = sad.addChannel('peer', 'data', '10.2.0.2/31', 'fd02::2');
  const lan = sad.addChannel('neighbour', 'both', '10.1.0.3');
  const factory = flowTracker(sad, spd, seededRandom(5));
  const bench = new StageBench(factory, { prepare: preparePacket, options: { capacity: 200, ...options } });
  return {
    ...{ bench, control, data, lan },
    send: (octets, rule = VPN) => bench.feed('outbound', octets, { rule }),
    receive: (octets, channel, nextHeader = nextHeaders.transportData) =>
      bench.feed('inbound', octets, { channel: channel.index, nextHeader, rule: VPN }),
  };
}

const secret = Buffer.from('the first payload is for nobody but the peer');
const out4 = { src: '10.1.0.2', dst: '10.2.0.2' };
const in4 = { src: '10.2.0.2', dst: '10.1.0.2' };
const [PORT, SERVICE] = [40000, 53];
const datagram = buildUdp({ ...out4, sport: PORT, dport: SERVICE, payload: secret });
const answer = buildUdp({ ...in4, sport: SERVICE, dport: PORT, payload: secret });
const outputs = (emitted: readonly Emitted[]): string[] => emitted.map(({ output }) => output);

/** A control message as the network brings it, over UDP. */
const message = (items: Uint8Array, ends = in4): Uint8Array =>
  buildUdp({ ...ends, sport: SERVICE, dport: PORT, payload: items });
const confirmation = Uint8Array.of(controlMessage.items.confirmation, 0, 0, 0);
const declaration = new Uint8Array(controlMessage.DECLARATION_BYTES);
controlMessage.writeDeclaration(declaration, 0, 0xabcd, 1, 2);

describe('TCP', () => {
  test('#26 SYN and SYN-ACK are control, all else is data, over all 256 flag octets', () => {
    const { send, control, data, bench } = host();
    for (let flags = 0; flags < 256; flags += 1) {
      const [sent, ...more] = send(buildTcp({ ...out4, sport: PORT, dport: 80, flags, payload: secret }));
      const isSyn = (flags & tcp.SYN) !== 0;
      expect([flags, sent!.output, sent!.channel]).toEqual([
        flags,
        isSyn ? 'control' : 'data',
        (isSyn ? control : data).index,
      ]);
      expect(more).toEqual([]);
    }
    expect(bench.counters).toMatchObject({ flows: 1, announced: 0 });
  });
});

describe.each([
  ['UDP over IPv4', datagram],
  [
    'UDP over IPv6',
    buildUdp({ src: 'fd01::2', dst: 'fd02::2', sport: PORT, dport: SERVICE, payload: secret }),
  ],
  ['echo over IPv4', buildEcho({ ...out4, identifier: 7, payload: secret })],
  ['echo over IPv6', buildEcho({ src: 'fd01::2', dst: 'fd02::2', identifier: 7, payload: secret })],
])('the first packet of %s', (_, first) => {
  test('#33 goes under the data key, behind a header-only control message that declares it', () => {
    const { send, control, data, bench } = host();
    const [announced, sent, ...more] = send(first);
    expect(more).toEqual([]);
    expect([announced!.output, announced!.channel, announced!.nextHeader]).toEqual([
      'control',
      control.index,
      nextHeaders.controlMessage,
    ]);
    expect([sent!.output, sent!.channel, sent!.nextHeader]).toEqual([
      'data',
      data.index,
      nextHeaders.transportData,
    ]);
    expect(sent!.octets).toEqual(first);
    expect(Buffer.from(announced!.octets).includes(secret.subarray(0, 4))).toBe(false);
    const item = controlMessage.findItem(
      announced!.payload,
      0,
      announced!.payload.length,
      controlMessage.items.declaration,
    );
    expect(item).toBe(0);
    expect(read32(announced!.payload, controlMessage.ITEM_HEADER_BYTES)).toBe(data.outbound.spi);
    expect(bench.created.value).toBe(1);
  });

  test('#27 is announced with the addresses, ports and right lengths of the flow', () => {
    const [announced] = host().send(first);
    const [got, want] = [parseIp(announced!.octets) as IpPacket, parseIp(first) as IpPacket];
    expect({ ...got, end: 0 }).toEqual({ ...want, end: 0 });
    expect(announced!.octets).toHaveLength(want.payload + controlMessage.DECLARATION_BYTES);
    expect(announced!.octets.slice(want.transport, want.transport + 2)).toEqual(
      first.slice(want.transport, want.transport + 2),
    );
    expect(
      ip.hasValidTransportChecksum(announced!.octets, 0, got.transport, got.end, got.family, got.protocol),
    ).toBe(true);
  });
});

describe('#27 an announcement', () => {
  test('is repeated at growing pauses, never between, at -1, 0 and +1 ms', () => {
    const { send, bench } = host({ announcePauseMs: 100, announcePauseMaxMs: 700 });
    expect(outputs(send(datagram))).toEqual(['control', 'data']);
    for (const atMs of [100, 300, 700, 1400, 2100]) {
      for (const [offMs, expected] of [
        [-1, ['data']],
        [0, ['control', 'data']],
        [1, ['data']],
      ] as const) {
        bench.pass(atMs + offMs - bench.clock.nowMs());
        expect([atMs, offMs, outputs(send(datagram))]).toEqual([atMs, offMs, expected]);
      }
    }
    expect(bench.counters['announced']).toBe(6);
  });

  test.each<[string, (at: Host) => unknown]>([
    ['a confirmation', (at) => at.receive(message(confirmation), at.control, nextHeaders.controlMessage)],
    [
      'an announcement of the same flow',
      (at) => at.receive(message(declaration), at.control, nextHeaders.controlMessage),
    ],
    ['authentic data of the flow', (at) => at.receive(answer, at.data)],
  ])('ends with %s', (_, confirm) => {
    const at = host();
    at.send(datagram);
    confirm(at);
    for (const waitMs of [100, 1000, 30_000]) {
      at.bench.pass(waitMs);
      expect(outputs(at.send(datagram))).toEqual(['data']);
    }
  });

  test('goes on where only another flow was confirmed', () => {
    const at = host();
    const other = buildUdp({ ...out4, sport: PORT + 1, dport: SERVICE, payload: secret });
    expect(outputs(at.send(datagram))).toEqual(['control', 'data']);
    expect(outputs(at.send(other))).toEqual(['control', 'data']);
    at.receive(message(confirmation), at.control, nextHeaders.controlMessage);
    at.bench.pass(100);
    expect(outputs(at.send(datagram))).toEqual(['data']);
    expect(outputs(at.send(other))).toEqual(['control', 'data']);
  });

  test('leaves before the data of its batch, however full that is', () => {
    const { send } = host();
    const emitted = send(Array.from({ length: limits.batchPackets }, () => datagram));
    expect(emitted).toHaveLength(limits.batchPackets + 1);
    expect(emitted[0]!.output).toBe('control');
  });
});

describe('#27 an announcement that comes in is answered by a confirmation', () => {
  test('over UDP: addresses and ports swapped, under the control key, hops renewed', () => {
    const at = host();
    const [sent, ...more] = at.receive(message(declaration), at.control, nextHeaders.controlMessage);
    expect(more).toEqual([]);
    expect([sent!.output, sent!.channel, sent!.nextHeader]).toEqual([
      'control',
      at.control.index,
      nextHeaders.controlMessage,
    ]);
    expect(sent!.octets).toEqual(buildUdp({ ...out4, sport: PORT, dport: SERVICE, payload: confirmation }));
    expect(at.bench.counters).toMatchObject({ confirmed: 1, flows: 1 });
    // The flow is known from now on: the host's own first packet needs no announcement.
    expect(outputs(at.send(datagram))).toEqual(['data']);
  });

  test.each([
    ['IPv4', in4, out4],
    ['IPv6', { src: 'fd02::2', dst: 'fd01::2' }, { src: 'fd01::2', dst: 'fd02::2' }],
  ])('over %s echo: a request becomes a reply, a reply a request', (_, inward, outward) => {
    for (const reply of [false, true]) {
      const at = host();
      const incoming = buildEcho({
        ...inward,
        ttl: 3,
        identifier: 9,
        sequence: 4,
        reply,
        payload: declaration,
      });
      const [sent] = at.receive(incoming, at.control, nextHeaders.controlMessage);
      expect(sent!.octets).toEqual(
        buildEcho({ ...outward, identifier: 9, sequence: 4, reply: !reply, payload: confirmation }),
      );
    }
  });
});

describe('#110 an idle flow is forgotten, and announced anew', () => {
  test.each<[string, Uint8Array, number]>([
    ['UDP: 240 s', datagram, 240_000],
    ['echo: 45 s', buildEcho({ ...out4, identifier: 7, payload: secret }), 45_000],
    ['TCP: 7440 s', buildTcp({ ...out4, sport: PORT, dport: 80 }), 7_440_000],
  ])('%s, at -1, 0 and +1 ms', (_, octets, limitMs) => {
    const { send, bench } = host();
    send(octets);
    bench.pass(limitMs - 1);
    expect(bench.counters['expired']).toBe(0);
    bench.pass(1);
    expect(bench.counters['expired']).toBe(0);
    bench.pass(1);
    expect(bench.counters['expired']).toBe(1);
    send(octets);
    expect(bench.counters['flows']).toBe(2);
  });

  test.each<[string, Uint8Array, Uint8Array, number]>([
    ['UDP: 240 s', datagram, answer, 240_000],
    [
      'echo: 45 s',
      buildEcho({ ...out4, identifier: 7, payload: secret }),
      buildEcho({ ...in4, identifier: 7, reply: true, payload: secret }),
      45_000,
    ],
  ])('a flow that only goes one way, %s after the last sign of its far end', (_, octets, back, limitMs) => {
    const at = host();
    at.send(octets);
    at.receive(back, at.data);
    for (let second = 1; second < limitMs / 1000; second += 1) {
      at.bench.pass(1000);
      expect(outputs(at.send(octets))).toEqual(['data']);
    }
    const packetsAfter = [999, 1, 1, 99, 1].map((waitMs) => {
      at.bench.pass(waitMs);
      return at.send(octets).length;
    });
    expect(packetsAfter).toEqual([1, 1, 2, 1, 2]);
    at.receive(back, at.data);
    at.bench.pass(limitMs);
    expect(outputs(at.send(octets))).toEqual(['data']);
  });

  test('its confirmation goes with it; what comes in or goes out keeps it', () => {
    const at = host();
    at.send(datagram);
    at.receive(answer, at.data);
    at.bench.pass(200_000);
    at.receive(answer, at.data);
    at.bench.pass(240_000);
    expect(outputs(at.send(datagram))).toEqual(['data']);
    at.bench.pass(240_000);
    expect(at.bench.counters['expired']).toBe(0);
    at.bench.pass(1);
    expect(outputs(at.send(datagram))).toEqual(['control', 'data']);
  });
});

test('mode lan: no gateway is on the way, so a first payload is control under the one key and needs no announcement', () => {
  const { send, lan, bench } = host();
  const local = buildUdp({ src: '10.1.0.2', dst: '10.1.0.3', sport: 1, dport: 2, payload: secret });
  const sent = [send(local, LAN)[0]!, send(local, LAN)[0]!];
  expect(sent.map(({ output, channel }) => [output, channel])).toEqual([
    ['control', lan.index],
    ['data', lan.index],
  ]);
  expect(bench.counters['announced']).toBe(0);
});

describe('what is authentic is delivered', () => {
  test.each<[string, Uint8Array, 'data' | 'control']>([
    ['UDP data under the data key', answer, 'data'],
    ['TCP data under the data key', buildTcp({ ...in4, sport: 80, dport: PORT, payload: secret }), 'data'],
    ['a SYN under the control key', buildTcp({ ...in4, sport: 80, dport: PORT, flags: tcp.SYN }), 'control'],
  ])('%s', (_, octets, key) => {
    const at = host();
    const [delivered] = at.receive(octets, at[key]);
    expect([delivered!.output, delivered!.octets]).toEqual(['deliver', octets]);
    expect(at.bench.counters['flows']).toBe(0);
  });
});

describe('drops', () => {
  const synAck = buildTcp({ ...in4, sport: 80, dport: PORT, flags: tcp.SYN | tcp.ACK });
  test.each<[string, (at: Host) => unknown]>([
    ['noChannel', (at) => at.send(buildUdp({ ...out4, dst: '10.2.0.99', sport: 1, dport: 2 }))],
    ['noChannel', (at) => at.send(buildUdp({ ...out4, dst: '10.9.0.1', sport: 1, dport: 2 }), LAN)],
    // A rule of mode lan wants one channel for both; a data channel alone is none.
    ['noChannel', (at) => at.send(datagram, LAN)],
    ['confirmation', (at) => at.receive(message(confirmation), at.control, nextHeaders.controlMessage)],
    [
      'unknownMessage',
      (at) => at.receive(message(Uint8Array.of(77, 0, 0, 0)), at.control, nextHeaders.controlMessage),
    ],
    [
      'unknownMessage',
      (at) => at.receive(message(new Uint8Array(0)), at.control, nextHeaders.controlMessage),
    ],
    [
      'unknownMessage',
      (at) => at.receive(message(declaration.subarray(0, 8)), at.control, nextHeaders.controlMessage),
    ],
    ['wrongChannel', (at) => at.receive(message(declaration), at.data, nextHeaders.controlMessage)],
    ['wrongChannel', (at) => at.receive(synAck, at.data)],
    ['wrongChannel', (at) => at.receive(answer, at.control)],
    [
      'wrongChannel',
      (at) => at.receive(buildTcp({ ...in4, sport: 80, dport: PORT, payload: secret }), at.control),
    ],
    ['unexpectedPayload', (at) => at.receive(answer, at.data, nextHeaders.ipv4Packet)],
    [
      'notLocal',
      (at) =>
        at.receive(
          message(declaration, { ...in4, src: '10.2.0.99' }),
          at.control,
          nextHeaders.controlMessage,
        ),
    ],
  ])('%s', (reason, act) => {
    const at = host();
    expect(act(at)).toEqual([]);
    expect(at.bench.drops).toEqual({ [reason]: 1 });
    expect(at.bench.counters['confirmed']).toBe(0);
  });

  test('tableFull: a flow too many is not sent in the clear; known flows go on', () => {
    const at = host({ capacity: 1 });
    at.send(datagram);
    expect(at.send(buildUdp({ ...out4, sport: 1, dport: 2 }))).toEqual([]);
    expect(at.bench.drops).toEqual({ tableFull: 1 });
    expect(outputs(at.send(datagram))).toEqual(['data']);
  });
});
