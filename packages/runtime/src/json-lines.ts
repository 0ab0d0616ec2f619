import { appendFile, openSync } from 'node:fs';

/** Characters that may wait for a slow disk; what comes on top is lost, and counted. */
const WAITING_MAX = 1 << 20;

/**
 * A file of records, one JSON object a line, for a stage's findings. Appends without making packets wait:
 * writing goes on
 * in the background, and what a full or slow disk does not take becomes a line `{"lost":n}` once it takes lines again.
 *
 * The first line of each start says when the node's clock stood at 0, in milliseconds since 1970 (IPFIX information
 * element 160): `{"systemInitTimeMilliseconds":1763843000000,"node":"gw-a"}`.
 */
export class JsonLines {
  readonly #file: number;
  #waiting = '';
  #waitingLines = 0;
  #lost = 0;
  #isWriting = false;
  #whenIdle: (() => void)[] = [];

  /** Throws where the file can be neither opened nor made. Only its owner may read it. */
  constructor(path: string, node: string) {
    this.#file = openSync(path, 'a', 0o600);
    this.next({ systemInitTimeMilliseconds: Math.round(performance.timeOrigin), node });
  }

  next(record: object): void {
    const line = JSON.stringify(record) + '\n';
    if (this.#waiting.length + line.length > WAITING_MAX) {
      this.#lost += 1;
      return;
    }
    if (this.#lost > 0) {
      this.#waiting += `{"lost":${this.#lost}}\n`;
      this.#lost = 0;
    }
    this.#waiting += line;
    this.#waitingLines += 1;
    this.#write();
  }

  /** Resolves when everything taken so far is in the file, or lost. */
  async idle(): Promise<void> {
    if (this.#isWriting) await new Promise<void>((resolve) => void this.#whenIdle.push(resolve));
  }

  #write(): void {
    if (this.#isWriting) return;
    if (this.#waiting === '') {
      for (const resolve of this.#whenIdle.splice(0)) resolve();
      return;
    }
    const [text, lines] = [this.#waiting, this.#waitingLines];
    this.#waiting = '';
    this.#waitingLines = 0;
    this.#isWriting = true;
    appendFile(this.#file, text, (error) => {
      if (error !== null) this.#lost += lines;
      this.#isWriting = false;
      this.#write();
    });
  }
}
