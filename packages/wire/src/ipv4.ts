/**
 * IPv4 (RFC 791, RFC 2474 for DSCP, RFC 3168 for ECN).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |Version|  IHL  |    DSCP   |ECN|          Total Length         |
 *     |         Identification        |Flags|     Fragment Offset     |
 *     |  Time to Live |    Protocol   |        Header Checksum        |
 *     |                         Source Address                        |
 *     |                      Destination Address                      |
 *
 * Every function takes the packet's octets and the offset `at` of its first one.
 */
import { read16, write16 } from './bytes.ts';
import { finish, sum, update } from './checksum.ts';

export const HEADER_BYTES_MIN = 20;
export const SOURCE = 12;
export const DESTINATION = 16;
export const ADDRESS_BYTES = 4;

const DSCP_ECN = 1;
const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
const FLAGS_FRAGMENT = 6;
const TTL = 8;
const PROTOCOL = 9;
const CHECKSUM = 10;

export const headerBytes = (bytes: Uint8Array, at: number): number => (bytes[at]! & 0x0f) << 2;
export const totalLength = (bytes: Uint8Array, at: number): number => read16(bytes, at + TOTAL_LENGTH);
export const dscp = (bytes: Uint8Array, at: number): number => bytes[at + DSCP_ECN]! >>> 2;
export const ecn = (bytes: Uint8Array, at: number): number => bytes[at + DSCP_ECN]! & 0b11;
export const identification = (bytes: Uint8Array, at: number): number => read16(bytes, at + IDENTIFICATION);
export const timeToLive = (bytes: Uint8Array, at: number): number => bytes[at + TTL]!;
export const protocol = (bytes: Uint8Array, at: number): number => bytes[at + PROTOCOL]!;
export const checksum = (bytes: Uint8Array, at: number): number => read16(bytes, at + CHECKSUM);

/** True for every fragment, the first one included. */
export const isFragment = (bytes: Uint8Array, at: number): boolean =>
  (read16(bytes, at + FLAGS_FRAGMENT) & 0x3fff) !== 0;

export function setChecksum(bytes: Uint8Array, at: number, value: number): void {
  write16(bytes, at + CHECKSUM, value);
}

/** Computes the header checksum from scratch and writes it. */
export function completeChecksum(bytes: Uint8Array, at: number): void {
  write16(bytes, at + CHECKSUM, 0);
  write16(bytes, at + CHECKSUM, finish(sum(bytes, at, at + headerBytes(bytes, at))));
}

export const hasValidChecksum = (bytes: Uint8Array, at: number): boolean =>
  finish(sum(bytes, at, at + headerBytes(bytes, at))) === 0;

function setWordWithChecksum(bytes: Uint8Array, at: number, offset: number, value: number): void {
  const before = read16(bytes, at + offset);
  write16(bytes, at + offset, value);
  setChecksum(bytes, at, update(checksum(bytes, at), before, value));
}

export function setTotalLengthWithChecksum(bytes: Uint8Array, at: number, value: number): void {
  setWordWithChecksum(bytes, at, TOTAL_LENGTH, value);
}

export function setTimeToLiveWithChecksum(bytes: Uint8Array, at: number, value: number): void {
  setWordWithChecksum(bytes, at, TTL, (value << 8) | bytes[at + PROTOCOL]!);
}

/** Writes the six bits of the DSCP; the two ECN bits stay (RFC 3168 section 5). False where nothing changed. */
export function setDscpWithChecksum(bytes: Uint8Array, at: number, value: number): boolean {
  if (dscp(bytes, at) === value) return false;
  const after = (value << 2) | ecn(bytes, at);
  setWordWithChecksum(bytes, at, 0, (bytes[at]! << 8) | after);
  return true;
}
