import { FLOW_KEY_WORDS, type FlowKey, type Random } from '@ngisec/core';

const ROWS = 4;

/**
 * Counts by key in fixed memory (Cormode and Muthukrishnan 2005): each key has one cell a row, and the smallest of its
 * cells is the count. Never too low. Too high by more than e/columns of all that was counted with a probability of
 * e^-4, and less with the conservative update (Estan and Varghese 2002) used here. Seeded, so that an outsider
 * cannot aim.
 */
export class CountMinSketch {
  readonly #cells: Uint32Array;
  readonly #columns: number;
  readonly #seeds: readonly [number, number];

  /** `columns` is rounded up to a power of two. */
  constructor(random: Random, columns: number) {
    this.#columns = 2 ** Math.ceil(Math.log2(columns));
    this.#cells = new Uint32Array(ROWS * this.#columns);
    this.#seeds = [random.integer(0x1_0000_0000) | 0, random.integer(0x1_0000_0000) | 0];
  }

  /** Counts the key once more; returns its count. */
  add(key: FlowKey): number {
    const first = hash(key, this.#seeds[0]);
    const step = hash(key, this.#seeds[1]) | 1;
    const count = this.#least(first, step) + 1;
    for (let row = 0; row < ROWS; row += 1) {
      const cell = this.#cell(first, step, row);
      if (this.#cells[cell]! < count) this.#cells[cell] = count;
    }
    return count;
  }

  count(key: FlowKey): number {
    return this.#least(hash(key, this.#seeds[0]), hash(key, this.#seeds[1]) | 1);
  }

  clear(): void {
    this.#cells.fill(0);
  }

  #least(first: number, step: number): number {
    let least = this.#cells[this.#cell(first, step, 0)]!;
    for (let row = 1; row < ROWS; row += 1) {
      least = Math.min(least, this.#cells[this.#cell(first, step, row)]!);
    }
    return least;
  }

  /** Two hashes serve all rows (Kirsch and Mitzenmacher 2006). */
  #cell(first: number, step: number, row: number): number {
    return row * this.#columns + ((first + Math.imul(row, step)) & (this.#columns - 1));
  }
}

/** MurmurHash3's 32-bit mixing over the key's words. */
function hash(key: FlowKey, seed: number): number {
  let hash = seed;
  for (let word = 0; word < FLOW_KEY_WORDS; word += 1) {
    let mixed = Math.imul(key[word]!, 0xcc9e2d51);
    mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
    hash ^= mixed;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
