import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { Cipher } from '@noble/ciphers/utils.js';
import {
  ASSOCIATED_BYTES_MAX,
  checkKey,
  checkRange,
  ICV_BYTES,
  NONCE_BYTES,
  type Aead,
  type CryptoProvider,
} from './aead.ts';
import type { SuiteName } from './suites.ts';

/** Plain JavaScript, which allocates per packet and promises no constant time: the reference in tests. */
class NobleAead implements Aead {
  readonly nonce = new Uint8Array(NONCE_BYTES);
  readonly associated = new Uint8Array(ASSOCIATED_BYTES_MAX);
  associatedLength = 0;
  readonly #algorithm: typeof gcm | typeof chacha20poly1305;
  #key: Uint8Array | undefined;

  constructor(suite: SuiteName, key: Uint8Array) {
    this.#algorithm = suite === 'chacha20-poly1305' ? chacha20poly1305 : gcm;
    this.#key = key.slice();
  }

  seal(bytes: Uint8Array, at: number, length: number): void {
    checkRange(this, bytes, at, length);
    bytes.set(this.#cipher().encrypt(bytes.subarray(at, at + length)), at);
  }

  /** noble verifies before it decrypts: on failure the ciphertext stands as it came. */
  open(bytes: Uint8Array, at: number, length: number): boolean {
    checkRange(this, bytes, at, length);
    const cipher = this.#cipher();
    try {
      bytes.set(cipher.decrypt(bytes.subarray(at, at + length + ICV_BYTES)), at);
      return true;
    } catch {
      return false;
    }
  }

  destroy(): void {
    this.#key?.fill(0);
    this.#key = undefined;
    this.nonce.fill(0);
  }

  #cipher(): Cipher {
    if (this.#key === undefined) throw new Error('This key has been destroyed.');
    return this.#algorithm(this.#key, this.nonce, this.associated.subarray(0, this.associatedLength));
  }
}

/** AEADs of `@noble/ciphers`: they run everywhere, at 10 to 90 us a packet. */
export const nobleProvider: CryptoProvider = {
  name: 'noble',
  aead(suite, key) {
    checkKey(suite, key);
    return new NobleAead(suite, key);
  },
};
