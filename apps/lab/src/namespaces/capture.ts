import { linkTypes, pcapng } from '@ngisec/wire';
import { closeSync, mkdirSync, openSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { legs, type Leg } from '../topology.ts';
import type { Network, Place } from './network.ts';
import { PacketTap } from './packet-tap.ts';

/** Who is shown every packet. */
export interface Observer {
  observe(leg: Leg, octets: Uint8Array): void;
}

const places: Record<Leg, readonly [Place, string]> = {
  'lan-a': ['gw-a', 'lan0'],
  wan: ['inet', 'a0'],
  'lan-b': ['gw-b', 'lan0'],
};

const PACKETS_PER_TURN = 256;
const IDLE_MS = 5;
/** Nothing for that long: what was sent has arrived. */
const SETTLED_MS = 60;

export interface PacketObserver {
  observe(leg: Leg, octets: Uint8Array): void;
}

interface LegCapture {
  readonly leg: Leg;
  readonly tap: PacketTap;
  readonly file: CaptureFile | undefined;
}

/** Shows every packet of the three legs to an observer while it flows; nothing is kept but what the caller asks for. */
export class Capture {
  packets = 0;
  readonly #observer: Observer;
  readonly #legs: LegCapture[];
  readonly #pumping: Promise<void>;
  #isOpen = true;
  #idleSinceMs = performance.now();

  constructor(network: Network, observer: Observer, directory?: string) {
    this.#observer = observer;
    this.#legs = legs.map((leg) => ({
      leg,
      tap: new PacketTap(network, ...places[leg]),
      file: directory === undefined ? undefined : new CaptureFile(directory, leg),
    }));
    this.#pumping = this.#pump();
  }

  /** Resolves when everything under way has been observed. */
  async settle(): Promise<void> {
    const askedMs = performance.now();
    while (performance.now() - Math.max(this.#idleSinceMs, askedMs) < SETTLED_MS) await sleep(IDLE_MS);
  }

  /** Ends the capture. Resolves to the packets the kernel lost, by leg: the observer saw all others. */
  async close(): Promise<Readonly<Record<Leg, number>>> {
    this.#isOpen = false;
    await this.#pumping;
    const lost = this.#legs.map(({ leg, tap, file }) => {
      const count = tap.lost();
      tap.close();
      file?.close();
      return [leg, count];
    });
    return Object.fromEntries(lost) as Record<Leg, number>;
  }

  async #pump(): Promise<void> {
    while (this.#isOpen) {
      const count = this.#legs.reduce((sum, leg) => sum + this.#drain(leg), 0);
      this.packets += count;
      if (count > 0) this.#idleSinceMs = performance.now();
      await (count > 0 ? setImmediate() : sleep(IDLE_MS));
    }
  }

  #drain({ leg, tap, file }: LegCapture): number {
    for (let count = 0; count < PACKETS_PER_TURN; count += 1) {
      const octets = tap.next();
      if (octets === undefined) return count;
      this.#observer.observe(leg, octets);
      file?.add(octets, tap.timeNs());
    }
    return PACKETS_PER_TURN;
  }
}

const BLOCKS_PER_WRITE = 256;

/** A pcapng file of one leg. */
class CaptureFile {
  readonly #descriptor: number;
  #blocks: Uint8Array[];

  constructor(directory: string, leg: Leg) {
    mkdirSync(directory, { recursive: true });
    this.#descriptor = openSync(join(directory, `${leg}.pcapng`), 'w');
    this.#blocks = [
      pcapng.sectionHeader('NGISec lab'),
      pcapng.interfaceDescription({ name: leg, linkType: linkTypes.raw }),
    ];
  }

  add(octets: Uint8Array, timeNs: bigint): void {
    this.#blocks.push(pcapng.enhancedPacket({ interfaceId: 0, timeNs, octets }));
    if (this.#blocks.length >= BLOCKS_PER_WRITE) this.#write();
  }

  close(): void {
    this.#write();
    closeSync(this.#descriptor);
  }

  #write(): void {
    if (this.#blocks.length > 0) writevSync(this.#descriptor, this.#blocks);
    this.#blocks = [];
  }
}
