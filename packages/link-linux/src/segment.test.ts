import type { Batch, PacketPool } from '@ngisec/core';
import { ip, ipv4, ipv6, read16, tcp, write16 } from '@ngisec/wire';
import fc from 'fast-check';
import { build, segment, type SuperPacket } from '../test/super-packet.ts';
import { mergeHeaders, payloadAt, runLength } from './coalesce.ts';
import { Segmenter } from './segment.ts';
import { GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 } from './vnet-header.ts';

const CWR = 0x80;
const ECE = 0x40;

/** What the kernel would gather from the pieces: the first packet, then payloads. */
function gather(batch: Batch, index: number, count: number): Uint8Array {
  const { pool, packets } = batch;
  const pieces = Array.from(packets.subarray(index + 1, index + count), (packet) =>
    pool.bytes.slice(payloadAt(pool, packet), pool.end[packet]),
  );
  return Uint8Array.from([pool.octets(packets[index]!), ...pieces].flatMap((piece) => [...piece]));
}

const tcpPacket = fc.record({
  family: fc.constantFrom(4, 6),
  protocol: fc.constant(ip.TCP),
  payloadBytes: fc.integer({ min: 1, max: 20_000 }),
  optionBytes: fc.constantFrom(0, 12, 20, 40),
  flags: fc
    .constantFrom(0, tcp.PSH, tcp.FIN, tcp.PSH | tcp.FIN, ECE, ECE | tcp.PSH)
    .map((flags) => flags | tcp.ACK),
  sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
  identification: fc.integer({ min: 0, max: 0xffff }),
});

const segmentSize = fc.integer({ min: 100, max: 1400 });

