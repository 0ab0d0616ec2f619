/**
 * AH (RFC 4302), as NGISec's `ah-esp` shim carries it right behind the transport header, before ESP.
 *
 *     | Next Header 50| Payload Len   |           Reserved            |
 *     |               Security Parameters Index (SPI)                 |
 *     |                 Sequence Number (low 32 bits)                 |
 *     |         Integrity Check Value (ICV), padding (variable)       |
 */
import { read32, write16, write32 } from './bytes.ts';

/** Octets before the ICV. */
export const HEADER_BYTES = 12;
/** Next header: ESP follows. */
export const ESP = 50;
export const SPI = 4;
export const SEQUENCE_LOW = 8;

/** Octets of an AH with an ICV of `icvBytes`, padded to 4 octets, in IPv6 to 8 (section 2.6). */
export const length = (icvBytes: number, family: number): number =>
  family === 4 ? (HEADER_BYTES + icvBytes + 3) & ~3 : (HEADER_BYTES + icvBytes + 7) & ~7;

/** Octets of the AH at `at`: payload length counts 32-bit words, less 2 (section 2.2). */
export const lengthAt = (bytes: Uint8Array, at: number): number => (bytes[at + 1]! + 2) << 2;
export const spi = (bytes: Uint8Array, at: number): number => read32(bytes, at + SPI);
export const sequenceLow = (bytes: Uint8Array, at: number): number => read32(bytes, at + SEQUENCE_LOW);

/** Writes an AH of `ahBytes` octets, its ICV field all zero. */
export function writeHeader(
  bytes: Uint8Array,
  at: number,
  ahBytes: number,
  spiValue: number,
  sequenceLowValue: number,
): void {
  bytes[at] = ESP;
  bytes[at + 1] = (ahBytes >>> 2) - 2;
  write16(bytes, at + 2, 0);
  write32(bytes, at + SPI, spiValue);
  write32(bytes, at + SEQUENCE_LOW, sequenceLowValue);
  bytes.fill(0, at + HEADER_BYTES, at + ahBytes);
}
