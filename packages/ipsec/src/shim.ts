import { updateLengths, type PacketPool } from '@ngisec/core';
import { ah, esp, read32, write32 } from '@ngisec/wire';
import { HIGH_AT, ICV_BYTES, IV_BYTES, LOW_AT, type Aead } from './crypto/aead.ts';
import { suites, type SuiteName } from './crypto/suites.ts';
import { profiles } from './profiles.ts';
import type { InboundSa, OutboundSa } from './security-association.ts';

/**
 * The shim: what stands between the readable transport header and the end of a protected packet.
 *
 *     before  | IP | T | payload |
 *     after   | IP | T | head | ciphertext(payload, padding, pad length, next header) | tail |
 *
 * Head, tail and what is authenticated are up to the SA's profile (`compact.ts`, `ah-esp.ts`). A nonce is a salt and
 * the 64-bit sequence number.
 */

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

/** What `findSpi` returns where no shim can stand. */
export const NO_SPI = -1;

const HIGH = 0x1_0000_0000;
const IP_BYTES_MAX = 0xffff;
const CIPHERTEXT_BYTES_MIN = esp.ALIGNMENT_BYTES;
const COMPACT_BYTES_MIN = esp.HEADER_BYTES + CIPHERTEXT_BYTES_MIN + ICV_BYTES;

/** The most octets that sealing adds to a packet. */
export function bytesMax(suite: SuiteName, family: number): number {
  const profile = profiles[suites[suite].profile];
  const trailer = esp.ALIGNMENT_BYTES - 1 + esp.TRAILER_BYTES;
  return profile.headBytes(suites[suite], family) + trailer + profile.tailBytes;
}

/**
 * The SPI of what may be a shim, for its length fits; `NO_SPI` where none can stand. A first octet of 50 with a length
 * that AH can have is an AH, for no SPI begins so (ADR 0021). Only the ICV tells whether it is a shim.
 */
export function findSpi(pool: PacketPool, packet: number): number {
  const { bytes } = pool;
  const at = pool.payload[packet]!;
  const length = pool.end[packet]! - at;
  if ((length & 3) !== 0 || length < COMPACT_BYTES_MIN) return NO_SPI;
  return isAuthenticationHeader(bytes, at, length, pool.family[packet]!)
    ? ah.spi(bytes, at)
    : esp.spi(bytes, at);
}

function isAuthenticationHeader(bytes: Uint8Array, at: number, length: number, family: number): boolean {
  if (bytes[at] !== ah.ESP) return false;
  const ahBytes = ah.lengthAt(bytes, at);
  return (
    (ahBytes === ah.length(ICV_BYTES, family) || ahBytes === ah.length(IV_BYTES + ICV_BYTES, family)) &&
    length >= ahBytes + esp.HEADER_BYTES + CIPHERTEXT_BYTES_MIN
  );
}

function writeSequence({ nonce }: Aead, sequence: number): void {
  const low = sequence % HIGH;
  write32(nonce, HIGH_AT, (sequence - low) / HIGH);
  write32(nonce, LOW_AT, low);
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
  const { profile, aead } = sa;
  const family = pool.family[packet]!;
  const plaintext = pool.payload[packet]!;
  const end = pool.end[packet]!;
  const head = profile.headBytes(sa, family);
  const padding = esp.paddingBytes(end - plaintext);
  const behind = padding + esp.TRAILER_BYTES + profile.tailBytes;
  const length = end - pool.start[packet]! + head + behind;
  const fits = pool.headroom(packet) >= head && pool.tailroom(packet) >= behind;
  if (!fits || length > IP_BYTES_MAX) return SEAL_TOO_LONG;
  const sequence = sa.nextSequence();
  if (sequence === 0) return SEAL_SEQUENCE_EXHAUSTED;
  moveHeaders(pool, packet, -head);
  const at = plaintext - head;
  const trailerEnd = esp.writeTrailer(bytes, end, padding, pool.nextHeader[packet]!);
  writeSequence(aead, sequence);
  profile.writeHead(bytes, at, sa, family);
  profile.associate(pool, packet, sa);
  aead.seal(bytes, plaintext, trailerEnd - plaintext, profile.icvAt(sa, at, trailerEnd));
  pool.end[packet] = trailerEnd + profile.tailBytes;
  updateLengths(pool, packet);
  return SEAL_OK;
}

/**
 * Verifies and removes the shim. State changes (the window) only after the ICV verified (RFC 4303 section 3.4.3);
 * a packet that is not `OPEN_OK` is garbage and must be dropped.
 */
export function open(pool: PacketPool, packet: number, sa: InboundSa): number {
  const { bytes } = pool;
  const { profile, aead, window } = sa;
  const family = pool.family[packet]!;
  const at = pool.payload[packet]!;
  const head = profile.headBytes(sa, family);
  const ciphertext = at + head;
  const end = pool.end[packet]! - profile.tailBytes;
  const length = end - ciphertext;
  if (length < CIPHERTEXT_BYTES_MIN || (length & 3) !== 0) return OPEN_TOO_SHORT;
  const sequence = window.infer(read32(bytes, at + profile.sequenceAt));
  writeSequence(aead, sequence);
  if (!profile.isHead(bytes, at, sa, family)) return OPEN_FORGED;
  if (!window.willAccept(sequence)) return OPEN_REPLAYED;
  profile.associate(pool, packet, sa);
  if (!aead.open(bytes, ciphertext, length, profile.icvAt(sa, at, end))) return OPEN_FORGED;
  window.markAccepted(sequence);
  if (!esp.hasValidPadding(bytes, ciphertext, end)) return OPEN_BAD_PADDING;
  pool.nextHeader[packet] = bytes[end - 1]!;
  pool.channel[packet] = sa.channel;
  pool.end[packet] = end - esp.TRAILER_BYTES - bytes[end - esp.TRAILER_BYTES]!;
  moveHeaders(pool, packet, head);
  updateLengths(pool, packet);
  return OPEN_OK;
}
