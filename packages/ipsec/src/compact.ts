import { updateLengths, type PacketPool } from '@ngisec/core';
import { esp, read32, write32 } from '@ngisec/wire';
import { writeHeaderImage } from './header-image.ts';
import type { InboundSa, OutboundSa } from './security-association.ts';

/**
 * The `compact` profile: ESP alone behind the readable transport header, the header image as associated data.
 *
 *     before  | IP | T | payload |
 *     after   | IP | T | SPI, sequence | ciphertext(payload, padding, pad length, next header) | ICV |
 *                                      8                                   0 to 3, 1, 1          16    = 26
 * to 29 octets
 *
 * Nonce: 4 octets of salt and the 64-bit sequence number, implicit in the packet (RFC 8750). Associated data: SPI and
 * 64-bit sequence number as RFC 4106 section 5 has them, then the header image.
 */
export const ICV_BYTES = 16;
export const SHIM_BYTES_MIN = esp.HEADER_BYTES + esp.TRAILER_BYTES + ICV_BYTES;
export const SHIM_BYTES_MAX = SHIM_BYTES_MIN + esp.ALIGNMENT_BYTES - 1;

const SALT_BYTES = 4;
const SEQUENCE_AT = 4;
const IMAGE_AT = 12;
const HIGH = 0x1_0000_0000;
const IP_BYTES_MAX = 0xffff;

/** 0, or why a packet was not sealed. */
export const SEAL_OK = 0;
export const SEAL_TOO_LONG = 1;
export const SEAL_SEQUENCE_EXHAUSTED = 2;

/** 0, or why a packet was not opened. */
export const OPEN_OK = 0;
export const OPEN_TOO_SHORT = 1;
export const OPEN_REPLAYED = 2;
export const OPEN_FORGED = 3;
export const OPEN_BAD_PADDING = 4;

/** True where what stands behind the transport header can be a shim of this profile: the length fits. */
export function mayBeShim(pool: PacketPool, packet: number): boolean {
  const length = pool.end[packet]! - pool.payload[packet]!;
  return (
    length >= esp.HEADER_BYTES + esp.ALIGNMENT_BYTES + ICV_BYTES &&
    (length - esp.HEADER_BYTES - ICV_BYTES) % 4 === 0
  );
}

function writeNonceAndAssociated(
  pool: PacketPool,
  packet: number,
  sa: InboundSa | OutboundSa,
  high: number,
  low: number,
): void {
  const { nonce, associated } = sa.aead;
  write32(nonce, SALT_BYTES, high);
  write32(nonce, SALT_BYTES + 4, low);
  write32(associated, 0, sa.spi);
  write32(associated, SEQUENCE_AT, high);
  write32(associated, SEQUENCE_AT + 4, low);
  const transport = pool.transport[packet]!;
  const image = writeHeaderImage(
    pool.bytes,
    pool.start[packet]!,
    transport,
    pool.payload[packet]! - transport,
    pool.family[packet]!,
    pool.protocol[packet]!,
    sa.scope,
    associated,
    IMAGE_AT,
  );
  sa.aead.associatedLength = IMAGE_AT + image;
}

/** Moves the headers by `distance` octets, and with them start, transport and payload. */
function moveHeaders(pool: PacketPool, packet: number, distance: number): void {
  const start = pool.start[packet]!;
  pool.bytes.copyWithin(start + distance, start, pool.payload[packet]);
  pool.start[packet] = start + distance;
  pool.transport[packet]! += distance;
  pool.payload[packet]! += distance;
}

/** Puts the shim into the packet; its headers must be as the sending end emitted them. */
export function seal(pool: PacketPool, packet: number, sa: OutboundSa): number {
  const { bytes } = pool;
  const payload = pool.payload[packet]!;
  const end = pool.end[packet]!;
  const padding = esp.paddingBytes(end - payload);
  const behind = padding + esp.TRAILER_BYTES + ICV_BYTES;
  const length = end - pool.start[packet]! + esp.HEADER_BYTES + behind;
  const fits = pool.headroom(packet) >= esp.HEADER_BYTES && pool.tailroom(packet) >= behind;
  if (!fits || length > IP_BYTES_MAX) return SEAL_TOO_LONG;
  const sequence = sa.nextSequence();
  if (sequence === 0) return SEAL_SEQUENCE_EXHAUSTED;
  const low = sequence % HIGH;
  writeNonceAndAssociated(pool, packet, sa, (sequence - low) / HIGH, low);
  moveHeaders(pool, packet, -esp.HEADER_BYTES);
  esp.writeHeader(bytes, payload - esp.HEADER_BYTES, sa.spi, low);
  const icv = esp.writeTrailer(bytes, end, padding, pool.nextHeader[packet]!);
  sa.aead.seal(bytes, payload, icv - payload);
  pool.end[packet] = icv + ICV_BYTES;
  updateLengths(pool, packet);
  return SEAL_OK;
}

/**
 * Verifies and removes the shim. State changes (the window) only after the ICV verified (RFC 4303 section 3.4.3);
 * a packet that is not `OPEN_OK` is garbage and must be dropped.
 */
export function open(pool: PacketPool, packet: number, sa: InboundSa): number {
  const { bytes } = pool;
  if (!mayBeShim(pool, packet)) return OPEN_TOO_SHORT;
  const payload = pool.payload[packet]!;
  const sequence = sa.window.infer(read32(bytes, payload + SEQUENCE_AT));
  if (!sa.window.willAccept(sequence)) return OPEN_REPLAYED;
  const low = sequence % HIGH;
  writeNonceAndAssociated(pool, packet, sa, (sequence - low) / HIGH, low);
  const ciphertext = payload + esp.HEADER_BYTES;
  const icv = pool.end[packet]! - ICV_BYTES;
  if (!sa.aead.open(bytes, ciphertext, icv - ciphertext)) return OPEN_FORGED;
  sa.window.markAccepted(sequence);
  if (!esp.hasValidPadding(bytes, ciphertext, icv)) return OPEN_BAD_PADDING;
  pool.nextHeader[packet] = bytes[icv - 1]!;
  pool.channel[packet] = sa.channel;
  pool.end[packet] = icv - esp.TRAILER_BYTES - bytes[icv - esp.TRAILER_BYTES]!;
  moveHeaders(pool, packet, esp.HEADER_BYTES);
  updateLengths(pool, packet);
  return OPEN_OK;
}
