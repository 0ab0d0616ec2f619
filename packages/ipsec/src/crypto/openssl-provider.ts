import { createRequire } from 'node:module';
import {
  ASSOCIATED_BYTES_MAX,
  checkKey,
  checkRange,
  ICV_BYTES,
  NONCE_BYTES,
  type Aead,
  type CryptoProvider,
} from './aead.ts';
import { loadLibcrypto, type Koffi, type Libcrypto } from './libcrypto.ts';
import type { SuiteName } from './suites.ts';

const DECRYPT = 0;
const ENCRYPT = 1;
const SET_TAG = 0x11;
const GET_TAG = 0x10;

// The block OpenSSL reads and writes besides the packet: nonce, associated data, a returned length, scratch.
const ASSOCIATED_AT = 16;
const LENGTH_AT = ASSOCIATED_AT + ASSOCIATED_BYTES_MAX;
const SCRATCH_AT = LENGTH_AT + 16;
const BLOCK_BYTES = SCRATCH_AT + 32;

/**
 * One EVP context with its key schedule, given a new nonce and direction for each packet. OpenSSL gets addresses as
 * numbers, because koffi takes these fastest and a packet then needs no view of its own. An address keeps nothing
 * alive and is valid only while memory stays in place: `#block` and `#bytes` are held for that, and `#block` is an
 * ArrayBuffer of its own since V8 may move small typed arrays.
 */
class OpensslAead implements Aead {
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  associatedLength = 0;
  readonly #libcrypto: Libcrypto;
  readonly #block = new ArrayBuffer(BLOCK_BYTES);
  readonly #blockAddress: number;
  #context: number;
  #bytes: Uint8Array | undefined;
  #bytesAddress = 0;

  constructor(libcrypto: Libcrypto, suite: SuiteName, key: Uint8Array) {
    this.#libcrypto = libcrypto;
    this.nonce = new Uint8Array(this.#block, 0, NONCE_BYTES);
    this.associated = new Uint8Array(this.#block, ASSOCIATED_AT, ASSOCIATED_BYTES_MAX);
    this.#blockAddress = libcrypto.addressOf(new Uint8Array(this.#block));
    this.#context = libcrypto.newContext();
    // A copy at an address that stays valid; `key` itself might move or be collected in between.
    const scratch = new Uint8Array(this.#block, SCRATCH_AT);
    scratch.set(key);
    const keyAddress = this.#blockAddress + SCRATCH_AT;
    const taken = libcrypto.init(this.#context, libcrypto.ciphers[suite], 0, keyAddress, 0, ENCRYPT) === 1;
    scratch.fill(0);
    if (taken) return;
    this.destroy();
    throw new Error(`OpenSSL does not take a key for ${suite}.`);
  }

  seal(bytes: Uint8Array, at: number, length: number): void {
    checkRange(this, bytes, at, length);
    const address = this.#addressOf(bytes) + at;
    const sealed =
      this.#start(ENCRYPT) &&
      this.#run(address, length) &&
      this.#libcrypto.control(this.#context, GET_TAG, ICV_BYTES, address + length) === 1;
    if (!sealed) throw new Error('OpenSSL did not seal.');
  }

  /** OpenSSL decrypts before it can verify: on failure the range is zeroed. */
  open(bytes: Uint8Array, at: number, length: number): boolean {
    checkRange(this, bytes, at, length);
    const address = this.#addressOf(bytes) + at;
    const opened =
      this.#start(DECRYPT) &&
      this.#libcrypto.control(this.#context, SET_TAG, ICV_BYTES, address + length) === 1 &&
      this.#run(address, length);
    if (!opened) bytes.fill(0, at, at + length);
    return opened;
  }

  /** OpenSSL overwrites the key schedule before it frees it. */
  destroy(): void {
    if (this.#context !== 0) this.#libcrypto.freeContext(this.#context);
    this.#context = 0;
    this.#bytes = undefined;
    this.nonce.fill(0);
  }

  #addressOf(bytes: Uint8Array): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#bytesAddress = this.#libcrypto.addressOf(bytes);
    }
    return this.#bytesAddress;
  }

  #start(direction: number): boolean {
    if (this.#context === 0) throw new Error('This key has been destroyed.');
    return this.#libcrypto.init(this.#context, 0, 0, 0, this.#blockAddress, direction) === 1;
  }

  #run(address: number, length: number): boolean {
    const libcrypto = this.#libcrypto;
    const context = this.#context;
    const block = this.#blockAddress;
    const outLength = block + LENGTH_AT;
    const { associatedLength } = this;
    return (
      (associatedLength === 0 ||
        libcrypto.update(context, 0, outLength, block + ASSOCIATED_AT, associatedLength) === 1) &&
      (length === 0 || libcrypto.update(context, address, outLength, address, length) === 1) &&
      libcrypto.finish(context, block + SCRATCH_AT, outLength) === 1
    );
  }
}

/**
 * AEADs of OpenSSL called through koffi: no allocation per packet but boxed numbers. Throws where koffi has no binary
 * for this machine or no OpenSSL is found.
 */
export function createOpensslProvider(): CryptoProvider {
  const libcrypto = loadLibcrypto(createRequire(import.meta.url)('koffi') as Koffi);
  return {
    name: 'openssl',
    aead(suite, key) {
      checkKey(suite, key);
      return new OpensslAead(libcrypto, suite, key);
    },
  };
}
