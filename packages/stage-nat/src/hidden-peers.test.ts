import { VirtualClock } from '@ngisec/core';
import { controlMessage, nextHeaders, type Channel } from '@ngisec/ipsec';
import {
  buildEcho,
  buildTcp,
  buildUdp,
  parseIp,
  preparePacket,
  StageBench,
  stageCompliance,
  type Emitted,
  type IpPacket,
} from '@ngisec/testkit';
import { ip, read16, tcp, write16, write32 } from '@ngisec/wire';
import { HiddenPeers, N2N, PUBLIC_A, TCPSEC } from '../test/hidden-peers.ts';
import { portCorrector } from './port-corrector.ts';
import { portLearner } from './port-learner.ts';
import { portRestorer } from './port-restorer.ts';
import { transportDuplicator } from './transport-duplicator.ts';

/** The stages of host B around one table. Its peers emit 40000 -> 80; here that arrives as OUTER -> 8080. */
class HostBench {
  readonly peers = new HiddenPeers();
  readonly duplicator: StageBench;
  readonly restorer: StageBench;
  readonly learner: StageBench;
  readonly corrector: StageBench;

  constructor() {
    const { sad, spd, table } = this.peers;
    const setting = { prepare: preparePacket, clock: new VirtualClock() };
    this.duplicator = new StageBench(transportDuplicator(spd), setting);
    this.restorer = new StageBench(portRestorer(sad, table), setting);
    this.learner = new StageBench(portLearner(sad, spd, table), setting);
    this.corrector = new StageBench(portCorrector(table), setting);
  }

  /** A verified TCPSec packet from the network. */
  control(octets: Uint8Array, channel: Channel, rule = TCPSEC, nextHeader = protocolOf(octets)): Emitted[] {
    return this.learner.feed('in', octets, { channel: channel.index, rule, nextHeader });
  }
}

const protocolOf = (octets: Uint8Array): number => (parseIp(octets) as IpPacket).protocol;
const ports = (octets: Uint8Array): number[] => {
  const { transport } = parseIp(octets) as IpPacket;
  return [read16(octets, transport), read16(octets, transport + 2)];
};
const OUTER = 5001;
const text = Buffer.from('what the peer says');
const wayIn = { src: PUBLIC_A[0], dst: '10.2.0.2', dport: 8080 };
const wayOut = { src: '10.2.0.2', dst: PUBLIC_A[0], sport: 8080 };
type Fields = Partial<Parameters<typeof buildTcp>[0]>;

/** T as emitted, then data: the plaintext of a TCPSec packet. */
function inner(fields: Fields = {}): Uint8Array {
  const packet = buildTcp({
    ...wayIn,
    sport: 40000,
    seq: 77,
    flags: tcp.SYN,
    payload: text,
    ...fields,
    dport: 80,
  });
  return packet.subarray((parseIp(packet) as IpPacket).transport);
}
const tcpsec = (sport = OUTER, outer: Fields = {}, emitted: Fields = {}): Uint8Array =>
  buildTcp({ ...wayIn, seq: 77, flags: tcp.SYN, payload: inner(emitted), ...outer, sport });

/** A sealed packet as far as these stages look at it: an SPI, a number, and 20 octets more. */
function sealed(spi: number): Uint8Array {
  const shim = new Uint8Array(28);
  write32(shim, 0, spi);
  return shim;
}

describe('#80 the transport duplicator', () => {
  const packet = buildTcp({
    ...wayOut,
    dport: 40000,
    flags: tcp.SYN,
    options: Uint8Array.of(2, 4, 5, 0),
    payload: text,
  });

  test('puts a second header in front under tcpsec rules, and nothing under others', () => {
    const { duplicator } = new HostBench();
    const [sent] = duplicator.feed('in', packet, { rule: TCPSEC });
    const header = packet.slice(20, 44);
    write16(header, 16, 0);
    expect([...sent!.payload]).toEqual([...header, ...text]);
    expect([...sent!.octets.subarray(20, 36)]).toEqual([...packet.subarray(20, 36)]);
    expect(sent!.nextHeader).toBe(ip.TCP);
    for (const rule of [N2N, 2, -1])
      expect(duplicator.feed('in', packet, { rule })[0]!.octets).toEqual(packet);
    expect(duplicator.counters).toEqual({ duplicated: 1 });
  });

  test('adds 8 octets to UDP and echo, 20 to TCP without options, over IPv6 too', () => {
    const { duplicator } = new HostBench();
    const ends = { src: 'fd02::2', dst: PUBLIC_A[1], payload: text };
    const grown = [
      buildUdp({ ...ends, sport: 1, dport: 2 }),
      buildEcho({ ...ends, identifier: 5 }),
      buildTcp({ ...ends, sport: 1, dport: 2 }),
    ].map((octets) => duplicator.feed('in', octets, { rule: TCPSEC })[0]!.octets.length - octets.length);
    expect(grown).toEqual([8, 8, 20]);
  });
});

