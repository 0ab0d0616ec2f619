import { checkRanges, HIGH_AT, ICV_BYTES, LOW_AT, type Aead } from './aead.ts';
import type { Libcrypto } from './libcrypto.ts';
import { OpensslMemory } from './openssl-memory.ts';
import type { AeadName } from './suites.ts';

const DECRYPT = 0;
const ENCRYPT = 1;
const SET_TAG = 0x11;
const GET_TAG = 0x10;

/** One EVP context with its key schedule, given a new nonce and direction for each packet. */
export class OpensslAead implements Aead {
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  associatedLength = 0;
  readonly #libcrypto: Libcrypto;
  readonly #memory: OpensslMemory;
  /** GMAC does not: to GCM the range then is more associated data (RFC 4543 section 2). */
  readonly #encrypts: boolean;
  readonly #appendsSequence: boolean;
  #context: number;

  constructor(libcrypto: Libcrypto, algorithm: AeadName, key: Uint8Array, appendsSequence: boolean) {
    this.#libcrypto = libcrypto;
    this.#memory = new OpensslMemory(libcrypto);
    this.nonce = this.#memory.nonce;
    this.associated = this.#memory.associated;
    this.#encrypts = algorithm !== 'aes-128-gmac';
    this.#appendsSequence = appendsSequence;
    this.#context = libcrypto.newContext();
    const cipher = libcrypto.ciphers[algorithm];
    const taken = this.#memory.withKey(key, (address) =>
      libcrypto.init(this.#context, cipher, 0, address, 0, ENCRYPT),
    );
    if (taken === 1) return;
    this.destroy();
    throw new Error(`OpenSSL does not take a key for ${algorithm}.`);
  }

  seal(bytes: Uint8Array, at: number, length: number, icvAt = at + length): void {
    checkRanges(this, bytes, at, length, icvAt);
    const address = this.#memory.addressOf(bytes);
    const sealed =
      this.#start(ENCRYPT) &&
      this.#run(address + at, length) &&
      this.#libcrypto.control(this.#context, GET_TAG, ICV_BYTES, address + icvAt) === 1;
    if (!sealed) throw new Error('OpenSSL did not seal.');
  }

  /** OpenSSL decrypts before it can verify: on failure the range is zeroed. */
  open(bytes: Uint8Array, at: number, length: number, icvAt = at + length): boolean {
    checkRanges(this, bytes, at, length, icvAt);
    const address = this.#memory.addressOf(bytes);
    const opened =
      this.#start(DECRYPT) &&
      this.#libcrypto.control(this.#context, SET_TAG, ICV_BYTES, address + icvAt) === 1 &&
      this.#run(address + at, length);
    if (!opened) bytes.fill(0, at, at + length);
    return opened;
  }

  /** OpenSSL overwrites the key schedule before it frees it. */
  destroy(): void {
    if (this.#context !== 0) this.#libcrypto.freeContext(this.#context);
    this.#context = 0;
    this.#memory.forget();
  }

  #start(direction: number): boolean {
    if (this.#context === 0) throw new Error('This key has been destroyed.');
    return this.#libcrypto.init(this.#context, 0, 0, 0, this.#memory.nonceAddress, direction) === 1;
  }

  #run(address: number, length: number): boolean {
    const { associatedAddress, highAddress, scratchAddress, lengthAddress } = this.#memory;
    return (
      this.#update(0, associatedAddress, this.associatedLength) &&
      this.#update(this.#encrypts ? address : 0, address, length) &&
      (!this.#appendsSequence || this.#update(0, highAddress, LOW_AT - HIGH_AT)) &&
      this.#libcrypto.finish(this.#context, scratchAddress, lengthAddress) === 1
    );
  }

  /** With an `out` of 0 the input is associated data. */
  #update(out: number, input: number, length: number): boolean {
    if (length === 0) return true;
    return this.#libcrypto.update(this.#context, out, this.#memory.lengthAddress, input, length) === 1;
  }
}