describe('segmentation', () => {
  test('what is coalesced from the segments of a TCP super-packet is the super-packet', () => {
    fc.assert(
      fc.property(tcpPacket, segmentSize, (wanted, segmentBytes) => {
        const bytes = build(wanted);
        const batch = segment(bytes, segmentBytes);
        expect(batch.length).toBe(Math.ceil(wanted.payloadBytes / segmentBytes));
        const count = runLength(batch, 0);
        expect(count).toBe(batch.length);
        expect(mergeHeaders(batch, 0, count)).toBe(bytes.length);
        expect(gather(batch, 0, count)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  test('each segment is a valid packet of its own with its checksum completed', () => {
    fc.assert(
      fc.property(tcpPacket, fc.boolean(), segmentSize, (wanted, isUdp, segmentBytes) => {
        const bytes = build({ ...wanted, protocol: isUdp ? ip.UDP : ip.TCP });
        const { pool, packets, length } = segment(bytes, segmentBytes);
        for (const packet of packets.subarray(0, length)) {
          const start = pool.start[packet]!;
          const end = pool.end[packet]!;
          const transport = pool.transport[packet]!;
          expect(pool.checksumPending[packet]).toBe(1);
          expect(pool.payload[packet]! - transport).toBe(
            ip.transportHeaderBytes(pool.bytes, transport, end, pool.protocol[packet]!),
          );
          if (wanted.family === 4) {
            expect(ipv4.hasValidChecksum(pool.bytes, start)).toBe(true);
            expect(ipv4.totalLength(pool.bytes, start)).toBe(end - start);
          } else {
            expect(ipv6.payloadLength(pool.bytes, start)).toBe(end - start - 40);
          }
          const place = [start, transport, end, wanted.family, pool.protocol[packet]!] as const;
          ip.completeTransportChecksum(pool.bytes, ...place);
          expect(ip.hasValidTransportChecksum(pool.bytes, ...place)).toBe(true);
          if (isUdp) expect(read16(pool.bytes, transport + 4)).toBe(end - transport);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('sequence number and identification go on across their ends; PSH and FIN stay last, CWR first', () => {
    const { pool, packets, length } = segment(build({ flags: tcp.ACK | tcp.PSH | tcp.FIN | CWR }), 1000);
    const seen = Array.from(packets.subarray(0, length), (packet) => [
      ipv4.identification(pool.bytes, pool.start[packet]!),
      tcp.sequence(pool.bytes, pool.transport[packet]!),
      tcp.flags(pool.bytes, pool.transport[packet]!),
    ]);
    expect(seen).toEqual([
      [0xffff, 0xffff_fc00, tcp.ACK | CWR],
      [0x0000, 0xffff_ffe8, tcp.ACK],
      [0x0001, 0x0000_03d0, tcp.ACK | tcp.PSH | tcp.FIN],
    ]);
  });

  test.each<[string, (bytes: Uint8Array) => void, number, number]>([
    ['a type of the other family', () => undefined, GSO_TCPV6, 1000],
    ['a type of the other protocol', () => undefined, GSO_UDP_L4, 1000],
    ['no segment size', () => undefined, GSO_TCPV4, 0],
    ['segments larger than a slot takes', () => undefined, GSO_TCPV4, 1792],
    ['a TCP header shorter than its minimum', (bytes) => (bytes[32] = 0x10), GSO_TCPV4, 1000],
    ['a fragment', (bytes) => (bytes[7] = 1), GSO_TCPV4, 1000],
    ['no IP version known', (bytes) => (bytes[0] = 0x55), GSO_TCPV4, 1000],
  ])('refuses %s', (_, spoil, gsoType, segmentBytes) => {
    const bytes = build({});
    spoil(bytes);
    const segmenter = new Segmenter(bytes, () => undefined);
    expect(segmenter.begin(bytes.length, gsoType, segmentBytes, 1792)).toBe(false);
    expect(segmenter.isPending).toBe(false);
  });
});

describe('coalescing', () => {
  /** Three segments of 1000 octets, the second spoilt. */
  const runAfter = (
    spoil: (pool: PacketPool, packet: number) => void,
    wanted: Partial<SuperPacket> = {},
  ): number => {
    const batch = segment(build(wanted), 1000);
    spoil(batch.pool, batch.packets[1]!);
    return runLength(batch, 0);
  };
  const at =
    (offset: number) =>
    (pool: PacketPool, packet: number): void => {
      pool.bytes[pool.start[packet]! + offset]! ^= 1;
    };
  const transportAt =
    (offset: number) =>
    (pool: PacketPool, packet: number): void => {
      pool.bytes[pool.transport[packet]! + offset]! ^= 1;
    };

  test('takes the three unspoilt segments', () => expect(runAfter(() => undefined)).toBe(3));

  const setEce = (pool: PacketPool, packet: number): void => {
    pool.bytes[pool.transport[packet]! + 13]! |= ECE;
  };

  test.each<[string, number, (pool: PacketPool, packet: number) => void]>([
    ['whose checksum is not pending', 4, (pool, packet) => (pool.checksumPending[packet] = 0)],
    ['of another protocol', 4, (pool, packet) => (pool.protocol[packet] = ip.UDP)],
    ['with another DSCP', 4, at(1)],
    ['with another TTL', 4, at(8)],
    ['from another address', 4, at(15)],
    ['to another address', 4, at(19)],
    ['with another flow label', 6, at(3)],
    ['with another hop limit', 6, at(7)],
    ['from another address', 6, at(23)],
    ['from another port', 4, transportAt(1)],
    ['out of order', 4, transportAt(7)],
    ['with another acknowledgment', 4, transportAt(11)],
    ['with another window', 4, transportAt(15)],
    ['with other flags', 4, setEce],
    ['with another timestamp', 4, transportAt(27)],
    ['without data', 4, (pool, packet) => (pool.end[packet] = pool.payload[packet]!)],
    ['with more data than the first', 4, (pool, packet) => (pool.end[packet]! += 1)],
  ])('ends before a segment %s (IPv%i)', (_, family, spoil) => expect(runAfter(spoil, { family })).toBe(1));

  test('ends behind a shorter segment, and behind PSH', () => {
    expect(runAfter((pool, packet) => (pool.end[packet]! -= 1))).toBe(2);
    expect(runAfter((pool, packet) => (pool.bytes[pool.transport[packet]! + 13]! |= tcp.PSH))).toBe(2);
  });

  test('where fragments may be made (no DF), identifications must count up', () => {
    const clearDf = (batch: Batch): void => {
      for (const packet of batch.packets.subarray(0, batch.length))
        batch.pool.bytes[batch.pool.start[packet]! + 6] = 0;
    };
    const counting = segment(build({}), 1000);
    clearDf(counting);
    expect(runLength(counting, 0)).toBe(3);
    const repeating = segment(build({}), 1000);
    clearDf(repeating);
    write16(repeating.pool.bytes, repeating.pool.start[repeating.packets[1]!]! + 4, 7);
    expect(runLength(repeating, 0)).toBe(1);
  });

  test('never exceeds what an IP length field holds', () => {
    const batch = segment(build({ payloadBytes: 66_000 }), 1000);
    const count = runLength(batch, 0);
    expect(count).toBe(65);
    expect(mergeHeaders(batch, 0, count)).toBe(52 + 65_000);
  });
});
