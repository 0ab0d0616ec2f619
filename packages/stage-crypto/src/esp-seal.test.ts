import { limits, PacketPool } from '@ngisec/core';
import type { Sad } from '@ngisec/ipsec';
import {
  buildEcho,
  buildTcp,
  buildUdp,
  parseIp,
  preparePacket,
  stageCompliance,
  type IpPacket,
} from '@ngisec/testkit';
import { esp, tcp } from '@ngisec/wire';
import { databases, SPI_A_TO_B, StageBench } from '../test/stage-bench.ts';
import { espSeal, espSealDescriptor } from './esp-seal.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const v6 = { src: 'fd01::5', dst: 'fd02::7' };
const ports = { sport: 40000, dport: 443 };
const hello = new TextEncoder().encode('a plain line that must not be seen');

let a: Sad;
let b: Sad;
let bench: StageBench;
const open = (pool?: PacketPool): StageBench => new StageBench(espSeal(a), pool);

beforeEach(() => {
  ({ a, b } = databases());
  bench = open();
});

afterEach(() => {
  expect(bench.problems).toEqual([]);
  a.clear();
  b.clear();
});

/** A clear packet in the pool, for a channel. */
function load(octets: Uint8Array, channel = 0): number {
  const packet = bench.pool.allocateCopy(octets);
  expect(preparePacket(bench.pool, packet)).toBe(true);
  bench.pool.channel[packet] = channel;
  return packet;
}

const shimOf = (octets: Uint8Array): number => (parseIp(octets) as IpPacket).payload;

test.each([
  ['IPv4 TCP', buildTcp({ ...v4, ...ports, payload: hello }), 6],
  ['IPv6 UDP', buildUdp({ ...v6, ...ports, payload: hello }), 17],
  ['IPv4 ICMP', buildEcho({ ...v4, payload: hello }), 1],
])('#22 #23 %s stays a valid packet of its protocol, without a word of its data', (_, octets, protocol) => {
  bench.feed(load(octets));
  const [sealed] = bench.emitted;
  expect(parseIp(sealed!.octets)).toMatchObject({ protocol });
  // 34 octets of data: no padding, 26 octets of shim.
  expect(sealed!.octets).toHaveLength(octets.length + 26);
  expect(esp.spi(sealed!.octets, shimOf(sealed!.octets))).toBe(SPI_A_TO_B);
  expect(Buffer.from(sealed!.octets).includes('plain')).toBe(false);
  expect(bench.report.counters).toEqual({ operations: 1, octets: 34 });
  expect(bench.drops).toEqual({});
});

test('#104 a bare ACK, a FIN and a RST carry the shim too', () => {
  for (const flags of [tcp.ACK, tcp.FIN | tcp.ACK, tcp.RST])
    bench.feed(load(buildTcp({ ...v4, ...ports, flags })));
  expect(bench.emitted.map(({ octets }) => octets.length)).toEqual([68, 68, 68]);
  expect(bench.report.counters).toEqual({ operations: 3, octets: 0 });
});

test('#43 each channel has its SPI and its own sequence numbers', () => {
  const octets = buildUdp({ ...v4, ...ports, payload: hello });
  bench.feed(...[0, 1, 1, 0, 1].map((channel) => load(octets, channel)));
  const shims = bench.emitted.map((sealed) => {
    const at = shimOf(sealed.octets);
    return [esp.spi(sealed.octets, at) - SPI_A_TO_B, esp.sequenceLow(sealed.octets, at)];
  });
  expect(shims).toEqual([
    [0, 1],
    [1, 1],
    [1, 2],
    [0, 2],
    [1, 3],
  ]);
});

test('order is kept, in a full batch of which every third packet is dropped', () => {
  const count = limits.batchPackets;
  const packets = Array.from({ length: count }, (_, index) =>
    load(buildUdp({ ...v4, sport: index, dport: 1, payload: hello }), index % 3 === 0 ? -1 : 0),
  );
  bench.feed(...packets);
  const sports = bench.emitted.map(({ octets }) => 256 * octets[20]! + octets[21]!);
  expect(sports).toEqual(
    Array.from({ length: count }, (_, index) => index).filter((index) => index % 3 !== 0),
  );
  expect(bench.drops).toEqual({ noChannel: 86 });
  expect(bench.report).toMatchObject({
    received: 256,
    emitted: { out: 170 },
    counters: { operations: 170, octets: 170 * 34 },
  });
});

describe('every drop reason', () => {
  const reached = new Set<string>();
  afterEach(() => Object.keys(bench.drops).forEach((reason) => reached.add(reason)));

  test('noChannel: none set, none of that number, or gone with all keys', () => {
    const octets = buildUdp({ ...v4, ...ports });
    bench.feed(load(octets, -1), load(octets, 2));
    a.clear();
    bench.feed(load(octets, 0));
    expect(bench.drops).toEqual({ noChannel: 3 });
    expect(bench.report.counters).toEqual({ operations: 0, octets: 0 });
  });

  test('tooLong: the slot has no room behind the packet; a dropped packet’s octets do not count', () => {
    bench = open(new PacketPool({ packets: 2, slotBytes: 128, headroomBytes: 8 }));
    const [fits, tooLong] = [72, 76].map((length) => {
      const octets = buildUdp({ ...v4, ...ports, payload: new Uint8Array(length) });
      return load(octets);
    });
    bench.feed(tooLong!, fits!);
    expect(bench.drops).toEqual({ tooLong: 1 });
    expect(bench.report.counters).toEqual({ operations: 1, octets: 72 });
    const sealed = bench.emitted[0]!.octets;
    expect(esp.sequenceLow(sealed, shimOf(sealed))).toBe(1);
  });

  test('sequenceExhausted: no number is left, and a rekeyed channel goes on', () => {
    const octets = buildUdp({ ...v4, ...ports, payload: hello });
    const channel = a.channels[0]!;
    const { outbound } = channel;
    outbound.nextSequence = () => 0;
    bench.feed(load(octets));
    channel.outbound = a.channels[1]!.outbound;
    bench.feed(load(octets));
    expect(bench.drops).toEqual({ sequenceExhausted: 1 });
    expect(bench.report.counters).toEqual({ operations: 1, octets: 34 });
    channel.outbound = outbound;
  });

  test('is among these', () => {
    expect([...reached].sort()).toEqual(Object.keys(espSealDescriptor.drops).sort());
  });
});

describe('F25', () => {
  const sad = databases().a;
  afterAll(() => sad.clear());
  const validPackets = [
    buildTcp({ ...v4, ...ports, payload: hello }),
    buildTcp({ ...v6, ...ports }),
    buildUdp({ ...v4, ...ports, payload: hello }),
    buildEcho({ ...v6, payload: hello }),
  ];
  const suite = stageCompliance({
    factory: espSeal(sad),
    validPackets,
    badPackets: 4000,
    prepare: (pool, packet) => {
      // Two channels there are, one there is not, and none.
      pool.channel[packet] = (packet % 4) - 1;
      return preparePacket(pool, packet);
    },
  });
  for (const { name, run } of suite) test(name, run);
});