describe('the port learner', () => {
  test('#81 #85 gives the stack the emitted header with the ports that arrived', () => {
    const { learner, control, peers } = bench();
    const [got] = control(tcpsec(), peers.controls[0]!);
    const expected = buildTcp({ ...wayIn, sport: OUTER, seq: 77, flags: tcp.SYN, payload: text });
    expect(got!.octets).toEqual(expected);
    expect(got!.nextHeader).toBe(nextHeaders.transportData);
    expect(learner.counters).toMatchObject({ learned: 1, created: 1, remapped: 0 });
  });

  test.each<[string, Uint8Array]>([
    ['sequence number', tcpsec(OUTER, { seq: 78 })],
    ['acknowledgment number', tcpsec(OUTER, { ack: 1 })],
    ['flags', tcpsec(OUTER, { flags: tcp.SYN | tcp.FIN })],
    ['flags inside', tcpsec(OUTER, {}, { flags: tcp.RST })],
  ])('#85 drops a packet whose headers differ in %s, and learns nothing', (_, octets) => {
    const { learner, control, peers } = bench();
    expect(control(octets, peers.controls[0]!)).toEqual([]);
    expect(learner.drops).toEqual({ headerMismatch: 1 });
    expect(peers.table.size).toBe(0);
  });

  test('#85 takes the window and options of the inner header, which middleboxes cannot tune', () => {
    const { control, peers } = bench();
    const options = Uint8Array.of(2, 4, 5, 0xb4);
    const [got] = control(tcpsec(OUTER, { window: 1, options }, { window: 999 }), peers.controls[0]!);
    const expected = buildTcp({
      ...wayIn,
      sport: OUTER,
      seq: 77,
      flags: tcp.SYN,
      window: 999,
      payload: text,
    });
    expect(got!.octets).toEqual(expected);
  });

  test('#85 for an echo, type and sequence have to agree, the identifier need not', () => {
    const { learner, control, peers } = bench();
    const echo = (
      identifier: number,
      sequence: number,
      reply = false,
      payload: Uint8Array = text,
    ): Uint8Array => buildEcho({ src: wayIn.src, dst: wayIn.dst, identifier, sequence, reply, payload });
    const [got] = control(echo(OUTER, 3, false, echo(9, 3).subarray(20)), peers.controls[0]!);
    expect(got!.octets).toEqual(echo(OUTER, 3));
    control(echo(OUTER, 4, false, echo(9, 3).subarray(20)), peers.controls[0]!);
    control(echo(OUTER, 3, true, echo(9, 3).subarray(20)), peers.controls[0]!);
    expect(learner.drops).toEqual({ headerMismatch: 2 });
  });

  test('#79 refuses what repeats no header, or only part of one, or does it under a data key', () => {
    const { learner, control, peers } = bench();
    const [channel, data] = [peers.controls[0]!, peers.datas[0]!];
    control(buildTcp({ ...wayIn, sport: OUTER, payload: text.subarray(0, 19) }), channel);
    control(tcpsec(), channel, TCPSEC, nextHeaders.transportData);
    control(tcpsec(), channel, TCPSEC, ip.UDP);
    control(tcpsec(), data);
    expect(learner.drops).toEqual({ noDuplicate: 3, wrongChannel: 1 });
    expect(peers.table.size).toBe(0);
  });

  test('#117 an announcement is told from another host’s with equal ports by the SPI it declares', () => {
    const { learner, control, peers } = bench();
    const announce = (sport: number, data: Channel): Emitted[] => {
      const message = new Uint8Array(4 + 8 + controlMessage.DECLARATION_BYTES);
      controlMessage.writeItemHeader(message, 0, controlMessage.items.transportMapping, 8);
      message.set(buildUdp({ ...wayIn, sport: 40000, dport: 53 }).subarray(20, 28), 4);
      controlMessage.writeDeclaration(message, 12, peers.spiOf(data), 1, 3);
      const octets = buildUdp({ ...wayIn, sport, payload: message });
      return control(octets, peers.gateway, N2N, nextHeaders.controlMessage);
    };
    const [got] = announce(OUTER, peers.datas[0]!);
    expect(got!.payload[0]).toBe(controlMessage.items.declaration);
    announce(OUTER + 1, peers.datas[1]!);
    expect(learner.counters).toMatchObject({ created: 2, remapped: 0 });
    const [again] = announce(OUTER + 2, peers.datas[0]!);
    expect(ports(again!.octets)).toEqual([OUTER, 8080]);
    expect(learner.counters).toMatchObject({ created: 2, remapped: 1 });
  });

  test('lets what is of another mode pass as it is', () => {
    const { learner } = bench();
    const octets = buildTcp({ ...wayIn, sport: 1, payload: text });
    expect(learner.feed('in', octets, { rule: 2, channel: 0 })[0]!.octets).toEqual(octets);
  });
});

