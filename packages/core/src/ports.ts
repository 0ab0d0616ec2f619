import { Subject, type Observable } from 'rxjs';
import { Batch } from './batch.ts';
import type { PacketPool } from './packet-pool.ts';

/** A named output: an observable of batches. Packets collect in one batch and leave together. */
export class OutputPort {
  readonly batches$: Observable<Batch>;
  /** Packets emitted so far. */
  emitted = 0;

  readonly #subject = new Subject<Batch>();
  readonly #batch: Batch;
  #isFlushing = false;

  constructor(pool: PacketPool) {
    this.batches$ = this.#subject;
    this.#batch = new Batch(pool);
  }

  get isConnected(): boolean {
    return this.#subject.observed;
  }

  /** Hands the packet to whoever is linked, at the next flush or when the batch is full. */
  push(packet: number): void {
    this.#batch.push(packet);
    if (this.#batch.isFull) this.flush();
  }

  flush(): void {
    const batch = this.#batch;
    // What a device received comes back to it to be sent, and that flushes its outputs while they are being flushed.
    if (batch.length === 0 || this.#isFlushing) return;
    this.emitted += batch.length;
    this.#isFlushing = true;
    this.#subject.next(batch);
    this.#isFlushing = false;
    batch.clear();
  }
}

/** A named way for a packet to end: counts it and gives its slot back. */
export class DropPoint {
  dropped = 0;
  readonly #pool: PacketPool;

  constructor(pool: PacketPool) {
    this.#pool = pool;
  }

  drop(packet: number): void {
    this.dropped += 1;
    this.#pool.release(packet);
  }
}
