/** Monotonic time, injected: no stage asks the machine. */
export interface Clock {
  /** Milliseconds since an arbitrary origin; never goes back. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => performance.now() };

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Virtual time: it stands still until told to advance, then runs what falls due, in order of time and, at equal
 * times, in order of scheduling. Makes every scenario repeatable.
 */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #scheduled = 0;
  readonly #heap: Timer[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  get pending(): number {
    return this.#heap.length;
  }

  schedule(delayMs: number, run: () => void): void {
    this.#heap.push({ atMs: this.#nowMs + Math.max(0, delayMs), order: this.#scheduled++, run });
    this.#siftUp(this.#heap.length - 1);
  }

  /** Runs the next timer, moving time to it; false where none is left or the next lies behind `untilMs`. */
  step(untilMs = Infinity): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atMs > untilMs) return false;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown(0);
    }
    this.#nowMs = next.atMs;
    next.run();
    return true;
  }

  /** Runs everything due within `durationMs` and leaves the clock at its end. */
  advance(durationMs: number): void {
    const untilMs = this.#nowMs + durationMs;
    while (this.step(untilMs)) continue;
    // A timer may itself have advanced the clock further.
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #before(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a]!, this.#heap[b]!];
    return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b]!, this.#heap[a]!];
  }

  #siftUp(index: number): void {
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!this.#before(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #siftDown(index: number): void {
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#heap.length && this.#before(child, least)) least = child;
      }
      if (least === index) return;
      this.#swap(index, least);
      index = least;
    }
  }
}
