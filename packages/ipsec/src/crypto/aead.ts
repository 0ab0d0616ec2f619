import { algorithms, type AeadName, type CipherName, type MacName } from './suites.ts';

/** A nonce is salt and IV; the IV is a 64-bit sequence number, high half first. */
export const NONCE_BYTES = 12;
export const IV_AT = 4;
export const IV_BYTES = 8;
/** Where the halves of the sequence number are. */
export const HIGH_AT = 4;
export const LOW_AT = 8;
/** What every algorithm here authenticates with: full tags, and HMAC-SHA-256 cut to 128 bits (RFC 4868). */
export const ICV_BYTES = 16;
/** The longest header image (4 + 2 * 16 + 60 octets), a whole AH, its ESP header and IV fit. */
export const ASSOCIATED_BYTES_MAX = 160;

/**
 * One key ready for use (RFC 5116), for any number of packets. The caller fills `nonce`, `associated` and
 * `associatedLength`, then seals or opens octets where they stand. A nonce must never be sealed with twice.
 */
export interface Aead {
  /** 12 octets, kept from call to call, so that the salt has to be written only once. */
  readonly nonce: Uint8Array;
  /** 160 octets, of which the first `associatedLength` are authenticated. */
  readonly associated: Uint8Array;
  associatedLength: number;

  /** Encrypts `bytes[at, at + length)` in place and writes the 16-octet tag at `icvAt`, behind it where absent. */
  seal(bytes: Uint8Array, at: number, length: number, icvAt?: number): void;

  /**
   * Verifies the tag in constant time and decrypts `bytes[at, at + length)` in place. Where it returns false, the
   * range is unspecified, either the ciphertext as it came or zeros, but never plaintext: who may try again with
   * another nonce keeps a copy. The tag is left as it is.
   */
  open(bytes: Uint8Array, at: number, length: number, icvAt?: number): boolean;

  /**
   * Wipes the key as far as the provider can, and frees what is not JavaScript's: an Aead that is not destroyed
   * leaks. Every later call of `seal` or `open` throws.
   */
  destroy(): void;
}

/** A key that only encrypts; decryption is the same (RFC 3686). */
export interface Cipher {
  /** 12 octets; the block counter behind them starts at 1 (RFC 3686 section 4). */
  readonly nonce: Uint8Array;
  /** Encrypts or decrypts `bytes[at, at + length)` in place. Throws a RangeError where that is not within `bytes`. */
  apply(bytes: Uint8Array, at: number, length: number): void;
  /** As that of an Aead. */
  destroy(): void;
}

/**
 * All copy the key and throw a RangeError where its length is not that of the algorithm. `seal` and `open` throw one
 * where range and tag do not lie within `bytes`: a bug, not a bad packet.
 */
export interface CryptoProvider {
  readonly name: 'openssl' | 'node' | 'noble';
  aead(algorithm: AeadName, key: Uint8Array): Aead;
  /**
   * An Aead that encrypts nothing. It authenticates the associated data, the range, and then the high half of the
   * sequence number in the nonce (RFC 4302 section 3.3.3.2.2).
   */
  mac(algorithm: MacName, key: Uint8Array): Aead;
  cipher(algorithm: CipherName, key: Uint8Array): Cipher;
}

export function checkKey(algorithm: AeadName | MacName | CipherName, key: Uint8Array): void {
  const { keyBytes } = algorithms[algorithm];
  if (key.length !== keyBytes)
    throw new RangeError(`A key for ${algorithm} has ${keyBytes} octets, not ${key.length}.`);
}

/** Written so that NaN fails too. Native code takes these numbers as they are: a wrong one would corrupt memory. */
export function checkRange(bytes: Uint8Array, at: number, length: number): void {
  if (at >= 0 && length >= 0 && at + length <= bytes.length) return;
  throw new RangeError(`${length} octets at ${at} do not lie within ${bytes.length} octets.`);
}

/** As `checkRange`, for the range, the tag and the associated data of an Aead. */
export function checkRanges(aead: Aead, bytes: Uint8Array, at: number, length: number, icvAt: number): void {
  checkRange(bytes, at, length);
  checkRange(bytes, icvAt, ICV_BYTES);
  const { associatedLength } = aead;
  if (associatedLength >= 0 && associatedLength <= ASSOCIATED_BYTES_MAX) return;
  throw new RangeError(`${associatedLength} octets of associated data: at most ${ASSOCIATED_BYTES_MAX} fit.`);
}
