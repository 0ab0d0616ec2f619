import { flowKey, PacketPool, reverseFlowKey, seededRandom, VirtualClock, writeFlowKey } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, parseIp, preparePacket, type IpPacket } from '@ngisec/testkit';
import { ip, ipv4, read16, write16 } from '@ngisec/wire';
import fc from 'fast-check';
import { GatewayBench, wanA, wanB } from '../test/two-gateways.ts';
import { BindingTable } from './binding-table.ts';
import { translateLeaving } from './translate.ts';

const parsed = (octets: Uint8Array): IpPacket => {
  const found = parseIp(octets);
  if (typeof found === 'string') throw new Error(found);
  return found;
};

function hasRightChecksums(octets: Uint8Array): boolean {
  const { transport, end, family, protocol } = parsed(octets);
  return (
    (family === 6 || ipv4.hasValidChecksum(octets, 0)) &&
    ip.hasValidTransportChecksum(octets, 0, transport, end, family, protocol)
  );
}

/** The packet with both checksums computed from scratch. */
function recomputed(octets: Uint8Array): Uint8Array {
  const { transport, end, family, protocol } = parsed(octets);
  const copy = octets.slice();
  if (family === 4) ipv4.completeChecksum(copy, 0);
  ip.completeTransportChecksum(copy, 0, transport, end, family, protocol);
  return copy;
}

/** The same flow's packet in the other direction: addresses and ports swapped. */
function turned(octets: Uint8Array): Uint8Array {
  const { transport, family, protocol, source, destination } = parsed(octets);
  const copy = octets.slice();
  copy.set(destination, ip.sourceOffset(family));
  copy.set(source, ip.destinationOffset(family));
  if (protocol === ip.TCP || protocol === ip.UDP) {
    write16(copy, transport, read16(octets, transport + 2));
    write16(copy, transport + 2, read16(octets, transport));
  } else if (family === 4) copy[transport] = copy[transport] === 8 ? 0 : 8;
  else copy[transport] = copy[transport] === 128 ? 129 : 128;
  return recomputed(copy);
}

const port = fc.integer({ min: 1, max: 0xffff });
const payload = fc.uint8Array({ minLength: 1, maxLength: 90 });
const hosts = fc
  .tuple(fc.constantFrom(4, 6), fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 14 }))
  .map(([family, near, far]) =>
    family === 4
      ? { src: `10.1.0.${near}`, dst: `10.2.0.${far}` }
      : { src: `fd01::${near}`, dst: `fd02::${far}` },
  );
const header = fc.record({
  ttl: fc.integer({ min: 1, max: 255 }),
  dscp: fc.integer({ min: 0, max: 63 }),
  ecn: fc.integer({ min: 0, max: 3 }),
});
const word = fc.integer({ min: 0, max: 0xffff_ffff });
const options = fc
  .integer({ min: 0, max: 10 })
  .chain((words) => fc.uint8Array({ minLength: 4 * words, maxLength: 4 * words }));
const packet = fc.oneof(
  fc
    .record({
      hosts,
      header,
      sport: port,
      dport: port,
      seq: word,
      ack: word,
      flags: fc.integer({ min: 0, max: 255 }),
      options,
      payload,
    })
    .map(({ hosts: ends, header: fields, ...rest }) => buildTcp({ ...ends, ...fields, ...rest })),
  fc
    .record({ hosts, header, sport: port, dport: port, payload })
    .map(({ hosts: ends, header: fields, ...rest }) => buildUdp({ ...ends, ...fields, ...rest })),
  fc
    .record({ hosts, header, identifier: port, sequence: port, reply: fc.boolean(), payload })
    .map(({ hosts: ends, header: fields, ...rest }) => buildEcho({ ...ends, ...fields, ...rest })),
);

/**
 * Gateways A and B with a binding for the packet's flow on both sides, A's on a drawn port where `other`
 * holds its own.
 */
