import { limits, type Counter, PacketPool, type StageFactory } from '@ngisec/core';
import { nextHeaders, shim, suites, type Sad, type SuiteName } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, preparePacket, stageCompliance } from '@ngisec/testkit';
import { ip, ipv4, ipv6, write16 } from '@ngisec/wire';
import { databases, StageBench, wireOctets } from '../test/stage-bench.ts';
import { espOpen, espOpenDescriptor } from './esp-open.ts';
import { espSeal } from './esp-seal.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const v6 = { src: 'fd01::5', dst: 'fd02::7' };
const ports = { sport: 40000, dport: 443 };
const payload = new TextEncoder().encode('hello');
const UDP4 = buildUdp({ ...v4, ...ports, payload });

let a: Sad;
let b: Sad;
let bench: StageBench;

beforeEach(() => {
  ({ a, b } = databases());
  bench = new StageBench(espOpen(b));
});

afterEach(() => {
  expect(bench.problems).toEqual([]);
  a.clear();
  b.clear();
});

function load(to: PacketPool, octets: Uint8Array): number {
  const packet = to.allocateCopy(octets);
  expect(preparePacket(to, packet)).toBe(true);
  return packet;
}

const pool = new PacketPool({ packets: 1 });

/** What host A sends for a packet of its stack. */
function sealed(
  octets: Uint8Array,
  channel = 0,
  nextHeader: number = nextHeaders.transportData,
  from = a,
): Uint8Array {
  const packet = load(pool, octets);
  pool.nextHeader[packet] = nextHeader;
  expect(shim.seal(pool, packet, from.channels[channel]!.outbound)).toBe(shim.SEAL_OK);
  const wire = wireOctets(pool, packet);
  pool.release(packet);
  return wire;
}

/** Changes an IPv4 packet on its way as someone who knows about checksums does. */
function changed(octets: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = octets.slice();
  change(copy);
  ipv4.completeChecksum(copy, 0);
  ip.completeTransportChecksum(copy, 0, 20, copy.length, 4, copy[9]!);
  return copy;
}

const feed = (...wire: Uint8Array[]): void => bench.feed(...wire.map((octets) => load(bench.pool, octets)));

test.each([
  ['IPv4 TCP', buildTcp({ ...v4, ...ports, payload })],
  ['IPv6 TCP', buildTcp({ ...v6, ...ports, payload })],
  ['IPv4 UDP', UDP4],
  ['IPv6 UDP', buildUdp({ ...v6, ...ports, payload })],
  ['IPv4 ICMP', buildEcho({ ...v4, payload })],
  ['IPv6 ICMP', buildEcho({ ...v6, payload })],
])('#105 %s comes out as its sender emitted it, with its channel and next header', (_, octets) => {
  feed(sealed(octets, 1), sealed(octets, 0, nextHeaders.controlMessage));
  expect(bench.emitted).toEqual([
    { octets, nextHeader: nextHeaders.transportData, channel: 1 },
    { octets, nextHeader: nextHeaders.controlMessage, channel: 0 },
  ]);
  expect(bench.report.counters).toEqual({ operations: 2, octets: 10 });
  expect(bench.drops).toEqual({});
});

describe.each(Object.keys(suites) as SuiteName[])('under %s', (suite) => {
  const clear = [
    ...[0, 1, 1200].map((length) => buildTcp({ ...v4, ...ports, payload: new Uint8Array(length) })),
    ...[0, 1, 1200].map((length) => buildUdp({ ...v6, ...ports, payload: new Uint8Array(length) })),
    buildEcho({ ...v4, payload }),
    buildEcho({ ...v6, payload }),
  ];

  test('#22 #37 esp-open restores what esp-seal sealed; a changed octet is forged', () => {
    const { a: sender, b: receiver } = databases(suite);
    const sealing = new StageBench(espSeal(sender));
    const opening = new StageBench(espOpen(receiver));
    for (const octets of clear) {
      const packet = load(sealing.pool, octets);
      sealing.pool.channel[packet] = 1;
      sealing.pool.nextHeader[packet] = nextHeaders.transportData;
      sealing.feed(packet);
    }
    const wire = sealing.emitted.map(({ octets }) => octets);
    const forged = wire.map((octets) => octets.slice());
    for (const octets of forged) {
      octets[octets.length - 1]! ^= 0x40;
      const packet = load(opening.pool, octets);
      opening.pool.checksumPending[packet] = 1;
      opening.feed(packet);
    }
    opening.feed(...wire.map((octets) => load(opening.pool, octets)));
    expect(opening.emitted.map(({ octets }) => octets)).toEqual(clear);
    expect(opening.emitted.every(({ channel }) => channel === 1)).toBe(true);
    expect(opening.drops).toEqual({ forged: clear.length });
    expect([...sealing.problems, ...opening.problems]).toEqual([]);
    sender.clear();
    receiver.clear();
  });
});

