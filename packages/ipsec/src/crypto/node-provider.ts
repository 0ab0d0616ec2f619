import { createCipheriv, createDecipheriv, type CipherGCMTypes } from 'node:crypto';
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

const options = { authTagLength: ICV_BYTES };

/** Allocates per packet, because `node:crypto` cannot give a cipher another nonce: the fallback. */
class NodeAead implements Aead {
  readonly nonce = new Uint8Array(NONCE_BYTES);
  readonly associated = new Uint8Array(ASSOCIATED_BYTES_MAX);
  associatedLength = 0;
  // The types know ChaCha20-Poly1305 by an overload of its own, with the same methods.
  readonly #suite: CipherGCMTypes;
  #key: Uint8Array | undefined;

  constructor(suite: SuiteName, key: Uint8Array) {
    this.#suite = suite as CipherGCMTypes;
    this.#key = key.slice();
  }

  seal(bytes: Uint8Array, at: number, length: number): void {
    checkRange(this, bytes, at, length);
    const cipher = createCipheriv(this.#suite, this.#liveKey(), this.nonce, options);
    cipher.setAAD(this.associated.subarray(0, this.associatedLength));
    bytes.set(cipher.update(bytes.subarray(at, at + length)), at);
    cipher.final();
    bytes.set(cipher.getAuthTag(), at + length);
  }

  /** On failure the ciphertext stands as it came. */
  open(bytes: Uint8Array, at: number, length: number): boolean {
    checkRange(this, bytes, at, length);
    const decipher = createDecipheriv(this.#suite, this.#liveKey(), this.nonce, options);
    decipher.setAAD(this.associated.subarray(0, this.associatedLength));
    decipher.setAuthTag(bytes.subarray(at + length, at + length + ICV_BYTES));
    const unverified = decipher.update(bytes.subarray(at, at + length));
    try {
      decipher.final();
    } catch {
      unverified.fill(0);
      return false;
    }
    bytes.set(unverified, at);
    return true;
  }

  destroy(): void {
    this.#key?.fill(0);
    this.#key = undefined;
    this.nonce.fill(0);
  }

  #liveKey(): Uint8Array {
    if (this.#key === undefined) throw new Error('This key has been destroyed.');
    return this.#key;
  }
}

/** AEADs of `node:crypto`: OpenSSL without native code of our own, at 4 to 9 us a packet. */
export const nodeProvider: CryptoProvider = {
  name: 'node',
  aead(suite, key) {
    checkKey(suite, key);
    return new NodeAead(suite, key);
  },
};
