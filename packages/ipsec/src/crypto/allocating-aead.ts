import {
  ASSOCIATED_BYTES_MAX,
  checkRange,
  checkRanges,
  HIGH_AT,
  ICV_BYTES,
  LOW_AT,
  NONCE_BYTES,
  type Aead,
  type Cipher,
} from './aead.ts';

/** What an algorithm does to one packet, by functions that return new arrays. */
export interface PacketFunctions {
  /** Ciphertext and tag. */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    plaintext: Uint8Array,
  ): readonly [Uint8Array, Uint8Array];
  /** The plaintext; undefined where the tag is wrong. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    ciphertext: Uint8Array,
    icv: Uint8Array,
  ): Uint8Array | undefined;
}

/** The 16-octet tag of some octets. */
export type TagFunction = (key: Uint8Array, nonce: Uint8Array, pieces: readonly Uint8Array[]) => Uint8Array;

/** Encrypts nothing; with `appendsSequence` it is what `CryptoProvider.mac` promises. */
export function tagOnly(
  tagOf: TagFunction,
  isEqual: (left: Uint8Array, right: Uint8Array) => boolean,
  appendsSequence: boolean,
): PacketFunctions {
  const pieces = (nonce: Uint8Array, associated: Uint8Array, range: Uint8Array): Uint8Array[] => {
    const appended = nonce.subarray(HIGH_AT, LOW_AT);
    return appendsSequence ? [associated, range, appended] : [associated, range];
  };
  return {
    seal: (key, nonce, associated, range) => [range, tagOf(key, nonce, pieces(nonce, associated, range))],
    open: (key, nonce, associated, range, icv) =>
      isEqual(tagOf(key, nonce, pieces(nonce, associated, range)), icv) ? range : undefined,
  };
}

/** A copy of a key, until it is destroyed. */
class Key {
  #octets: Uint8Array | undefined;

  constructor(key: Uint8Array) {
    this.#octets = key.slice();
  }

  get octets(): Uint8Array {
    if (this.#octets === undefined) throw new Error('This key has been destroyed.');
    return this.#octets;
  }

  destroy(): void {
    this.#octets?.fill(0);
    this.#octets = undefined;
  }
}

/** Allocates several arrays per packet: for where OpenSSL cannot be called directly. */
export class AllocatingAead implements Aead {
  readonly nonce = new Uint8Array(NONCE_BYTES);
  readonly associated = new Uint8Array(ASSOCIATED_BYTES_MAX);
  associatedLength = 0;
  readonly #key: Key;
  readonly #functions: PacketFunctions;

  constructor(key: Uint8Array, functions: PacketFunctions) {
    this.#key = new Key(key);
    this.#functions = functions;
  }

  seal(bytes: Uint8Array, at: number, length: number, icvAt = at + length): void {
    checkRanges(this, bytes, at, length, icvAt);
    const plaintext = bytes.subarray(at, at + length);
    const [ciphertext, icv] = this.#functions.seal(
      this.#key.octets,
      this.nonce,
      this.#associated(),
      plaintext,
    );
    bytes.set(ciphertext, at);
    bytes.set(icv, icvAt);
  }

  /** On failure the ciphertext stands as it came. */
  open(bytes: Uint8Array, at: number, length: number, icvAt = at + length): boolean {
    checkRanges(this, bytes, at, length, icvAt);
    const plaintext = this.#functions.open(
      this.#key.octets,
      this.nonce,
      this.#associated(),
      bytes.subarray(at, at + length),
      bytes.subarray(icvAt, icvAt + ICV_BYTES),
    );
    if (plaintext === undefined) return false;
    bytes.set(plaintext, at);
    return true;
  }

  destroy(): void {
    this.#key.destroy();
    this.nonce.fill(0);
  }

  #associated(): Uint8Array {
    return this.associated.subarray(0, this.associatedLength);
  }
}

/** Octets encrypted in CTR mode from a first counter block on. */
export type CounterMode = (key: Uint8Array, counterBlock: Uint8Array, octets: Uint8Array) => Uint8Array;

export class AllocatingCipher implements Cipher {
  readonly nonce: Uint8Array;
  /** Nonce, then the counter: 1 (RFC 3686 section 4). */
  readonly #counterBlock = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  readonly #key: Key;
  readonly #counterMode: CounterMode;

  constructor(key: Uint8Array, counterMode: CounterMode) {
    this.nonce = this.#counterBlock.subarray(0, NONCE_BYTES);
    this.#key = new Key(key);
    this.#counterMode = counterMode;
  }

  apply(bytes: Uint8Array, at: number, length: number): void {
    checkRange(bytes, at, length);
    bytes.set(this.#counterMode(this.#key.octets, this.#counterBlock, bytes.subarray(at, at + length)), at);
  }

  destroy(): void {
    this.#key.destroy();
    this.nonce.fill(0);
  }
}
