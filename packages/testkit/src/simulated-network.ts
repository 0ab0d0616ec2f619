import { seededRandom, VirtualClock, type Random } from '@ngisec/core';
import { SimulatedLink, type LinkOptions } from './simulated-link.ts';

/**
 * Virtual time, one seeded source of randomness, and the links between nodes. A seed reproduces a run to the last
 * octet. Routers, devices and stacks attach to the ports of links.
 */
export class SimulatedNetwork {
  readonly seed: number;
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly links: SimulatedLink[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  link(options: LinkOptions = {}): SimulatedLink {
    const link = new SimulatedLink(this, { name: `link-${this.links.length}`, ...options });
    this.links.push(link);
    return link;
  }

  /** Lets `durationMs` of virtual time pass. */
  run(durationMs: number): void {
    this.clock.advance(durationMs);
  }

  /** Runs until `isDone` or, at the latest, for `limitMs`; false where it never was. */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    const untilMs = this.clock.nowMs() + limitMs;
    while (!isDone()) if (!this.clock.step(untilMs)) return false;
    return true;
  }
}
