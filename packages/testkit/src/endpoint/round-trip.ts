/** Linux's lower bound in place of RFC 6298's second. */
const TIMEOUT_MIN_MS = 200;
/** Below RFC 6298's 60 seconds, so that several retransmissions find a peer in TIME-WAIT. */
const TIMEOUT_MAX_MS = 10_000;
const TIMEOUT_FIRST_MS = 1000;

/** Estimates how long an acknowledgment may take (RFC 6298 section 2). */
export class RoundTrip {
  #smoothedMs = 0;
  #variationMs = 0;
  #timeoutMs = TIMEOUT_FIRST_MS;
  #backOff = 0;

  get timeoutMs(): number {
    return Math.min(TIMEOUT_MAX_MS, this.#timeoutMs * 2 ** this.#backOff);
  }

  /** Retransmissions by timeout since the last acknowledgment of something new. */
  get backOff(): number {
    return this.#backOff;
  }

  /** Section 5.5. */
  double(): void {
    this.#backOff += 1;
  }

  reset(): void {
    this.#backOff = 0;
  }

  sample(measuredMs: number): void {
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = measuredMs;
      this.#variationMs = measuredMs / 2;
    } else {
      this.#variationMs = 0.75 * this.#variationMs + 0.25 * Math.abs(this.#smoothedMs - measuredMs);
      this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * measuredMs;
    }
    this.#timeoutMs = Math.max(TIMEOUT_MIN_MS, this.#smoothedMs + 4 * this.#variationMs);
  }
}
