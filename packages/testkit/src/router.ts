import { ip, ipv4, ipv6, parsePrefix, prefixContains, type Prefix } from '@ngisec/wire';
import { decrementTimeToLive } from './ip-packet.ts';
import type { PacketPort } from './port.ts';

interface Route {
  readonly prefix: Prefix;
  readonly port: PacketPort;
}

/**
 * Forwards by longest prefix and drops, with a count, what has no route or no hops left. It sends no ICMP errors.
 * With `countsHops: false` it stands for a switch: hosts on one LAN without a hop between them.
 */
export class Router {
  readonly counters = { forwarded: 0, noRoute: 0, ttlExpired: 0, malformed: 0 };
  readonly #routes: Route[] = [];
  readonly #countsHops: boolean;

  constructor({ countsHops = true }: { readonly countsHops?: boolean } = {}) {
    this.#countsHops = countsHops;
  }

  /** Sends packets for `prefix` (`10.2.0.0/24`, `::/0`) out of `port` and takes in what arrives there. */
  addRoute(prefix: string, port: PacketPort): this {
    const parsed = parsePrefix(prefix);
    if (parsed === undefined) throw new RangeError(`"${prefix}" is not a prefix`);
    this.#routes.push({ prefix: parsed, port });
    this.#routes.sort((left, right) => right.prefix.bits - left.prefix.bits);
    port.onPacket = (octets) => this.#forward(octets);
    return this;
  }

  #forward(octets: Uint8Array): void {
    const family = octets.length === 0 ? 0 : octets[0]! >>> 4;
    const isWhole =
      family === 4
        ? octets.length >= ipv4.HEADER_BYTES_MIN
        : family === 6 && octets.length >= ipv6.HEADER_BYTES;
    if (!isWhole || (family === 4 && !ipv4.hasValidChecksum(octets, 0))) {
      this.counters.malformed += 1;
      return;
    }
    const bytes = ip.addressBytes(family);
    const destination = ip.destinationOffset(family);
    const route = this.#routes.find(
      ({ prefix }) => prefix.address.length === bytes && prefixContains(prefix, octets, destination),
    );
    if (route === undefined) {
      this.counters.noRoute += 1;
      return;
    }
    if (this.#countsHops && decrementTimeToLive(octets) !== 'alive') {
      this.counters.ttlExpired += 1;
      return;
    }
    this.counters.forwarded += 1;
    route.port.send(octets);
  }
}
