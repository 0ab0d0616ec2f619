import { checkRanges, HIGH_AT, ICV_BYTES, LOW_AT, type Aead } from './aead.ts';
import type { Libcrypto } from './libcrypto.ts';
import { OpensslMemory } from './openssl-memory.ts';

/** HMAC-SHA-256-128 (RFC 4868) on one HMAC context, which keeps its two keyed hash states from packet to packet. */
export class OpensslHmac implements Aead {
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  associatedLength = 0;
  readonly #libcrypto: Libcrypto;
  readonly #memory: OpensslMemory;
  #context: number;

  constructor(libcrypto: Libcrypto, key: Uint8Array) {
    this.#libcrypto = libcrypto;
    this.#memory = new OpensslMemory(libcrypto);
    this.nonce = this.#memory.nonce;
    this.associated = this.#memory.associated;
    this.#context = libcrypto.newHmac();
    const taken = this.#memory.withKey(key, (address) =>
      libcrypto.initHmac(this.#context, address, key.length, libcrypto.sha256, 0),
    );
    if (taken === 1) return;
    this.destroy();
    throw new Error('OpenSSL does not take a key for HMAC-SHA-256.');
  }

  seal(bytes: Uint8Array, at: number, length: number, icvAt = at + length): void {
    checkRanges(this, bytes, at, length, icvAt);
    const tag = this.#tagOf(this.#memory.addressOf(bytes) + at, length);
    for (let index = 0; index < ICV_BYTES; index += 1) bytes[icvAt + index] = tag[index]!;
  }

  open(bytes: Uint8Array, at: number, length: number, icvAt = at + length): boolean {
    checkRanges(this, bytes, at, length, icvAt);
    const address = this.#memory.addressOf(bytes);
    this.#tagOf(address + at, length);
    return this.#libcrypto.compare(this.#memory.scratchAddress, address + icvAt, ICV_BYTES) === 0;
  }

  /** OpenSSL overwrites the keyed states before it frees them. */
  destroy(): void {
    if (this.#context !== 0) this.#libcrypto.freeHmac(this.#context);
    this.#context = 0;
    this.#memory.forget();
  }

  /** All 32 octets of the tag. */
  #tagOf(address: number, length: number): Uint8Array {
    if (this.#context === 0) throw new Error('This key has been destroyed.');
    const libcrypto = this.#libcrypto;
    const { associatedAddress, highAddress, scratchAddress } = this.#memory;
    const done =
      libcrypto.initHmac(this.#context, 0, 0, 0, 0) === 1 &&
      libcrypto.updateHmac(this.#context, associatedAddress, this.associatedLength) === 1 &&
      libcrypto.updateHmac(this.#context, address, length) === 1 &&
      libcrypto.updateHmac(this.#context, highAddress, LOW_AT - HIGH_AT) === 1 &&
      libcrypto.finishHmac(this.#context, scratchAddress, 0) === 1;
    if (!done) throw new Error('OpenSSL did not compute an HMAC.');
    return this.#memory.scratch;
  }
}
