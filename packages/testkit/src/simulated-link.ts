import type { Random, VirtualClock } from '@ngisec/core';
import { unattached, type PacketPort } from './port.ts';

export type Direction = 'a2b' | 'b2a';

/** Probabilities from 0 to 1, drawn per packet, each on its own. */
export interface Faults {
  readonly loss: number;
  readonly duplicate: number;
  /** That a packet takes `reorderDelayMs` longer, so that later ones overtake it. */
  readonly reorder: number;
  readonly reorderDelayMs: number;
  /** That one random bit is flipped. */
  readonly corrupt: number;
}

export const noFaults: Faults = { loss: 0, duplicate: 0, reorder: 0, reorderDelayMs: 10, corrupt: 0 };

export interface ChannelOptions {
  /** Default 1. */
  readonly latencyMs?: number;
  /** Default: no limit. */
  readonly bitsPerSecond?: number;
  /** How long a packet may wait for those before it; longer and it is dropped. Default 100. */
  readonly backlogMs?: number;
  /** Longer packets are dropped, for links do not fragment. Default 1500. */
  readonly mtuBytes?: number;
  readonly faults?: Partial<Faults>;
}

/** Settings of both directions; `a2b` and `b2a` override them for one. */
export interface LinkOptions extends ChannelOptions {
  readonly name?: string;
  readonly a2b?: ChannelOptions;
  readonly b2a?: ChannelOptions;
}

/** Sees every packet put on the wire, lost ones too, corrupted as they are; the octets are a copy. */
export type Tap = (octets: Uint8Array, direction: Direction, timeMs: number) => void;

/** An attacker on the wire: returns what goes on instead (the same octets to let it pass), undefined to drop it. */
export type Interceptor = (
  octets: Uint8Array,
  direction: Direction,
  timeMs: number,
) => Uint8Array | undefined;

export interface LinkSetting {
  readonly clock: VirtualClock;
  readonly random: Random;
}

const CHANCES = 0x1_0000_0000;

/** What happens to packets in one direction. `faults` may be replaced at any time. */
export class Channel {
  faults: Faults;
  /** sent + injected + duplicated = intercepted + tooLong + backlogged + lost + delivered + still under way. */
  readonly counters = {
    sent: 0,
    injected: 0,
    duplicated: 0,
    intercepted: 0,
    tooLong: 0,
    backlogged: 0,
    lost: 0,
    delivered: 0,
    reordered: 0,
    corrupted: 0,
  };
  readonly mtuBytes: number;
  readonly #setting: LinkSetting;
  readonly #latencyMs: number;
  readonly #bitsPerMs: number;
  readonly #backlogMs: number;
  readonly #tap: (octets: Uint8Array) => void;
  readonly #arrive: (octets: Uint8Array) => void;
  #busyUntilMs = 0;

  constructor(
    setting: LinkSetting,
    options: ChannelOptions,
    tap: (octets: Uint8Array) => void,
    arrive: (octets: Uint8Array) => void,
  ) {
    this.#setting = setting;
    this.faults = { ...noFaults, ...options.faults };
    this.mtuBytes = options.mtuBytes ?? 1500;
    this.#latencyMs = options.latencyMs ?? 1;
    this.#bitsPerMs = (options.bitsPerSecond ?? Infinity) / 1000;
    this.#backlogMs = options.backlogMs ?? 100;
    this.#tap = tap;
    this.#arrive = arrive;
  }

