/**
 * ESP (RFC 4303), as NGISec's shim carries it right behind the transport header.
 *
 *     |               Security Parameters Index (SPI)                 |
 *     |                 Sequence Number (low 32 bits)                 |
 *     |                    Payload Data (variable)                    |
 *     |       Padding (0-255)         |  Pad Length   | Next Header   |
 *     |                 Integrity Check Value (ICV)                   |
 */
import { read32, write32 } from './bytes.ts';

export const HEADER_BYTES = 8;
/** Pad length and next header. */
export const TRAILER_BYTES = 2;
export const ALIGNMENT_BYTES = 4;

export const spi = (bytes: Uint8Array, at: number): number => read32(bytes, at);
export const sequenceLow = (bytes: Uint8Array, at: number): number => read32(bytes, at + 4);

export function writeHeader(bytes: Uint8Array, at: number, spiValue: number, sequenceLowValue: number): void {
  write32(bytes, at, spiValue);
  write32(bytes, at + 4, sequenceLowValue);
}

/** Octets of padding that end the trailer of a payload of `length` octets on a 4-octet boundary (section 2.4). */
export const paddingBytes = (length: number): number => -(length + TRAILER_BYTES) & (ALIGNMENT_BYTES - 1);

/** Writes padding 1, 2, 3 ..., pad length and next header at `at`; returns the offset behind them (section 2.4). */
export function writeTrailer(
  bytes: Uint8Array,
  at: number,
  padding: number,
  nextHeaderValue: number,
): number {
  for (let index = 1; index <= padding; index += 1) bytes[at++] = index;
  bytes[at++] = padding;
  bytes[at++] = nextHeaderValue;
  return at;
}

/** True where the padding that ends before `end` (exclusive, trailer included) counts 1, 2, 3 ... (section 2.4). */
export function hasValidPadding(bytes: Uint8Array, at: number, end: number): boolean {
  const padding = bytes[end - TRAILER_BYTES]!;
  const first = end - TRAILER_BYTES - padding;
  if (first < at) return false;
  for (let index = 0; index < padding; index += 1) if (bytes[first + index] !== index + 1) return false;
  return true;
}
