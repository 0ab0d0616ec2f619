import type { VirtualClock } from '@ngisec/core';

/**
 * One timer that may be set again and again. Virtual clocks cannot cancel, so it keeps the deadline apart from the
 * wake-ups: a wake-up that comes too early only schedules the next one.
 */
export class DeadlineTimer {
  readonly #clock: VirtualClock;
  readonly #onExpire: () => void;
  #deadlineMs = Infinity;
  #wakeMs = Infinity;

  constructor(clock: VirtualClock, onExpire: () => void) {
    this.#clock = clock;
    this.#onExpire = onExpire;
  }

  set(delayMs: number): void {
    this.#deadlineMs = this.#clock.nowMs() + delayMs;
    if (this.#deadlineMs < this.#wakeMs) this.#wakeAt(this.#deadlineMs);
  }

  clear(): void {
    this.#deadlineMs = Infinity;
  }

  #wakeAt(atMs: number): void {
    this.#wakeMs = atMs;
    this.#clock.schedule(atMs - this.#clock.nowMs(), () => this.#wake(atMs));
  }

  #wake(atMs: number): void {
    // A wake-up set later, for an earlier deadline, has taken over.
    if (atMs !== this.#wakeMs) return;
    this.#wakeMs = Infinity;
    if (this.#deadlineMs === Infinity) return;
    if (this.#clock.nowMs() < this.#deadlineMs) return this.#wakeAt(this.#deadlineMs);
    this.#deadlineMs = Infinity;
    this.#onExpire();
  }
}
