/**
 * UDP (RFC 768).
 *
 *     |          Source Port          |       Destination Port        |
 *     |            Length             |            Checksum           |
 */
import { read16, write16 } from './bytes.ts';

export const HEADER_BYTES = 8;
export const LENGTH = 4;
export const CHECKSUM = 6;

export const sourcePort = (bytes: Uint8Array, at: number): number => read16(bytes, at);
export const destinationPort = (bytes: Uint8Array, at: number): number => read16(bytes, at + 2);
/** Octets of header and data together. */
export const length = (bytes: Uint8Array, at: number): number => read16(bytes, at + LENGTH);

export function setLength(bytes: Uint8Array, at: number, value: number): void {
  write16(bytes, at + LENGTH, value);
}