test('#123 a packet remarked on its way to any of the 64 DSCPs still verifies and keeps its mark', () => {
  for (let dscp = 0; dscp < 64; dscp += 1) {
    const four = sealed(UDP4);
    ipv4.setDscpWithChecksum(four, 0, dscp);
    const six = sealed(buildTcp({ ...v6, ...ports, payload }));
    ipv6.setDscp(six, 0, dscp);
    feed(four, six);
  }
  const marks = bench.emitted.map(({ octets }) => (octets[0] === 0x45 ? ipv4 : ipv6).dscp(octets, 0));
  expect(marks).toEqual(Array.from({ length: 128 }, (_, index) => index >>> 1));
});

test('order is kept, in a full batch with a forged packet after every two honest ones', () => {
  const wire = Array.from({ length: limits.batchPackets }, (_, index) => {
    const octets = sealed(buildUdp({ ...v4, sport: index, dport: 1, payload }));
    return index % 3 === 2 ? changed(octets, (copy) => (copy[40]! ^= 1)) : octets;
  });
  feed(...wire);
  const sports = bench.emitted.map(({ octets }) => 256 * octets[20]! + octets[21]!);
  expect(sports).toEqual(wire.map((_, index) => index).filter((index) => index % 3 !== 2));
  expect(bench.drops).toEqual({ forged: 85 });
  expect(bench.report).toMatchObject({
    received: 256,
    emitted: { out: 171 },
    counters: { operations: 256, octets: 171 * 5 },
  });
});

test('a checksum that is still to be computed is not looked at, an absent one of IPv4 UDP neither', () => {
  const pending = load(
    bench.pool,
    changed(sealed(UDP4), () => undefined),
  );
  write16(bench.pool.bytes, bench.pool.transport[pending]! + 6, 0x1234);
  bench.pool.checksumPending[pending] = 1;
  const without = sealed(UDP4);
  write16(without, 26, 0);
  bench.feed(pending, load(bench.pool, without));
  expect(bench.emitted.map(({ octets }) => octets)).toEqual([UDP4, UDP4]);
});

