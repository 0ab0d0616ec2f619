import { suites, type SuiteName } from './suites.ts';

export const NONCE_BYTES = 12;
export const ICV_BYTES = 16;
/** The longest header image (4 + 2 * 16 + 60 octets), a whole AH and its ESP header fit. */
export const ASSOCIATED_BYTES_MAX = 160;

/**
 * One key ready for use (RFC 5116), for any number of packets. The caller fills `nonce`, `associated` and
 * `associatedLength`, then seals or opens octets where they stand. A nonce must never be sealed with twice.
 */
export interface Aead {
  /** 12 octets: salt and IV. Kept from call to call, so that the salt has to be written only once. */
  readonly nonce: Uint8Array;
  /** 160 octets, of which the first `associatedLength` are authenticated. */
  readonly associated: Uint8Array;
  associatedLength: number;

  /** Encrypts `bytes[at, at + length)` in place and writes the 16-octet tag behind it, at `at + length`. */
  seal(bytes: Uint8Array, at: number, length: number): void;

  /**
   * Verifies the tag at `at + length` in constant time and decrypts `bytes[at, at + length)` in place. Where it
   * returns false, the range is unspecified, either the ciphertext as it came or zeros, but never plaintext: who
   * may try again with another nonce keeps a copy. The tag is left as it is.
   */
  open(bytes: Uint8Array, at: number, length: number): boolean;

  /**
   * Wipes the key as far as the provider can, and frees what is not JavaScript's: an Aead that is not destroyed
   * leaks. Every later call of `seal` or `open` throws.
   */
  destroy(): void;
}

/** Both `seal` and `open` throw a RangeError where range and tag do not lie within `bytes`: a bug, not a bad packet. */
export interface CryptoProvider {
  readonly name: 'openssl' | 'node' | 'noble';
  /** Copies the key. Throws a RangeError where its length is not that of the suite. */
  aead(suite: SuiteName, key: Uint8Array): Aead;
}

export function checkKey(suite: SuiteName, key: Uint8Array): void {
  const { keyBytes } = suites[suite];
  if (key.length !== keyBytes)
    throw new RangeError(`A key for ${suite} has ${keyBytes} octets, not ${key.length}.`);
}

/** Written so that NaN fails too. Native code takes these numbers as they are: a wrong one would corrupt memory. */
export function checkRange(aead: Aead, bytes: Uint8Array, at: number, length: number): void {
  const { associatedLength } = aead;
  if (at >= 0 && length >= 0 && at + length + ICV_BYTES <= bytes.length) {
    if (associatedLength >= 0 && associatedLength <= ASSOCIATED_BYTES_MAX) return;
    throw new RangeError(
      `${associatedLength} octets of associated data: at most ${ASSOCIATED_BYTES_MAX} fit.`,
    );
  }
  throw new RangeError(`${length} octets at ${at} and a tag do not lie within ${bytes.length} octets.`);
}
