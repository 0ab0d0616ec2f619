/** Allows `perSecond` events on average and `burst` at once. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #state: Float64Array;

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    // Tokens, and when they were counted: unboxed numbers.
    this.#state = Float64Array.of(burst, 0);
  }

  take(nowMs: number): boolean {
    const grown = this.#state[0]! + (nowMs - this.#state[1]!) * this.#perMs;
    const tokens = grown > this.#burst ? this.#burst : grown;
    this.#state[1] = nowMs;
    this.#state[0] = tokens < 1 ? tokens : tokens - 1;
    return tokens >= 1;
  }
}