  /** Takes the octets over. */
  send(octets: Uint8Array): void {
    if (octets.length > this.mtuBytes) {
      this.counters.tooLong += 1;
      return;
    }
    const copy = octets.slice();
    this.#carry(octets);
    if (!this.#happens(this.faults.duplicate)) return;
    this.counters.duplicated += 1;
    this.#carry(copy);
  }

  /** Puts a packet on the wire without faults. */
  inject(octets: Uint8Array): void {
    this.counters.injected += 1;
    this.#tap(octets);
    this.#deliverAfter(this.#latencyMs, octets);
  }

  #carry(octets: Uint8Array): void {
    const waitMs = Math.max(0, this.#busyUntilMs - this.#setting.clock.nowMs());
    if (waitMs > this.#backlogMs) {
      this.counters.backlogged += 1;
      return;
    }
    const { loss, corrupt, reorder, reorderDelayMs } = this.faults;
    if (octets.length > 0 && this.#happens(corrupt)) this.#flipBit(octets);
    this.#tap(octets);
    const onWireMs = waitMs + (8 * octets.length) / this.#bitsPerMs;
    this.#busyUntilMs = this.#setting.clock.nowMs() + onWireMs;
    if (this.#happens(loss)) {
      this.counters.lost += 1;
      return;
    }
    const isLate = this.#happens(reorder);
    if (isLate) this.counters.reordered += 1;
    this.#deliverAfter(onWireMs + this.#latencyMs + (isLate ? reorderDelayMs : 0), octets);
  }

  #deliverAfter(delayMs: number, octets: Uint8Array): void {
    this.#setting.clock.schedule(delayMs, () => {
      this.counters.delivered += 1;
      this.#arrive(octets);
    });
  }

  #flipBit(octets: Uint8Array): void {
    const bit = this.#setting.random.integer(8 * octets.length);
    octets[bit >>> 3]! ^= 1 << (bit & 7);
    this.counters.corrupted += 1;
  }

  #happens(probability: number): boolean {
    return probability > 0 && this.#setting.random.integer(CHANCES) < probability * CHANCES;
  }
}

class LinkEnd implements PacketPort {
  onPacket: (octets: Uint8Array) => void = unattached;
  readonly send: (octets: Uint8Array) => void;

  constructor(send: (octets: Uint8Array) => void) {
    this.send = send;
  }
}

/** A point-to-point link between the nodes that hold ports `a` and `b`. */
export class SimulatedLink {
  readonly name: string;
  readonly a: PacketPort;
  readonly b: PacketPort;
  readonly a2b: Channel;
  readonly b2a: Channel;
  interceptor: Interceptor | undefined;

  readonly #clock: VirtualClock;
  readonly #taps: Tap[] = [];

  constructor(setting: LinkSetting, options: LinkOptions = {}) {
    this.name = options.name ?? 'link';
    this.#clock = setting.clock;
    this.a = new LinkEnd((octets) => this.#send(octets, 'a2b'));
    this.b = new LinkEnd((octets) => this.#send(octets, 'b2a'));
    const channel = (direction: Direction, to: PacketPort): Channel =>
      new Channel(
        setting,
        channelOptions(options, options[direction]),
        (octets) => this.#show(octets, direction),
        (octets) => to.onPacket(octets),
      );
    this.a2b = channel('a2b', this.b);
    this.b2a = channel('b2a', this.a);
  }

  tap(tap: Tap): void {
    this.#taps.push(tap);
  }

  /** Puts a copy of a packet of the attacker's on the wire; taps see it, the interceptor does not. */
  inject(octets: Uint8Array, direction: Direction): void {
    this[direction].inject(octets.slice());
  }

  #send(octets: Uint8Array, direction: Direction): void {
    const channel = this[direction];
    channel.counters.sent += 1;
    const copy = octets.slice();
    const passed =
      this.interceptor === undefined ? copy : this.interceptor(copy, direction, this.#clock.nowMs());
    if (passed === undefined) channel.counters.intercepted += 1;
    else channel.send(passed === copy ? copy : passed.slice());
  }

  #show(octets: Uint8Array, direction: Direction): void {
    const nowMs = this.#clock.nowMs();
    for (const tap of this.#taps) tap(octets.slice(), direction, nowMs);
  }
}

function channelOptions(both: ChannelOptions, one: ChannelOptions = {}): ChannelOptions {
  return { ...both, ...one, faults: { ...both.faults, ...one.faults } };
}
