import { checksum, icmp, ip, ipv4, parseAddress, read16, write16 } from '@ngisec/wire';
import { decrementTimeToLive, parseIp, type IpPacket } from './ip-packet.ts';
import type { PacketPort } from './port.ts';

/** A port of the public address that leads to a host inside. An echo service has no port: 0. */
export interface Forward {
  /** IP protocol number. */
  readonly protocol: number;
  readonly port: number;
  readonly host: string;
  readonly hostPort: number;
}

export interface MasqueradeOptions {
  readonly inside: PacketPort;
  readonly outside: PacketPort;
  /** Public addresses, at most one a family. */
  readonly addresses: readonly string[];
  readonly forwards?: readonly Forward[];
}

interface Tuple {
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
}

const PORTS_FIRST = 1024;
const PORTS = 0x1_0000 - PORTS_FIRST;

/**
 * The NAT of an ordinary router, which has never heard of NGISec: source addresses and ports of what leaves are masked
 * (RFC 3022 NAPT, ports kept where free), forwarded ports are opened inwards. It keeps every connection for good.
 */
export class Masquerade {
  readonly counters = { translated: 0, unknown: 0, ttlExpired: 0, malformed: 0 };
  readonly #options: MasqueradeOptions;
  readonly #addresses: readonly Uint8Array[];
  /** By tuple as the packet comes; what it becomes. */
  #leaving = new Map<string, Tuple>();
  #arriving = new Map<string, Tuple>();
  #shift = 0;

  constructor(options: MasqueradeOptions) {
    this.#options = options;
    this.#addresses = options.addresses.map((text) => parseAddress(text)!);
    options.inside.onPacket = (octets) => this.#pass(octets, true);
    options.outside.onPacket = (octets) => this.#pass(octets, false);
  }

  /** Forgets every connection, and gives those that come again other ports than before. */
  forget(): void {
    this.#leaving = new Map();
    this.#arriving = new Map();
    this.#shift += 1;
  }

  #pass(octets: Uint8Array, leaves: boolean): void {
    const packet = parseIp(octets);
    if (typeof packet === 'string' || ip.checksumOffset(packet.protocol) < 0) {
      this.counters.malformed += 1;
      return;
    }
    const { protocol } = packet;
    const came = tupleOf(octets, packet);
    const goes = leaves ? this.#leave(came, protocol) : this.#arrive(came, protocol);
    if (goes === undefined) {
      this.counters.unknown += 1;
      return;
    }
    if (decrementTimeToLive(octets) !== 'alive') {
      this.counters.ttlExpired += 1;
      return;
    }
    write(octets, packet, goes);
    this.counters.translated += 1;
    (leaves ? this.#options.outside : this.#options.inside).send(octets);
  }

  #leave(came: Tuple, protocol: number): Tuple | undefined {
    const known = this.#leaving.get(keyOf(came, protocol));
    if (known !== undefined) return known;
    const source = this.#addresses.find(({ length }) => length === came.source.length);
    if (source === undefined) return undefined;
    const preferred = PORTS_FIRST + ((came.sourcePort + this.#shift - PORTS_FIRST + PORTS) % PORTS);
    for (let tries = 0; tries < PORTS; tries += 1) {
      const sourcePort = PORTS_FIRST + ((preferred - PORTS_FIRST + tries) % PORTS);
      const destinationPort = isEcho(protocol) ? sourcePort : came.destinationPort;
      const goes = { source, sourcePort, destination: came.destination, destinationPort };
      if (this.#arriving.has(keyOf(reverse(goes), protocol))) continue;
      this.#note(came, goes, protocol);
      return goes;
    }
    return undefined;
  }

  #arrive(came: Tuple, protocol: number): Tuple | undefined {
    const known = this.#arriving.get(keyOf(came, protocol));
    if (known !== undefined) return known;
    const forward = (this.#options.forwards ?? []).find(
      ({ protocol: wanted, port, host }) =>
        wanted === protocol &&
        (isEcho(protocol) || port === came.destinationPort) &&
        parseAddress(host)!.length === came.source.length,
    );
    if (forward === undefined) return undefined;
    const destinationPort = isEcho(protocol) ? came.destinationPort : forward.hostPort;
    const goes = { ...came, destination: parseAddress(forward.host)!, destinationPort };
    this.#note(reverse(goes), reverse(came), protocol);
    return goes;
  }

  /** `inner` as it comes from inside, `outer` as it then leaves. */
  #note(inner: Tuple, outer: Tuple, protocol: number): void {
    this.#leaving.set(keyOf(inner, protocol), outer);
    this.#arriving.set(keyOf(reverse(outer), protocol), reverse(inner));
  }
}

const isEcho = (protocol: number): boolean => protocol === ip.ICMP || protocol === ip.ICMPV6;

const reverse = ({ source, sourcePort, destination, destinationPort }: Tuple): Tuple => ({
  source: destination,
  sourcePort: destinationPort,
  destination: source,
  destinationPort: sourcePort,
});

const keyOf = ({ source, sourcePort, destination, destinationPort }: Tuple, protocol: number): string =>
  `${protocol} ${source.join('.')}:${sourcePort} ${destination.join('.')}:${destinationPort}`;

function tupleOf(octets: Uint8Array, { protocol, transport, source, destination }: IpPacket): Tuple {
  const first = isEcho(protocol) ? icmp.identifier(octets, transport) : read16(octets, transport);
  const second = isEcho(protocol) ? first : read16(octets, transport + 2);
  return { source, sourcePort: first, destination, destinationPort: second };
}

/** Writes the tuple; the transport checksum follows incrementally: one that was wrong stays wrong (RFC 1624). */
function write(octets: Uint8Array, { family, protocol, transport }: IpPacket, to: Tuple): void {
  const source = ip.sourceOffset(family);
  const ports = isEcho(protocol) ? transport + icmp.IDENTIFIER : transport;
  const portsEnd = ports + (isEcho(protocol) ? 2 : 4);
  // ICMP's checksum knows no addresses; ICMPv6's does.
  const covered = (): number =>
    checksum.sum(octets, ports, portsEnd) +
    (protocol === ip.ICMP ? 0 : checksum.sum(octets, source, source + 2 * ip.addressBytes(family)));
  const before = covered();
  octets.set(to.source, source);
  octets.set(to.destination, ip.destinationOffset(family));
  write16(octets, ports, to.sourcePort);
  if (!isEcho(protocol)) write16(octets, transport + 2, to.destinationPort);
  if (family === 4) ipv4.completeChecksum(octets, 0);
  ip.adjustTransportChecksum(octets, transport, protocol, checksum.adjustment(before, covered()));
}
