import { updateLengths, type PacketPool } from '@ngisec/core';
import { controlMessage, nextHeaders } from '@ngisec/ipsec';
import { ip, udp, write16 } from '@ngisec/wire';

/**
 * Puts a copy of a clear packet's headers before it; false where there is no room. The copy is for NAT to change.
 *
 *     before            | IP | T | data |
 *     transport data    | IP | T | IP | T | data |
 *     control message   | IP | T | mapping item header | IP | T | items |
 *     tls packet        | IP | T | IP | T | data |        its own next header says that it goes on in the clear
 */
export function duplicate(pool: PacketPool, packet: number): boolean {
  const { bytes } = pool;
  const inner = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const family = pool.family[packet]!;
  const headers = pool.payload[packet]! - inner;
  const isMessage = pool.nextHeader[packet] === nextHeaders.controlMessage;
  const itemHeader = isMessage ? controlMessage.ITEM_HEADER_BYTES : 0;
  if (pool.headroom(packet) < headers + itemHeader) return false;
  const isTls = pool.nextHeader[packet] === nextHeaders.tlsPacket;
  // From here on the copied packet is user data: it must be complete as its host made it. What nobody verified keeps
  // its checksum: a damaged packet must not become a good one.
  if (!isTls || pool.checksumPending[packet] === 1)
    ip.completeTransportChecksum(bytes, inner, transport, pool.end[packet]!, family, pool.protocol[packet]!);
  const outer = inner - headers - itemHeader;
  bytes.copyWithin(outer, inner, inner + headers);
  if (isMessage) {
    controlMessage.writeItemHeader(bytes, inner - itemHeader, controlMessage.items.mapping, headers);
  } else if (!isTls) pool.nextHeader[packet] = family === 4 ? nextHeaders.ipv4Packet : nextHeaders.ipv6Packet;
  pool.start[packet] = outer;
  pool.transport[packet] = transport - headers - itemHeader;
  pool.payload[packet] = outer + headers;
  updateLengths(pool, packet);
  return true;
}

/**
 * Repeats a clear packet's transport header alone behind itself; false where there is no room. The first copy is for
 * NATs to change; addresses are not repeated, so that they stay hidden (draft section 6.3, #71, #79, #80). The copy's
 * checksum would tell of them, and its UDP length is not known to the receiver of a message: both are zero.
 *
 *     before            | IP | T | data |
 *     transport data    | IP | T | T | data |                                 next header: the IP protocol
 *     control message   | IP | T | transport mapping item header | T | items |
 */
export function duplicateTransport(pool: PacketPool, packet: number): boolean {
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const payload = pool.payload[packet]!;
  const protocol = pool.protocol[packet]!;
  const length = payload - transport;
  const isMessage = pool.nextHeader[packet] === nextHeaders.controlMessage;
  const added = length + (isMessage ? controlMessage.ITEM_HEADER_BYTES : 0);
  if (pool.headroom(packet) < added) return false;
  bytes.copyWithin(start - added, start, payload);
  if (isMessage) {
    const item = transport - controlMessage.ITEM_HEADER_BYTES;
    controlMessage.writeItemHeader(bytes, item, controlMessage.items.transportMapping, length);
  } else pool.nextHeader[packet] = protocol;
  write16(bytes, transport + ip.checksumOffset(protocol), 0);
  if (protocol === ip.UDP) write16(bytes, transport + udp.LENGTH, 0);
  pool.start[packet] = start - added;
  pool.transport[packet] = transport - added;
  pool.payload[packet] = payload - added;
  updateLengths(pool, packet);
  return true;
}

/** Offset of the transport header that stands repeated in an opened control packet; -1 where none does, whole. */
export function findEmittedTransport(pool: PacketPool, packet: number): number {
  const { bytes } = pool;
  const protocol = pool.protocol[packet]!;
  const payload = pool.payload[packet]!;
  const end = pool.end[packet]!;
  const nextHeader = pool.nextHeader[packet];
  if (nextHeader === protocol)
    return ip.transportHeaderBytes(bytes, payload, end, protocol) > 0 ? payload : -1;
  const at = payload + controlMessage.ITEM_HEADER_BYTES;
  if (nextHeader !== nextHeaders.controlMessage || at > end) return -1;
  if (controlMessage.itemType(bytes, payload) !== controlMessage.items.transportMapping) return -1;
  const length = controlMessage.itemLength(bytes, payload);
  const isWhole = at + length <= end && length > 0;
  return isWhole && ip.transportHeaderBytes(bytes, at, at + length, protocol) === length ? at : -1;
}

/** What the peer gateway has to know of a flow's mode to take a mapping over. */
export type MappingMode = 'vpn' | 'n2n' | 'tls';

/**
 * Cuts a packet to its headers and makes it a mapping update (#68): a control message of nothing but the duplicate,
 * and for a `tls` flow the declaration of its mode.
 */
export function makeMappingUpdate(pool: PacketPool, packet: number, mode: MappingMode = 'vpn'): boolean {
  const end = pool.payload[packet]!;
  const { tls } = controlMessage.declaredModes;
  pool.end[packet] = mode === 'tls' ? controlMessage.writeDeclaration(pool.bytes, end, 0, 0, tls) : end;
  pool.nextHeader[packet] = nextHeaders.controlMessage;
  updateLengths(pool, packet);
  return mode === 'n2n' ? duplicateTransport(pool, packet) : duplicate(pool, packet);
}
