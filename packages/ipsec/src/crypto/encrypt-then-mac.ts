import { copy } from '@ngisec/wire';
import { checkRanges, IV_AT, IV_BYTES, type Aead, type Cipher } from './aead.ts';

/**
 * A cipher and a MAC as one: encrypts and then authenticates the ciphertext, verifies and then decrypts. Both take the
 * same IV; the salts differ, and `nonce` shows the MAC's. Only the high half of the IV is sure to be authenticated: the
 * rest belongs into the associated data, where AH and ESP headers have it.
 */
export class EncryptThenMac implements Aead {
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  readonly #cipher: Cipher;
  readonly #mac: Aead;

  constructor(cipher: Cipher, mac: Aead) {
    this.#cipher = cipher;
    this.#mac = mac;
    this.nonce = mac.nonce;
    this.associated = mac.associated;
  }

  get associatedLength(): number {
    return this.#mac.associatedLength;
  }

  set associatedLength(length: number) {
    this.#mac.associatedLength = length;
  }

  seal(bytes: Uint8Array, at: number, length: number, icvAt = at + length): void {
    checkRanges(this, bytes, at, length, icvAt);
    this.#apply(bytes, at, length);
    this.#mac.seal(bytes, at, length, icvAt);
  }

  open(bytes: Uint8Array, at: number, length: number, icvAt = at + length): boolean {
    if (!this.#mac.open(bytes, at, length, icvAt)) return false;
    this.#apply(bytes, at, length);
    return true;
  }

  destroy(): void {
    this.#cipher.destroy();
    this.#mac.destroy();
  }

  #apply(bytes: Uint8Array, at: number, length: number): void {
    copy(this.nonce, IV_AT, this.#cipher.nonce, IV_AT, IV_BYTES);
    this.#cipher.apply(bytes, at, length);
  }
}
