import { ip, ipv4, ipv6, read16, read32, tcp } from '@ngisec/wire';
import type { Batch, PacketPool } from '@ngisec/core';

/** The most octets an IPv4 packet can have; kept for IPv6 too. */
const SUPER_PACKET_BYTES_MAX = 65535;

const FLAGS = 13;
const WINDOW = 14;
const URGENT = 18;
const ECE = 0x40;
const DONT_FRAGMENT = 0x40;

/** Flags that end a run: they may stand on its last segment only. */
const CLOSING = tcp.PSH | tcp.FIN;

/**
 * How many packets of the batch, from `index` on, can travel as one super-packet: in-order TCP segments of one
 * connection with equal headers and equal payloads but for a shorter last, as the kernel's GRO would merge. Only
 * packets whose checksum is pending count, for this process vouches for those. 1 where nothing can be merged.
 */
export function runLength(batch: Batch, index: number): number {
  const { pool, packets } = batch;
  const first = packets[index]!;
  if (!canLead(pool, first)) return 1;
  const segmentBytes = pool.end[first]! - payloadAt(pool, first);
  let total = pool.end[first]! - pool.start[first]!;
  let sequence = tcp.sequence(pool.bytes, pool.transport[first]!) + segmentBytes;
  let count = 1;
  while (index + count < batch.length) {
    const packet = packets[index + count]!;
    if (!follows(pool, first, packet, count, sequence >>> 0)) break;
    const payloadBytes = pool.end[packet]! - payloadAt(pool, packet);
    if (payloadBytes <= 0 || payloadBytes > segmentBytes || total + payloadBytes > SUPER_PACKET_BYTES_MAX)
      break;
    total += payloadBytes;
    sequence += payloadBytes;
    count += 1;
    if (payloadBytes < segmentBytes || closes(pool, packet)) break;
  }
  return count;
}

/**
 * Makes the headers of a run's first packet those of the super-packet: IP length, and FIN and PSH of the last.
 * Returns the super-packet's octets. The payloads stay where they are.
 */
export function mergeHeaders(batch: Batch, index: number, count: number): number {
  const { pool, packets } = batch;
  const { bytes } = pool;
  const first = packets[index]!;
  const last = packets[index + count - 1]!;
  let total = pool.end[first]! - pool.start[first]!;
  for (let next = 1; next < count; next += 1) {
    const packet = packets[index + next]!;
    total += pool.end[packet]! - payloadAt(pool, packet);
  }
  ip.setLength(bytes, pool.start[first]!, pool.family[first]!, total);
  bytes[pool.transport[first]! + FLAGS]! |= bytes[pool.transport[last]! + FLAGS]! & CLOSING;
  return total;
}

/** First octet behind the TCP header. */
export const payloadAt = (pool: PacketPool, packet: number): number =>
  pool.transport[packet]! + tcp.headerBytes(pool.bytes, pool.transport[packet]!);

const closes = (pool: PacketPool, packet: number): boolean =>
  (tcp.flags(pool.bytes, pool.transport[packet]!) & CLOSING) !== 0;

/** True for a TCP segment with data, no more than ACK and ECE set, and no IP options or extension headers. */
function canLead(pool: PacketPool, packet: number): boolean {
  if (pool.checksumPending[packet] === 0 || pool.protocol[packet] !== ip.TCP) return false;
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const isV4 = pool.family[packet] === 4;
  if (transport - start !== (isV4 ? ipv4.HEADER_BYTES_MIN : ipv6.HEADER_BYTES)) return false;
  if (isV4 && ipv4.isFragment(bytes, start)) return false;
  return (tcp.flags(bytes, transport) & ~ECE) === tcp.ACK && pool.end[packet]! > payloadAt(pool, packet);
}

function follows(
  pool: PacketPool,
  first: number,
  packet: number,
  distance: number,
  sequence: number,
): boolean {
  if (pool.checksumPending[packet] === 0 || pool.protocol[packet] !== ip.TCP) return false;
  if (pool.family[packet] !== pool.family[first]) return false;
  const transport = pool.transport[packet]!;
  if (transport - pool.start[packet]! !== pool.transport[first]! - pool.start[first]!) return false;
  if (tcp.sequence(pool.bytes, transport) !== sequence) return false;
  return (
    sameTcpHeader(pool.bytes, pool.transport[first]!, transport) &&
    (pool.family[packet] === 4
      ? sameIpv4Header(pool.bytes, pool.start[first]!, pool.start[packet]!, distance)
      : sameIpv6Header(pool.bytes, pool.start[first]!, pool.start[packet]!))
  );
}

/** Equal octets in `[from, to)` of two headers. */
function same(bytes: Uint8Array, left: number, right: number, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (bytes[left + at] !== bytes[right + at]) return false;
  return true;
}

/** RFC 6864: the identification says nothing where DF is set; elsewhere it must count up as segmentation will. */
function sameIpv4Header(bytes: Uint8Array, first: number, packet: number, distance: number): boolean {
  const counts =
    ((ipv4.identification(bytes, packet) - ipv4.identification(bytes, first)) & 0xffff) === distance;
  return (
    (counts || (bytes[first + 6]! & DONT_FRAGMENT) !== 0) &&
    same(bytes, first, packet, 0, 2) &&
    same(bytes, first, packet, 6, 10) &&
    same(bytes, first, packet, ipv4.SOURCE, ipv4.HEADER_BYTES_MIN)
  );
}

const sameIpv6Header = (bytes: Uint8Array, first: number, packet: number): boolean =>
  same(bytes, first, packet, 0, 4) && same(bytes, first, packet, 6, ipv6.HEADER_BYTES);

/** Equal in all but sequence number, PSH, FIN and checksum. */
function sameTcpHeader(bytes: Uint8Array, first: number, packet: number): boolean {
  return (
    read32(bytes, first) === read32(bytes, packet) &&
    tcp.acknowledgment(bytes, first) === tcp.acknowledgment(bytes, packet) &&
    bytes[first + 12] === bytes[packet + 12] &&
    (bytes[first + FLAGS]! & ~CLOSING) === (bytes[packet + FLAGS]! & ~CLOSING) &&
    read16(bytes, first + WINDOW) === read16(bytes, packet + WINDOW) &&
    same(bytes, first, packet, URGENT, tcp.headerBytes(bytes, first))
  );
}
