/** What the two IP versions share: one check at ingress, then addresses, lengths and checksums by family. */
import { write16, read16 } from './bytes.ts';
import { adjust, finish, sum } from './checksum.ts';
import * as icmp from './icmp.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMPV6 = 58;

/** Distance of the source address from the IP header's first octet. */
export const sourceOffset = (family: number): number => (family === 4 ? ipv4.SOURCE : ipv6.SOURCE);
export const destinationOffset = (family: number): number =>
  family === 4 ? ipv4.DESTINATION : ipv6.DESTINATION;
export const addressBytes = (family: number): number => (family === 4 ? 4 : 16);

/** Distance of the checksum field from the transport header's first octet; -1 for other protocols. */
export function checksumOffset(protocol: number): number {
  if (protocol === TCP) return tcp.CHECKSUM;
  if (protocol === UDP) return udp.CHECKSUM;
  return protocol === ICMP || protocol === ICMPV6 ? icmp.CHECKSUM : -1;
}

/**
 * Octets of the readable transport header at `at`: TCP with its options, UDP, or the 8 octets of an ICMP
 * message; 0 for other protocols and for a header that does not fit before `end`.
 */
export function transportHeaderBytes(bytes: Uint8Array, at: number, end: number, protocol: number): number {
  if (protocol === TCP) {
    if (at + tcp.HEADER_BYTES_MIN > end) return 0;
    const length = tcp.headerBytes(bytes, at);
    return length < tcp.HEADER_BYTES_MIN || at + length > end ? 0 : length;
  }
  const known = protocol === UDP || protocol === ICMP || protocol === ICMPV6;
  return known && at + 8 <= end ? 8 : 0;
}

/**
 * The sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1) for a transport part of `length`
 * octets.
 */
export function pseudoHeaderSum(
  bytes: Uint8Array,
  at: number,
  family: number,
  protocol: number,
  length: number,
): number {
  if (protocol === ICMP) return 0;
  const source = at + sourceOffset(family);
  return sum(bytes, source, source + 2 * addressBytes(family), protocol + length);
}

/**
 * Computes the transport checksum of the packet `[at, end)` whose transport header is at `transport`, and
 * writes it.
 */
export function completeTransportChecksum(
  bytes: Uint8Array,
  at: number,
  transport: number,
  end: number,
  family: number,
  protocol: number,
): void {
  const offset = checksumOffset(protocol);
  if (offset < 0) return;
  write16(bytes, transport + offset, 0);
  const total = sum(bytes, transport, end, pseudoHeaderSum(bytes, at, family, protocol, end - transport));
  const value = finish(total);
  // RFC 768: a computed zero goes out as all ones, for zero means "no checksum".
  write16(bytes, transport + offset, value === 0 && protocol === UDP ? 0xffff : value);
}

/** True where the transport checksum is right, or absent as IPv4 UDP allows. */
export function hasValidTransportChecksum(
  bytes: Uint8Array,
  at: number,
  transport: number,
  end: number,
  family: number,
  protocol: number,
): boolean {
  const offset = checksumOffset(protocol);
  if (offset < 0) return true;
  // RFC 8200 section 8.1: over IPv6 a UDP checksum of zero is refused.
  if (protocol === UDP && read16(bytes, transport + offset) === 0) return family === 4;
  return (
    finish(sum(bytes, transport, end, pseudoHeaderSum(bytes, at, family, protocol, end - transport))) === 0
  );
}

/**
 * Applies a checksum adjustment (see `checksum.adjustment`) to the transport checksum at `transport`. An IPv4 UDP
 * checksum of 0 means none and stays; a computed 0 becomes all ones (RFC 768, RFC 3022 section 4.2).
 */
export function adjustTransportChecksum(
  bytes: Uint8Array,
  transport: number,
  protocol: number,
  adjustment: number,
): void {
  const at = transport + checksumOffset(protocol);
  const before = read16(bytes, at);
  if (protocol === UDP && before === 0) return;
  const after = adjust(before, adjustment);
  write16(bytes, at, after === 0 && protocol === UDP ? 0xffff : after);
}

/** Writes the IP length field for a packet of `length` octets, header included; IPv4's checksum follows. */
export function setLength(bytes: Uint8Array, at: number, family: number, length: number): void {
  if (family === 4) ipv4.setTotalLengthWithChecksum(bytes, at, length);
  else ipv6.setPayloadLength(bytes, at, length - ipv6.HEADER_BYTES);
}
