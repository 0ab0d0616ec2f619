import { ASSOCIATED_BYTES_MAX, HIGH_AT, NONCE_BYTES } from './aead.ts';
import type { Libcrypto } from './libcrypto.ts';

// One block: nonce and counter, associated data, a returned length, scratch.
const COUNTER_AT = NONCE_BYTES;
const ASSOCIATED_AT = 16;
const LENGTH_AT = ASSOCIATED_AT + ASSOCIATED_BYTES_MAX;
const SCRATCH_AT = LENGTH_AT + 16;
/** A key, or a whole SHA-256 tag. */
const SCRATCH_BYTES = 32;

/**
 * What OpenSSL reads and writes besides the packet, and where. OpenSSL gets addresses as numbers, because koffi takes
 * these fastest and a packet then needs no view of its own. An address keeps nothing alive and is valid only while
 * memory stays in place: block and packet arena are held for that, and the block is an ArrayBuffer of its own since V8
 * may move small typed arrays.
 */
export class OpensslMemory {
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  readonly scratch: Uint8Array;
  /** Addresses: of the nonce, its high half, the associated data, a length to be returned, scratch. */
  readonly nonceAddress: number;
  readonly highAddress: number;
  readonly associatedAddress: number;
  readonly lengthAddress: number;
  readonly scratchAddress: number;
  readonly #block = new ArrayBuffer(SCRATCH_AT + SCRATCH_BYTES);
  readonly #libcrypto: Libcrypto;
  #bytes: Uint8Array | undefined;
  #bytesAddress = 0;

  constructor(libcrypto: Libcrypto) {
    this.#libcrypto = libcrypto;
    const block = libcrypto.addressOf(new Uint8Array(this.#block));
    this.nonce = new Uint8Array(this.#block, 0, NONCE_BYTES);
    this.associated = new Uint8Array(this.#block, ASSOCIATED_AT, ASSOCIATED_BYTES_MAX);
    this.scratch = new Uint8Array(this.#block, SCRATCH_AT);
    this.nonceAddress = block;
    this.highAddress = block + HIGH_AT;
    this.associatedAddress = block + ASSOCIATED_AT;
    this.lengthAddress = block + LENGTH_AT;
    this.scratchAddress = block + SCRATCH_AT;
    // CTR mode takes 16 octets, the last 4 are the counter, which starts at 1 (RFC 3686 section 4).
    new DataView(this.#block).setUint32(COUNTER_AT, 1);
  }

  /** Where `bytes` starts; asks only when they are others than the last time. */
  addressOf(bytes: Uint8Array): number {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#bytesAddress = this.#libcrypto.addressOf(bytes);
    }
    return this.#bytesAddress;
  }

  /** Calls `use` with the address of a copy of `key`; `key` itself might move or be collected in between. */
  withKey(key: Uint8Array, use: (address: number) => number): number {
    this.scratch.set(key);
    const result = use(this.scratchAddress);
    this.scratch.fill(0);
    return result;
  }

  forget(): void {
    this.#bytes = undefined;
    this.nonce.fill(0);
  }
}
