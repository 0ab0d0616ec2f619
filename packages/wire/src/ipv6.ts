/**
 * IPv6 (RFC 8200).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |Version| Traffic Class |           Flow Label                  |
 *     |         Payload Length        |  Next Header  |   Hop Limit   |
 *     |                     Source Address (128)                      |
 *     |                   Destination Address (128)                   |
 */
import { read16, write16 } from './bytes.ts';

export const HEADER_BYTES = 40;
export const SOURCE = 8;
export const DESTINATION = 24;
export const ADDRESS_BYTES = 16;

const PAYLOAD_LENGTH = 4;
const NEXT_HEADER = 6;
const HOP_LIMIT = 7;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;
const EXTENSION_HEADERS_MAX = 8;

export const payloadLength = (bytes: Uint8Array, at: number): number => read16(bytes, at + PAYLOAD_LENGTH);
export const nextHeader = (bytes: Uint8Array, at: number): number => bytes[at + NEXT_HEADER]!;
export const hopLimit = (bytes: Uint8Array, at: number): number => bytes[at + HOP_LIMIT]!;
export const trafficClass = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! & 0x0f) << 4) | (bytes[at + 1]! >>> 4);
export const dscp = (bytes: Uint8Array, at: number): number => trafficClass(bytes, at) >>> 2;
export const ecn = (bytes: Uint8Array, at: number): number => trafficClass(bytes, at) & 0b11;

export function setPayloadLength(bytes: Uint8Array, at: number, value: number): void {
  write16(bytes, at + PAYLOAD_LENGTH, value);
}

export function setHopLimit(bytes: Uint8Array, at: number, value: number): void {
  bytes[at + HOP_LIMIT] = value;
}

/** Writes the six bits of the DSCP; the two ECN bits stay. False where nothing changed. */
export function setDscp(bytes: Uint8Array, at: number, value: number): boolean {
  if (dscp(bytes, at) === value) return false;
  const after = (value << 2) | ecn(bytes, at);
  bytes[at] = (bytes[at]! & 0xf0) | (after >>> 4);
  bytes[at + 1] = (bytes[at + 1]! & 0x0f) | ((after & 0x0f) << 4);
  return true;
}

/**
 * Walks the extension headers and returns the transport protocol in the low octet and the transport header's
 * distance from `at` above it; -1 where the chain is cut off, too long, or the packet is a fragment.
 */
export function findTransport(bytes: Uint8Array, at: number, end: number): number {
  let header = nextHeader(bytes, at);
  let cursor = at + HEADER_BYTES;
  for (let walked = 0; walked <= EXTENSION_HEADERS_MAX; walked += 1) {
    if (header === FRAGMENT) return -1;
    if (header !== HOP_BY_HOP && header !== ROUTING && header !== DESTINATION_OPTIONS) {
      return ((cursor - at) << 8) | header;
    }
    if (cursor + 8 > end) return -1;
    const length = (bytes[cursor + 1]! + 1) << 3;
    header = bytes[cursor]!;
    cursor += length;
    if (cursor > end) return -1;
  }
  return -1;
}

/** True where a fragment header stands in the extension chain (looked for within the first few headers). */
export function isFragment(bytes: Uint8Array, at: number, end: number): boolean {
  let header = nextHeader(bytes, at);
  let cursor = at + HEADER_BYTES;
  for (let walked = 0; walked <= EXTENSION_HEADERS_MAX && cursor + 8 <= end; walked += 1) {
    if (header === FRAGMENT) return true;
    if (header !== HOP_BY_HOP && header !== ROUTING && header !== DESTINATION_OPTIONS) return false;
    header = bytes[cursor]!;
    cursor += (bytes[cursor + 1]! + 1) << 3;
  }
  return false;
}
