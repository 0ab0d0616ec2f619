import { datagramSizes, markedPayload } from '../check.ts';

const BLOCK_BYTES = 64 * 1024;
/** Where the number of a marked line stands, and its digits: behind the marker, blank, salt, blank. */
const NUMBER_AT = 21;
const NUMBER_DIGITS = 10;

/**
 * A marked payload of any length in blocks, each with its number in its first line, so that none can stand
 * for another.
 */
export function* payloadBlocks(octets: number, salt: number): Generator<Buffer> {
  const pattern = markedPayload(BLOCK_BYTES, salt);
  for (let number = 0; number * BLOCK_BYTES < octets; number += 1) {
    const block = Buffer.from(pattern);
    block.write(String(number).padStart(NUMBER_DIGITS), NUMBER_AT, 'latin1');
    yield block.subarray(0, octets - number * BLOCK_BYTES);
  }
}

export interface DatagramSeries {
  readonly family: 4 | 6;
  readonly count: number;
  /** Payload octets of the largest. */
  readonly largest: number;
}

/** The datagrams of a series, in order. */
export const datagramPayloads = ({ count, largest }: DatagramSeries): Buffer[] =>
  datagramSizes(count, largest).map((size, index) => markedPayload(size, index % 1000));

/** Which of the datagrams of a series have come, each counted as often as it was sent and no more. */
export class DatagramLedger {
  intact = 0;
  readonly #missing = new Map<string, number>();

  constructor(series: DatagramSeries) {
    for (const payload of datagramPayloads(series)) {
      const text = payload.toString('latin1');
      this.#missing.set(text, (this.#missing.get(text) ?? 0) + 1);
    }
  }

  get isComplete(): boolean {
    return this.#missing.size === 0;
  }

  take(payload: Buffer): void {
    const text = payload.toString('latin1');
    const count = this.#missing.get(text);
    if (count === undefined) return;
    this.intact += 1;
    if (count > 1) this.#missing.set(text, count - 1);
    else this.#missing.delete(text);
  }
}
