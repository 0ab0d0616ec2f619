import type { SuiteName } from './crypto/suites.ts';
import { read16, write16, write32 } from '@ngisec/wire';

/**
 * Control messages (ESP next header 252): a run of items.
 *
 *     |  type (1)  | reserved (1) |    length of value (2)    |  value ...  |
 *
 * Lengths are in octets and multiples of 4, so that headers inside stay aligned. A `mapping` comes first: its value
 * is the emitted IP and T header, and the rest of the message stands behind it as that packet's payload.
 */
export const items = {
  /** The emitted IP and transport headers, before any NAT. */
  mapping: 1,
  /** Answers a declaration: the flow is known at the far end. No value. */
  confirmation: 2,
  /** Asks the peer gateway for the mapping of the flow that the message's own outer headers name. No value. */
  needMapping: 3,
  /** How the sender protects the flow's data: SPI (4), suite (1), mode (1), reserved (2). */
  declaration: 4,
  /**
   * The emitted transport header alone, as network-to-network flows repeat it: addresses stay hidden (#71). Comes
   * first, as a `mapping` does.
   */
  transportMapping: 5,
} as const;

/** Numbers of suites and modes in a declaration. */
export const declaredSuites: Readonly<Record<SuiteName, number>> = {
  'aes-128-gcm': 1,
  'aes-256-gcm': 2,
  'chacha20-poly1305': 3,
  'aes-128-gmac': 4,
  'aes-128-ctr-hmac-sha-256-128': 5,
  'aes-128-ctr-gmac': 6,
  'null-hmac-sha-256-128': 7,
  'null-aes-128-gmac': 8,
};
export const declaredModes = { lan: 1, vpn: 2, n2n: 3, tcpsec: 4, tls: 6 } as const;

export const ITEM_HEADER_BYTES = 4;
export const CONFIRMATION_BYTES = ITEM_HEADER_BYTES;
export const DECLARATION_BYTES = ITEM_HEADER_BYTES + 8;

export const itemType = (bytes: Uint8Array, at: number): number => bytes[at]!;
/** Octets of the item's value. */
export const itemLength = (bytes: Uint8Array, at: number): number => read16(bytes, at + 2);

/** Writes an item header; returns where its value starts. */
export function writeItemHeader(bytes: Uint8Array, at: number, type: number, length: number): number {
  bytes[at] = type;
  bytes[at + 1] = 0;
  write16(bytes, at + 2, length);
  return at + ITEM_HEADER_BYTES;
}

/** Writes a policy declaration (draft section 9, row #93); returns the offset behind it. */
export function writeDeclaration(
  bytes: Uint8Array,
  at: number,
  spi: number,
  suite: number,
  mode: number,
): number {
  const value = writeItemHeader(bytes, at, items.declaration, DECLARATION_BYTES - ITEM_HEADER_BYTES);
  write32(bytes, value, spi);
  bytes[value + 4] = suite;
  bytes[value + 5] = mode;
  write16(bytes, value + 6, 0);
  return value + 8;
}

/** True where `[at, end)` is a declaration of the mode `tls` and nothing else. */
export const declaresTls = (bytes: Uint8Array, at: number, end: number): boolean =>
  end - at === DECLARATION_BYTES &&
  itemType(bytes, at) === items.declaration &&
  itemLength(bytes, at) === DECLARATION_BYTES - ITEM_HEADER_BYTES &&
  bytes[at + 9] === declaredModes.tls;

/** Offset of the first item of a type in `[at, end)`; -1 where there is none or the run is malformed. */
export function findItem(bytes: Uint8Array, at: number, end: number, type: number): number {
  while (at + ITEM_HEADER_BYTES <= end) {
    const length = itemLength(bytes, at);
    const next = at + ITEM_HEADER_BYTES + length;
    if (next > end || (length & 3) !== 0) return -1;
    if (bytes[at] === type) return at;
    at = next;
  }
  return -1;
}