function gatewaysFor(octets: Uint8Array, isRemapped: boolean): { a: GatewayBench; b: GatewayBench } {
  const setting = { prepare: preparePacket, clock: new VirtualClock() };
  const [a, b] = [new GatewayBench('a', setting), new GatewayBench('b', setting)];
  const { transport, family, protocol } = parsed(octets);
  const [inner, other, outer, seen] = [flowKey(), flowKey(), flowKey(), flowKey()];
  writeFlowKey(inner, octets, 0, transport, family, protocol);
  const own = family === 4 ? wanA[4] : wanA[6];
  const far = family === 4 ? wanB[4] : wanB[6];
  other.set(inner);
  other[3] = (other[3]! ^ 0x20) >>> 0;
  if (isRemapped) a.table.create(other, 0, own, far, 0);
  a.table.readOuter(a.table.create(inner, 0, own, far, 0), outer);
  reverseFlowKey(inner, seen);
  b.table.learn(seen, outer, 0, 0);
  return { a, b };
}

test('#34 reverse(NAT(p)) = p, to the last octet, both ways and through every translation', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(packet, fc.boolean(), (octets, isRemapped) => {
      const { a, b } = gatewaysFor(octets, isRemapped);
      for (const [sender, receiver, sent] of [
        [a, b, octets],
        [b, a, turned(octets)],
      ] as const) {
        const [translated] = sender.nat.feed('data', sent);
        const { source, destination, family, protocol } = parsed(translated!.octets);
        const [own, far] = [sender.site, receiver.site].map(({ addresses }) => addresses[family as 4 | 6]);
        expect([source, destination]).toEqual([own, far]);
        // Incrementally adjusted and computed from scratch are the same number (RFC 1624).
        expect(translated!.octets).toEqual(recomputed(translated!.octets));
        const [restored] = receiver.reverseNat.feed('data', translated!.octets);
        expect(restored!.octets).toEqual(sent);
        seen.set(`${family} ${protocol}`, (seen.get(`${family} ${protocol}`) ?? 0) + 1);
      }
    }),
    { numRuns: 400 },
  );
  expect([...seen.keys()].sort()).toEqual(['4 1', '4 17', '4 6', '6 17', '6 58', '6 6']);
});

test('#34 ports are remapped only where they must be, and only the headers change', () => {
  const octets = buildTcp({
    src: '10.1.0.2',
    dst: '10.2.0.3',
    sport: 40000,
    dport: 443,
    payload: Uint8Array.of(1, 2, 3),
  });
  const ports = [false, true].map((isRemapped) => {
    const [translated] = gatewaysFor(octets, isRemapped).a.nat.feed('data', octets);
    expect(translated!.payload).toEqual(Uint8Array.of(1, 2, 3));
    return read16(translated!.octets, 20);
  });
  expect(ports[0]).toBe(40000);
  expect(ports[1]).not.toBe(40000);
});