describe('every drop reason', () => {
  const reached = new Set<string>();
  afterEach(() => Object.keys(bench.drops).forEach((reason) => reached.add(reason)));

  test('#104 #105 unprotected: no shim has such a length', () => {
    const lengths = [0, 1, 5, 24, 27, 29, 30, 31, 1001];
    feed(...lengths.map((length) => buildTcp({ ...v4, ...ports, payload: new Uint8Array(length) })));
    expect(bench.drops).toEqual({ unprotected: lengths.length });
    expect(bench.report.counters).toEqual({ operations: 0, octets: 0 });
  });

  test('badChecksum: damaged, or IPv6 UDP without one', () => {
    const damaged = sealed(buildTcp({ ...v4, ...ports, payload }));
    damaged[60]! ^= 1;
    const without = sealed(buildUdp({ ...v6, ...ports, payload }));
    write16(without, 46, 0);
    feed(damaged, without);
    expect(bench.drops).toEqual({ badChecksum: 2 });
  });

  test('unknownSpi: plain data that looks like a shim, another’s SPI, or all keys gone', () => {
    feed(buildTcp({ ...v4, ...ports, payload: new Uint8Array(64) }));
    feed(changed(sealed(UDP4), (copy) => (copy[31] = 99)));
    const late = sealed(UDP4);
    b.clear();
    feed(late);
    expect(bench.drops).toEqual({ unknownSpi: 3 });
  });

  test('#97 replayed: the same packet again, no decryption is spent on it', () => {
    const [first, second] = [sealed(UDP4), sealed(UDP4)];
    feed(second, first, second, first, first);
    expect(bench.drops).toEqual({ replayed: 3 });
    expect(bench.report).toMatchObject({ emitted: { out: 2 }, counters: { operations: 2, octets: 10 } });
  });

  test('#90 #91 #92 forged: a port, an address, a payload octet; the window stays for the honest packet', () => {
    const honest = sealed(buildTcp({ ...v4, ...ports, payload }));
    for (const at of [15, 19, 21, 23, 27, 33, 52, honest.length - 1]) {
      feed(changed(honest, (copy) => (copy[at]! ^= 1)));
    }
    // A sequence number far ahead.
    feed(changed(honest, (copy) => (copy[44] = 0x7f)));
    expect(bench.drops).toEqual({ forged: 9 });
    expect(b.findInbound(0x1000)!.window.top).toBe(0);
    feed(honest);
    expect(bench.emitted).toHaveLength(1);
    expect(bench.report.counters).toEqual({ operations: 10, octets: 5 });
  });

  test('#43 forged: the SPI of one channel over the key of the other', () => {
    feed(changed(sealed(UDP4, 1), (copy) => (copy[31] = 0)));
    expect(bench.drops).toEqual({ forged: 1 });
  });

  test('badPadding: a peer that pads with zeros', () => {
    const { aead } = a.channels[0]!.outbound;
    const seal = aead.seal.bind(aead);
    aead.seal = (bytes, at, length) => {
      // 5 octets of data, 1 of padding, pad length, next header.
      bytes[at + 5] = 0;
      seal(bytes, at, length);
    };
    feed(sealed(UDP4));
    expect(bench.drops).toEqual({ badPadding: 1 });
    expect(bench.report.counters).toEqual({ operations: 1, octets: 0 });
  });

  test('wrongPeer: a genuine packet from an address the SA is not for, before any decryption', () => {
    feed(sealed(buildUdp({ ...v4, src: '10.3.0.5', ...ports, payload })));
    feed(sealed(buildUdp({ ...v6, src: 'fd03::5', ...ports, payload })));
    expect(bench.drops).toEqual({ wrongPeer: 2 });
    expect(bench.report.counters).toEqual({ operations: 0, octets: 0 });
    expect(b.findInbound(0x1000)!.window.top).toBe(0);
  });

  test('is among these', () => {
    expect([...reached].sort()).toEqual(Object.keys(espOpenDescriptor.drops).sort());
  });
});

describe('F25', () => {
  const { a: sender, b: receiver } = databases();
  afterAll(() => [sender, receiver].forEach((sad) => sad.clear()));
  const clear = [
    buildTcp({ ...v4, ...ports, payload }),
    buildTcp({ ...v6, ...ports }),
    buildUdp({ ...v4, ...ports, payload }),
    buildEcho({ ...v6, payload }),
  ];
  const factory = espOpen(receiver);

  describe('packets as they come: replayed, forged, plain', () => {
    const wire = clear.map((octets) => sealed(octets, 1, nextHeaders.transportData, sender));
    const validPackets = [...wire, ...clear];
    for (const { name, run } of stageCompliance({ factory, validPackets, badPackets: 4000 })) test(name, run);
  });

  describe('whatever a peer may seal: each packet is genuine', () => {
    const octets: Counter[] = [];
    const counting: StageFactory = {
      descriptor: factory.descriptor,
      create: (context) => {
        octets.push(context.counters['octets']!);
        return factory.create(context);
      },
    };
    const suite = stageCompliance({
      factory: counting,
      validPackets: clear,
      badPackets: 2000,
      seed: 2,
      prepare: (from, packet) =>
        preparePacket(from, packet) &&
        ip.checksumOffset(from.protocol[packet]!) >= 0 &&
        shim.seal(from, packet, sender.channels[0]!.outbound) === shim.SEAL_OK,
    });
    for (const { name, run } of suite) test(name, run);
    test('and most were opened', () => {
      const opened = octets.reduce((sum, { value }) => sum + value, 0);
      expect(opened).toBeGreaterThan(2000);
    });
  });
});
