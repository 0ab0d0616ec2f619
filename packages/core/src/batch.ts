import { limits } from './limits.ts';
import type { PacketPool } from './packet-pool.ts';

/**
 * Up to 256 packets handed over in one emission. The receiver owns the packets; the batch itself goes back to
 * its sender when the emission returns, so it must not be kept.
 */
export class Batch {
  readonly packets = new Uint32Array(limits.batchPackets);
  length = 0;
  readonly pool: PacketPool;

  constructor(pool: PacketPool) {
    this.pool = pool;
  }

  get isFull(): boolean {
    return this.length === this.packets.length;
  }

  push(packet: number): void {
    this.packets[this.length] = packet;
    this.length += 1;
  }

  clear(): void {
    this.length = 0;
  }
}
