/**
 * The anti-replay window of an inbound SA with 64-bit extended sequence numbers (RFC 4303 section 3.4.3 and
 * appendix A2).
 *
 *            top - size + 1                     top
 *     too old |<------------ window ------------>| new, moves the window
 *     ------- seen? look at the bit ------------ |
 *
 * Sequence numbers are held as JavaScript integers: 2^53 packets are 28 years at ten million a second. The
 * two steps are
 * apart on purpose: `willAccept` before the ICV is checked, `markAccepted` only after it verified.
 */
export const WINDOW_PACKETS_DEFAULT = 1024;
export const WINDOW_PACKETS_MAX = 8192;
/** The last sequence number an SA may use; it never wraps. */
export const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;

const HIGH = 0x1_0000_0000;

export class ReplayWindow {
  readonly size: number;
  readonly #bits: Uint32Array;
  /** A one-element array keeps the number unboxed. */
  readonly #top = new Float64Array(1);

  /** @param size packets, a power of two from 32 to 8192; else RangeError. */
  constructor(size: number = WINDOW_PACKETS_DEFAULT) {
    // Bit operations take NaN for 0 and cut off fractions.
    if (!Number.isInteger(size) || size < 32 || size > WINDOW_PACKETS_MAX || (size & (size - 1)) !== 0) {
      throw new RangeError(
        `replay window of ${size} packets: must be a power of two from 32 to ${WINDOW_PACKETS_MAX}`,
      );
    }
    this.size = size;
    this.#bits = new Uint32Array(size >>> 5);
  }

  /** The highest sequence number accepted so far; 0 before the first. */
  get top(): number {
    return this.#top[0]!;
  }

  /**
   * The full sequence number whose low 32 bits came in the packet (appendix A2.2): the one nearest to the window. Not
   * positive where there is none.
   */
  infer(low: number): number {
    const top = this.#top[0]!;
    const topLow = top % HIGH;
    const topHigh = top - topLow;
    const bottomLow = topLow - this.size + 1;
    if (bottomLow >= 0) return low >= bottomLow ? topHigh + low : topHigh + HIGH + low;
    // The window spans two values of the high half: numbers at its upper end belong to the earlier one.
    return low >= bottomLow + HIGH ? topHigh - HIGH + low : topHigh + low;
  }

  willAccept(sequence: number): boolean {
    if (sequence <= 0 || sequence > SEQUENCE_MAX) return false;
    const top = this.#top[0]!;
    if (sequence > top) return true;
    if (sequence <= top - this.size) return false;
    const position = sequence % this.size;
    return ((this.#bits[position >>> 5]! >>> (position & 31)) & 1) === 0;
  }

  /** Records a sequence number that `willAccept` allowed and whose ICV verified. */
  markAccepted(sequence: number): void {
    const top = this.#top[0]!;
    if (sequence > top) {
      if (sequence - top >= this.size) this.#bits.fill(0);
      else for (let skipped = top + 1; skipped < sequence; skipped += 1) this.#clear(skipped % this.size);
      this.#top[0] = sequence;
    }
    const position = sequence % this.size;
    this.#bits[position >>> 5]! |= 1 << (position & 31);
  }

  #clear(position: number): void {
    this.#bits[position >>> 5]! &= ~(1 << (position & 31));
  }
}
