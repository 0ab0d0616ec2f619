import type { Libc } from './libc.ts';

/** The array of `struct iovec` that readv(2) and writev(2) take: where each piece lies and how long it is. */
export class IoVector {
  readonly address: number;
  /** A `struct iovec` is a 64-bit address and a 64-bit length. */
  readonly #words: Uint32Array;

  constructor(libc: Libc, entries: number) {
    this.#words = new Uint32Array(new ArrayBuffer(16 * entries));
    this.address = libc.address(this.#words);
  }

  set(entry: number, address: number, length: number): void {
    const at = 4 * entry;
    this.#words[at] = address;
    this.#words[at + 1] = address / 0x1_0000_0000;
    this.#words[at + 2] = length;
    this.#words[at + 3] = 0;
  }
}
