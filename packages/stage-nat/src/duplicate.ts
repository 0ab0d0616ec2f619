import { updateLengths, type PacketPool } from '@ngisec/core';
import { controlMessage, nextHeaders } from '@ngisec/ipsec';
import { ip } from '@ngisec/wire';

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
 * Cuts a packet to its headers and makes it a mapping update (#68): a control message of nothing but the duplicate,
 * and for a `tls` flow the declaration of its mode.
 */
export function makeMappingUpdate(pool: PacketPool, packet: number, isTls: boolean): boolean {
  const end = pool.payload[packet]!;
  const { tls } = controlMessage.declaredModes;
  pool.end[packet] = isTls ? controlMessage.writeDeclaration(pool.bytes, end, 0, 0, tls) : end;
  pool.nextHeader[packet] = nextHeaders.controlMessage;
  updateLengths(pool, packet);
  return duplicate(pool, packet);
}
