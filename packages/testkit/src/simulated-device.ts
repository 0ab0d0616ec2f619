import type { Batch, Heading, PacketDevice, VirtualClock } from '@ngisec/core';
import { ip } from '@ngisec/wire';
import { decrementTimeToLive } from './ip-packet.ts';
import type { PacketPort } from './port.ts';

export interface SimulatedDeviceOptions {
  readonly name?: string;
  /** A gateway is a router hop: it takes one off the TTL of what enters it. */
  readonly role: 'host' | 'gateway';
  /** Towards the host's own stack, or the gateway's LAN. */
  readonly inside: PacketPort;
  readonly outside: PacketPort;
  /** False for what the kernel routes past the graph; by default the graph gets everything. */
  readonly intercepts?: (octets: Uint8Array, from: 'inside' | 'outside') => boolean;
  /** Packets that wait for the graph; more are dropped and counted. Default 1024. */
  readonly queuePackets?: number;
}

/** How long a graph whose pool is more than half used is left alone before it is asked again. */
const RETRY_MS = 1;

/** Joins a graph to the network, as a TUN device with interception rules joins it to a kernel. */
export class SimulatedDevice implements PacketDevice {
  readonly name: string;
  /** Called once for packets that wait, at the virtual time they arrived; polls the graph. */
  onReadable: () => void = () => undefined;
  readonly counters = {
    received: 0,
    transmitted: 0,
    bypassed: 0,
    queueFull: 0,
    ttlExpired: 0,
    /** Longer than the pool's packets. */
    tooLong: 0,
  };

  readonly #clock: VirtualClock;
  readonly #options: SimulatedDeviceOptions;
  readonly #queuePackets: number;
  readonly #queue: Uint8Array[] = [];
  #isPollDue = false;

  constructor({ clock }: { readonly clock: VirtualClock }, options: SimulatedDeviceOptions) {
    this.name = options.name ?? 'simulated';
    this.#clock = clock;
    this.#options = options;
    this.#queuePackets = options.queuePackets ?? 1024;
    const { inside, outside } = options;
    inside.onPacket = (octets) => this.#arrive(octets, 'inside', outside);
    outside.onPacket = (octets) => this.#arrive(octets, 'outside', inside);
  }

  get queued(): number {
    return this.#queue.length;
  }

  receive(batch: Batch): number {
    const { pool } = batch;
    const before = batch.length;
    let taken = 0;
    while (this.#queue.length > 0 && !batch.isFull && pool.available > pool.capacity >>> 1) {
      const octets = this.#queue.shift()!;
      taken += 1;
      if (octets.length > pool.packetBytesMax) this.counters.tooLong += 1;
      else batch.push(pool.allocateCopy(octets));
    }
    this.counters.received += batch.length - before;
    // Without progress asking again at the same time would never end.
    if (this.#queue.length > 0) this.#schedulePoll(taken > 0 ? 0 : RETRY_MS);
    return batch.length - before;
  }

  transmit(batch: Batch, heading: Heading): number {
    const { pool, packets } = batch;
    const port = heading === 'outbound' ? this.#options.outside : this.#options.inside;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = packets[index]!;
      if (pool.checksumPending[packet] === 1) {
        ip.completeTransportChecksum(
          pool.bytes,
          pool.start[packet]!,
          pool.transport[packet]!,
          pool.end[packet]!,
          pool.family[packet]!,
          pool.protocol[packet]!,
        );
      }
      const octets = pool.octets(packet);
      pool.release(packet);
      this.counters.transmitted += 1;
      port.send(octets);
    }
    return 0;
  }

  #arrive(octets: Uint8Array, from: 'inside' | 'outside', onward: PacketPort): void {
    if (this.#options.role === 'gateway' && decrementTimeToLive(octets) === 'expired') {
      this.counters.ttlExpired += 1;
      return;
    }
    if (this.#options.intercepts?.(octets, from) === false) {
      this.counters.bypassed += 1;
      onward.send(octets);
      return;
    }
    if (this.#queue.length >= this.#queuePackets) {
      this.counters.queueFull += 1;
      return;
    }
    this.#queue.push(octets);
    this.#schedulePoll(0);
  }

  #schedulePoll(delayMs: number): void {
    if (this.#isPollDue) return;
    this.#isPollDue = true;
    this.#clock.schedule(delayMs, () => {
      this.#isPollDue = false;
      this.onReadable();
    });
  }
}