describe('N62 checksums', () => {
  const pool = new PacketPool({ packets: 1 });

  /** Translates, for each value of the first payload word, a packet of the flow; all sums there can be pass by. */
  function sweep(build: (payload: Uint8Array) => Uint8Array): {
    wrong: number;
    zeros: number;
    allOnes: number;
  } {
    const first = build(new Uint8Array(2));
    const { transport, payload: payloadAt, end, family, protocol } = parsed(first);
    const [table, inner, scratch] = [
      new BindingTable(seededRandom(3), { capacity: 2 }),
      flowKey(),
      flowKey(),
    ];
    writeFlowKey(inner, first, 0, transport, family, protocol);
    const binding = table.create(
      inner,
      0,
      family === 4 ? wanA[4] : wanA[6],
      family === 4 ? wanB[4] : wanB[6],
      0,
    );
    const checksumAt = transport + ip.checksumOffset(protocol);
    const seen = { wrong: 0, zeros: 0, allOnes: 0 };
    for (let value = 0; value <= 0xffff; value += 1) {
      write16(first, payloadAt, value);
      ip.completeTransportChecksum(first, 0, transport, end, family, protocol);
      const number = pool.allocateCopy(first);
      preparePacket(pool, number);
      translateLeaving(pool, number, table, binding, scratch);
      const start = pool.start[number]!;
      const adjusted = read16(pool.bytes, start + checksumAt);
      ip.completeTransportChecksum(pool.bytes, start, start + transport, start + end, family, protocol);
      if (read16(pool.bytes, start + checksumAt) !== adjusted) seen.wrong += 1;
      if (adjusted === 0) seen.zeros += 1;
      if (adjusted === 0xffff) seen.allOnes += 1;
      pool.release(number);
    }
    return seen;
  }

  const v4 = { src: '10.1.0.2', dst: '10.2.0.3', sport: 40000, dport: 443 };
  const v6 = { ...v4, src: 'fd01::2', dst: 'fd02::3' };
  test.each([
    ['TCP', (data: Uint8Array) => buildTcp({ ...v4, payload: data }), { zeros: 1, allOnes: 0 }],
    ['TCP over IPv6', (data: Uint8Array) => buildTcp({ ...v6, payload: data }), { zeros: 1, allOnes: 0 }],
    // RFC 768: a computed zero goes out as all ones.
    ['UDP', (data: Uint8Array) => buildUdp({ ...v4, payload: data }), { zeros: 0, allOnes: 1 }],
    ['UDP over IPv6', (data: Uint8Array) => buildUdp({ ...v6, payload: data }), { zeros: 0, allOnes: 1 }],
    [
      'ICMP',
      (data: Uint8Array) => buildEcho({ ...v4, identifier: 7, payload: data }),
      { zeros: 1, allOnes: 0 },
    ],
    [
      'ICMPv6',
      (data: Uint8Array) => buildEcho({ ...v6, identifier: 7, payload: data }),
      { zeros: 1, allOnes: 0 },
    ],
  ])('%s: adjusted is computed, for every sum there is', (_, build, expected) => {
    expect(sweep(build)).toEqual({ wrong: 0, ...expected });
  });

  test('an IPv4 UDP checksum of zero stays zero, both ways', () => {
    const octets = buildUdp({ ...v4, payload: Uint8Array.of(1) });
    write16(octets, 26, 0);
    const { a, b } = gatewaysFor(octets, true);
    const [translated] = a.nat.feed('data', octets);
    expect(read16(translated!.octets, 26)).toBe(0);
    expect(b.reverseNat.feed('data', translated!.octets)[0]!.octets).toEqual(octets);
  });

  test('a wrong checksum stays wrong: NAT repairs nothing', () => {
    for (const build of [buildTcp, buildUdp]) {
      const octets = build({ ...v4, payload: Uint8Array.of(1, 2, 3) });
      octets[octets.length - 1]! ^= 4;
      const { a, b } = gatewaysFor(octets, true);
      const [translated] = a.nat.feed('data', octets);
      expect(hasRightChecksums(translated!.octets)).toBe(false);
      expect(b.reverseNat.feed('data', translated!.octets)[0]!.octets).toEqual(octets);
    }
  });

  test('a pending checksum is left to the device, which makes it right', () => {
    const octets = buildTcp({ ...v4, payload: Uint8Array.of(1, 2, 3) });
    const [translated] = gatewaysFor(octets, true).a.nat.feed('data', octets, { checksumPending: 1 });
    expect(translated!.checksumPending).toBe(1);
    expect(hasRightChecksums(translated!.octets)).toBe(true);
  });
});

test('#42 data without a binding, to or from no peer gateway, is dropped and counted', () => {
  const octets = buildUdp({ src: '10.1.0.2', dst: '10.9.0.3', sport: 1, dport: 2 });
  const a = new GatewayBench('a', { prepare: preparePacket, clock: new VirtualClock() });
  expect(a.nat.feed('data', octets)).toEqual([]);
  expect(a.nat.drops).toEqual({ noBinding: 1 });
  expect(a.reverseNat.feed('data', octets)).toEqual([]);
  expect(a.reverseNat.drops).toEqual({ noBinding: 1 });
  expect(a.table.size).toBe(0);
});

test('N6 a binding that idled out is gone; the sweep counts it', () => {
  const octets = buildUdp({ src: '10.1.0.2', dst: '10.2.0.3', sport: 1, dport: 2 });
  const { a } = gatewaysFor(octets, false);
  a.nat.pass(300_000);
  expect(a.nat.feed('data', octets)).toHaveLength(1);
  a.nat.pass(300_001);
  expect(a.table.size).toBe(0);
  expect(a.nat.counters).toMatchObject({ created: 0, expired: 1 });
});