function bench(): {
  restorer: StageBench;
  learner: StageBench;
  corrector: StageBench;
  peers: HiddenPeers;
  control: HostBench['control'];
} {
  const host = new HostBench();
  const { restorer, learner, corrector, peers } = host;
  return { restorer, learner, corrector, peers, control: (...words) => host.control(...words) };
}

describe('the port restorer', () => {
  test('#79 #81 gives data the ports its peer emitted, checksum right, and touches nothing else', () => {
    const { restorer, control, peers } = bench();
    control(tcpsec(), peers.controls[0]!);
    const payload = sealed(peers.spiOf(peers.datas[0]!));
    const [got] = restorer.feed('in', buildTcp({ ...wayIn, sport: OUTER, payload }));
    expect(got!.octets).toEqual(buildTcp({ ...wayIn, sport: 40000, dport: 80, payload }));
    expect(restorer.counters).toEqual({ restored: 1 });
  });

  test('#85 drops data of flows nobody told of; control packets pass as they are', () => {
    const { restorer, peers } = bench();
    const data = buildTcp({ ...wayIn, sport: OUTER, payload: sealed(peers.spiOf(peers.datas[0]!)) });
    expect(restorer.feed('in', data)).toEqual([]);
    expect(restorer.drops).toEqual({ unknownFlow: 1 });
    for (const payload of [sealed(peers.spiOf(peers.controls[0]!)), sealed(7), text.subarray(0, 3)]) {
      const octets = buildTcp({ ...wayIn, sport: OUTER, payload });
      expect(restorer.feed('in', octets)[0]!.octets).toEqual(octets);
    }
  });
});

test('#83 the port corrector sends a remapped flow the new way, others as they are', () => {
  const { corrector, control, peers } = bench();
  const ack = { flags: tcp.ACK };
  control(tcpsec(), peers.controls[0]!);
  const answer = buildTcp({ ...wayOut, dport: OUTER, payload: text });
  expect(corrector.feed('in', answer)[0]!.octets).toEqual(answer);
  const [moved] = control(tcpsec(6001, ack, ack), peers.controls[0]!);
  expect(ports(moved!.octets)).toEqual([OUTER, 8080]);
  expect(corrector.feed('in', answer)[0]!.octets).toEqual(
    buildTcp({ ...wayOut, dport: 6001, payload: text }),
  );
  const other = buildTcp({ ...wayOut, dport: 9999, payload: text });
  expect(corrector.feed('in', other)[0]!.octets).toEqual(other);
  expect(corrector.counters).toEqual({ corrected: 1 });

  // The NAT gives the tuple to another host: where the first one is nobody knows.
  control(tcpsec(6001, {}, {}), peers.controls[1]!);
  expect(corrector.feed('in', answer)).toEqual([]);
  expect(corrector.drops).toEqual({ noWay: 1 });
});

const { sad, spd, table } = new HiddenPeers();
const validPackets = [
  tcpsec(),
  tcpsec(OUTER + 1),
  buildUdp({ ...wayIn, sport: 7, payload: buildUdp({ ...wayIn, sport: 9, payload: text }).subarray(20) }),
  buildTcp({ ...wayIn, sport: OUTER, payload: sealed(1003) }),
];
const prepare: typeof preparePacket = (pool, packet) => {
  if (!preparePacket(pool, packet)) return false;
  pool.rule[packet] = TCPSEC;
  pool.channel[packet] = 1;
  pool.nextHeader[packet] = pool.protocol[packet]!;
  return true;
};
for (const { name, run } of [
  ...stageCompliance({ factory: transportDuplicator(spd), validPackets, prepare }),
  ...stageCompliance({ factory: portLearner(sad, spd, table), validPackets, prepare }),
  ...stageCompliance({ factory: portRestorer(sad, table), validPackets, prepare }),
  ...stageCompliance({ factory: portCorrector(table), validPackets, prepare }),
])
  test(name, run);
