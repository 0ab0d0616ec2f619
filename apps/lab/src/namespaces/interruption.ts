const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** Cleans up and ends this process where a signal asks it to end, but for one signal that somebody waits for. */
export class Interruption {
  readonly #cleanUp: () => Promise<void>;
  #awaited: (() => void) | undefined;
  readonly #listener = (signal: (typeof signals)[number]): void => {
    const awaited = this.#awaited;
    this.#awaited = undefined;
    if (awaited !== undefined) awaited();
    else void this.#cleanUp().finally(() => process.exit(EXIT_CODES[signal]));
  };

  constructor(cleanUp: () => Promise<void>) {
    this.#cleanUp = cleanUp;
    for (const signal of signals) process.on(signal, this.#listener);
  }

  /** Resolves at the next signal. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.#awaited = resolve));
  }

  release(): void {
    for (const signal of signals) process.off(signal, this.#listener);
  }
}
