import { sequenceDistance } from './tcp-segment.ts';

/** Octets that arrived ahead of their turn. The caller bounds them by its window. */
export class Reassembly {
  readonly #segments = new Map<number, Uint8Array>();

  insert(seq: number, payload: Uint8Array): void {
    if (payload.length > (this.#segments.get(seq)?.length ?? 0)) this.#segments.set(seq, payload);
  }

  /** Removes and returns the octets that continue at `next`; undefined where a gap is left. */
  take(next: number): Uint8Array | undefined {
    for (const [seq, payload] of this.#segments) {
      const known = sequenceDistance(next, seq);
      if (known < 0) continue;
      this.#segments.delete(seq);
      if (known < payload.length) return payload.subarray(known);
    }
    return undefined;
  }
}
