import { FlowTable, type FlowKey, type Random } from '@ngisec/core';

const FREE = -1;

/**
 * What an end host remembers of its flows, in columns by entry of one flow table keyed as the host sends: local
 * end as source. Idle flows go, a bounded number looked at in each sweep.
 */
export class FlowState {
  /** Channel index for the flow's data. */
  readonly dataChannel: Int32Array;
  /** Channel index for its control packets. */
  readonly controlChannel: Int32Array;
  /** 1 where this host began the flow, 0 where a network-to-network peer did. */
  readonly isOwn: Uint8Array;
  /** 1 where the data channel is the one that verified data; before, it is a guess: a peer's address may be shared. */
  readonly isBound: Uint8Array;
  /** When the flow may be announced again, and the pause after that. */
  readonly announceAtMs: Float64Array;
  readonly announcePauseMs: Float64Array;
  readonly idleLimitMs: Float64Array;

  readonly #table: FlowTable;
  readonly #lastSeenMs: Float64Array;
  readonly #confirmedMs: Float64Array;
  #sweepAt = 0;

  constructor(random: Random, capacity: number) {
    this.#table = new FlowTable(random, capacity);
    this.dataChannel = new Int32Array(capacity);
    this.controlChannel = new Int32Array(capacity);
    this.isOwn = new Uint8Array(capacity);
    this.isBound = new Uint8Array(capacity);
    this.announceAtMs = new Float64Array(capacity);
    this.announcePauseMs = new Float64Array(capacity);
    this.idleLimitMs = new Float64Array(capacity);
    this.#lastSeenMs = new Float64Array(capacity).fill(FREE);
    this.#confirmedMs = new Float64Array(capacity);
  }

  get size(): number {
    return this.#table.size;
  }

  /** The flow's entry, or -1. */
  find(key: FlowKey): number {
    return this.#table.find(key);
  }

  /** A new entry; -1 where the table is full. */
  insert(
    key: FlowKey,
    nowMs: number,
    dataChannel: number,
    controlChannel: number,
    idleLimitMs: number,
  ): number {
    const entry = this.#table.insert(key);
    if (entry < 0) return -1;
    this.dataChannel[entry] = dataChannel;
    this.controlChannel[entry] = controlChannel;
    this.isOwn[entry] = 1;
    this.isBound[entry] = 0;
    this.#confirmedMs[entry] = -Infinity;
    this.announceAtMs[entry] = nowMs;
    this.announcePauseMs[entry] = 0;
    this.idleLimitMs[entry] = idleLimitMs;
    this.#lastSeenMs[entry] = nowMs;
    return entry;
  }

  touch(entry: number, nowMs: number): void {
    this.#lastSeenMs[entry] = nowMs;
  }

  /** Something authentic of the flow came back. */
  confirm(entry: number, nowMs: number): void {
    this.#confirmedMs[entry] = nowMs;
    this.announceAtMs[entry] = nowMs;
    this.announcePauseMs[entry] = 0;
  }

  /**
   * True where something came back within the idle limit, or the one given. Where a flow only goes one way, nothing
   * leaves the far site to refresh its gateway's binding (RFC 4787 REQ-6), so that the flow has to be announced again.
   */
  isConfirmed(entry: number, nowMs: number, limitMs = this.idleLimitMs[entry]!): boolean {
    return nowMs - this.#confirmedMs[entry]! <= limitMs;
  }

  /** Removes idle flows among the next `count` entries; returns how many went. */
  sweep(nowMs: number, count: number): number {
    const capacity = this.#lastSeenMs.length;
    let removed = 0;
    for (let looked = 0; looked < count; looked += 1) {
      const entry = this.#sweepAt;
      this.#sweepAt = entry + 1 === capacity ? 0 : entry + 1;
      const seenMs = this.#lastSeenMs[entry]!;
      if (seenMs === FREE || nowMs - seenMs <= this.idleLimitMs[entry]!) continue;
      this.#table.remove(entry);
      this.#lastSeenMs[entry] = FREE;
      removed += 1;
    }
    return removed;
  }
}
