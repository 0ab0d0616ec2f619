import { checkRange, type Cipher } from './aead.ts';
import type { Libcrypto } from './libcrypto.ts';
import { OpensslMemory } from './openssl-memory.ts';
import type { CipherName } from './suites.ts';

const ENCRYPT = 1;

/** CTR mode (RFC 3686) on one EVP context with its key schedule. */
export class OpensslCipher implements Cipher {
  readonly nonce: Uint8Array;
  readonly #libcrypto: Libcrypto;
  readonly #memory: OpensslMemory;
  #context: number;

  constructor(libcrypto: Libcrypto, algorithm: CipherName, key: Uint8Array) {
    this.#libcrypto = libcrypto;
    this.#memory = new OpensslMemory(libcrypto);
    this.nonce = this.#memory.nonce;
    this.#context = libcrypto.newContext();
    const cipher = libcrypto.ciphers[algorithm];
    const taken = this.#memory.withKey(key, (address) =>
      libcrypto.init(this.#context, cipher, 0, address, 0, ENCRYPT),
    );
    if (taken === 1) return;
    this.destroy();
    throw new Error(`OpenSSL does not take a key for ${algorithm}.`);
  }

  apply(bytes: Uint8Array, at: number, length: number): void {
    checkRange(bytes, at, length);
    if (this.#context === 0) throw new Error('This key has been destroyed.');
    const libcrypto = this.#libcrypto;
    const { nonceAddress, lengthAddress } = this.#memory;
    const address = this.#memory.addressOf(bytes) + at;
    const done =
      libcrypto.init(this.#context, 0, 0, 0, nonceAddress, ENCRYPT) === 1 &&
      (length === 0 || libcrypto.update(this.#context, address, lengthAddress, address, length) === 1);
    if (!done) throw new Error('OpenSSL did not encrypt.');
  }

  destroy(): void {
    if (this.#context !== 0) this.#libcrypto.freeContext(this.#context);
    this.#context = 0;
    this.#memory.forget();
  }
}
