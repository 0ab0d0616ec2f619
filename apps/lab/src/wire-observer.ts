import { esp, icmp, ip, ipv4, ipv6, tcp, udp } from '@ngisec/wire';
import { MARKER, type Check } from './check.ts';
import type { LabChannel } from './node-files.ts';
import { legs, type Leg } from './topology.ts';

const SHIM_MIN = 26;
const SHIM_MAX = 29;

interface Sighting {
  /** IP octets on each leg, 0 where not seen there yet. */
  readonly lengths: Uint16Array;
}

interface Segment {
  readonly sequence: number;
  /** Octets behind the TCP header on the wire. */
  readonly wire: number;
  readonly flags: number;
}

interface LegCount {
  control: number;
  data: number;
  unprotected: number;
  other: number;
}

type ProblemKind = 'plaintext' | 'checksum' | 'wrongLeg' | 'malformed' | 'unprotected';

const NEIGHBOUR_DISCOVERY_FIRST = 130;
const NEIGHBOUR_DISCOVERY_LAST = 143;

/**
 * Looks at every packet of the three legs as an eavesdropper would, plus the SPIs, which the lab knows because it made
 * the keys; then says what was seen.
 */
export class WireObserver {
  readonly counts: Readonly<Record<Leg, LegCount>>;
  readonly #controlLeg = new Map<number, Leg | 'any'>();
  readonly #dataSpis = new Set<number>();
  readonly #data = new Map<string, Sighting>();
  readonly #segments = new Map<string, Segment[]>();
  readonly #udpWireSizes = new Map<number, number>();
  /** The same of those that went as UDPSec, with a second header inside. */
  readonly #udpSecWireSizes = new Map<number, number>();
  readonly #protocols = new Map<number, number>();
  readonly #problems: Record<ProblemKind, string[]> = {
    plaintext: [],
    checksum: [],
    wrongLeg: [],
    malformed: [],
    unprotected: [],
  };
  readonly #controlSpisSeen: Record<Leg, Set<number>>;
  readonly #destinationPorts = new Set<number>();
  readonly #marker = Buffer.from(MARKER, 'latin1');

  constructor(channels: readonly LabChannel[]) {
    const perLeg = <T>(make: () => T): Record<Leg, T> => ({ 'lan-a': make(), wan: make(), 'lan-b': make() });
    this.counts = perLeg(() => ({ control: 0, data: 0, unprotected: 0, other: 0 }));
    this.#controlSpisSeen = perLeg(() => new Set<number>());
    for (const { role, leg, spis } of channels) {
      for (const spi of spis) {
        if (role === 'control') this.#controlLeg.set(spi, leg ?? 'any');
        else this.#dataSpis.add(spi);
      }
    }
  }

  /** Takes in one packet, from the IP header on. */
  observe(leg: Leg, octets: Uint8Array): void {
    const family = octets.length > 0 ? octets[0]! >>> 4 : 0;
    if (Buffer.from(octets.buffer, octets.byteOffset, octets.length).includes(this.#marker)) {
      this.#problem('plaintext', leg, octets);
    }
    const isWhole =
      family === 4
        ? octets.length >= ipv4.HEADER_BYTES_MIN
        : family === 6 && octets.length >= ipv6.HEADER_BYTES;
    if (!isWhole) return this.#problem('malformed', leg, octets);
    const protocol = family === 4 ? ipv4.protocol(octets, 0) : ipv6.nextHeader(octets, 0);
    const transport = family === 4 ? ipv4.headerBytes(octets, 0) : ipv6.HEADER_BYTES;
    if ((protocol === ip.ICMPV6 && isNeighbourDiscovery(octets, transport)) || protocol === 0) {
      this.counts[leg].other += 1;
      return;
    }
    this.#protocols.set(protocol, (this.#protocols.get(protocol) ?? 0) + 1);
    const headers = ip.transportHeaderBytes(octets, transport, octets.length, protocol);
    if (headers === 0) return this.#problem('malformed', leg, octets);
    this.#checkSums(leg, octets, family, protocol, transport);
    this.#classify(leg, octets, family, protocol, transport, transport + headers);
  }

  #checkSums(leg: Leg, octets: Uint8Array, family: number, protocol: number, transport: number): void {
    const end = octets.length;
    const isRight =
      (family === 6 || ipv4.hasValidChecksum(octets, 0)) &&
      ip.hasValidTransportChecksum(octets, 0, transport, end, family, protocol) &&
      (protocol !== ip.UDP || udp.length(octets, transport) === end - transport);
    if (!isRight) this.#problem('checksum', leg, octets);
  }

  #classify(
    leg: Leg,
    octets: Uint8Array,
    family: number,
    protocol: number,
    transport: number,
    payload: number,
  ): void {
    const wire = octets.length - payload;
    const spi = wire >= SHIM_MIN ? esp.spi(octets, payload) : 0;
    const count = this.counts[leg];
    const controlLeg = this.#controlLeg.get(spi);
    if (protocol === ip.TCP || protocol === ip.UDP)
      this.#destinationPorts.add(tcp.destinationPort(octets, transport));
    if (controlLeg !== undefined) {
      count.control += 1;
      this.#controlSpisSeen[leg].add(spi);
      if (controlLeg !== 'any' && controlLeg !== leg) this.#problem('wrongLeg', leg, octets);
      if (controlLeg === 'any' && leg === 'lan-a' && protocol === ip.UDP)
        countOne(this.#udpSecWireSizes, wire);
    } else if (this.#dataSpis.has(spi)) {
      count.data += 1;
      this.#noteData(leg, octets, spi, payload);
      if (leg === 'lan-a') this.#noteSize(octets, family, protocol, transport, wire);
    } else {
      count.unprotected += 1;
      this.#problem('unprotected', leg, octets);
    }
  }

  #noteData(leg: Leg, octets: Uint8Array, spi: number, payload: number): void {
    const key = `${spi}:${esp.sequenceLow(octets, payload)}`;
    let sighting = this.#data.get(key);
    if (sighting === undefined) this.#data.set(key, (sighting = { lengths: new Uint16Array(legs.length) }));
    sighting.lengths[legs.indexOf(leg)] = octets.length;
  }

  #noteSize(octets: Uint8Array, family: number, protocol: number, transport: number, wire: number): void {
    if (protocol === ip.UDP) countOne(this.#udpWireSizes, wire);
    if (protocol !== ip.TCP) return;
    const addresses = family === 4 ? octets.subarray(12, 20) : octets.subarray(8, 40);
    const key =
      Buffer.from(addresses).toString('hex') +
      Buffer.from(octets.subarray(transport, transport + 4)).toString('hex');
    const segments = this.#segments.get(key) ?? [];
    this.#segments.set(key, segments);
    segments.push({ sequence: tcp.sequence(octets, transport), wire, flags: tcp.flags(octets, transport) });
  }

  #problem(kind: ProblemKind, leg: Leg, octets: Uint8Array): void {
    const list = this.#problems[kind];
    if (list.length < 1000) list.push(`${leg}: ${Buffer.from(octets.subarray(0, 64)).toString('hex')}`);
  }

  get dataPackets(): number {
    return this.#data.size;
  }

  /** What the captures show. `datagramSizes`: payload octets of the UDP datagrams both hosts sent over LAN A. */
  checks(expected: {
    readonly hasControlChannels: boolean;
    readonly datagramSizes: readonly number[];
    readonly serverPorts: readonly number[];
  }): Check[] {
    const seen = legs
      .map((leg) => `${leg} ${this.counts[leg].control} control + ${this.counts[leg].data} data`)
      .join(', ');
    const checks: Check[] = [
      this.#clean('plaintext', 'no plaintext run of a payload on any leg', ['#23', '#30', '#49'], seen),
      this.#clean('unprotected', 'every packet of a protected flow carries a shim', ['#22', '#104'], seen),
      this.#clean(
        'checksum',
        'every IP and transport checksum and length on the wire is right',
        ['#22'],
        seen,
      ),
      this.#protocolCheck(expected.serverPorts),
      this.#lengthCheck(),
      this.#segmentCheck(),
      this.#datagramCheck(expected.datagramSizes),
    ];
    if (expected.hasControlChannels) checks.push(this.#controlCheck());
    return checks;
  }

  #clean(kind: ProblemKind, name: string, rows: string[], seen: string): Check {
    const list = this.#problems[kind];
    const passed = list.length === 0 && this.dataPackets > 0;
    return {
      name,
      rows,
      passed,
      detail: passed ? seen : `${list.length} packets, first ${list[0] ?? 'none: no data seen'}`,
    };
  }

  #protocolCheck(serverPorts: readonly number[]): Check {
    const known: readonly number[] = [ip.TCP, ip.UDP, ip.ICMP, ip.ICMPV6];
    const isKnown = [...this.#protocols.keys()].every((protocol) => known.includes(protocol));
    const arePortsReadable = serverPorts.every((port) => this.#destinationPorts.has(port));
    const detail = [...this.#protocols]
      .map(([protocol, count]) => `protocol ${protocol}: ${count}`)
      .join(', ');
    const passed = isKnown && arePortsReadable && this.#problems.malformed.length === 0;
    return {
      name: 'protocol field is TCP, UDP or ICMP, ports are readable',
      rows: ['#22', '#4'],
      passed,
      detail,
    };
  }

  #lengthCheck(): Check {
    let whole = 0;
    let different = 0;
    let partial = 0;
    for (const { lengths } of this.#data.values()) {
      const [first] = lengths;
      if (lengths.includes(0)) partial += 1;
      else if (lengths.every((length) => length === first)) whole += 1;
      else different += 1;
    }
    // A packet lost on the way, or cut off at the end of a capture, is on fewer legs; it must stay a rarity.
    const passed = whole > 0 && different === 0 && partial <= (whole + partial) / 100;
    const detail = `${whole} data packets on all three legs at one length, ${different} at several, ${partial} not on all legs`;
    return {
      name: 'a data packet has the same length on all legs',
      rows: ['#59', '#42', '#51'],
      passed,
      detail,
    };
  }

  /** TCP: the distance to the next sequence number is what the stack put in; the rest of the wire payload is shim. */
  #segmentCheck(): Check {
    let exact = 0;
    const wrong: string[] = [];
    const overheads = new Set<number>();
    for (const segments of this.#segments.values()) {
      const steps = stepsOf(segments);
      for (const { wire, clear } of steps) {
        const overhead = wire - clear;
        overheads.add(overhead);
        if (overhead >= SHIM_MIN && overhead <= SHIM_MAX) exact += 1;
        else wrong.push(`${clear} octets became ${wire}`);
      }
    }
    const range = [...overheads].sort((left, right) => left - right).join(', ');
    return {
      name: 'TCP data packets are 26 to 29 octets longer than the stack made them',
      rows: ['#37', '#70'],
      passed: exact > 0 && wrong.length === 0,
      detail:
        wrong.length === 0
          ? `${exact} segments, overheads ${range}`
          : `${wrong.length} of ${exact + wrong.length}: ${wrong[0]}`,
    };
  }

  #datagramCheck(sizes: readonly number[]): Check {
    const left = new Map(this.#udpWireSizes);
    const leftSec = new Map(this.#udpSecWireSizes);
    let missing = 0;
    for (const size of sizes) {
      if (!takeOne(left, shimmed(size)) && !takeOne(leftSec, shimmed(size + udp.HEADER_BYTES))) missing += 1;
    }
    const sum = (counts: ReadonlyMap<number, number>): number =>
      [...counts.values()].reduce((total, count) => total + count, 0);
    const surplus = sum(left) + sum(leftSec);
    const second = sum(this.#udpSecWireSizes);
    return {
      name: 'UDP data packets are 26 to 29 octets longer than the stack made them',
      rows: ['#37'],
      passed: missing === 0 && surplus === 0,
      detail: `${sizes.length} datagrams sent, ${missing} without a packet of the right length, ${surplus} packets too many${second === 0 ? '' : `; ${second} went as UDPSec, 8 octets longer`}`,
    };
  }

  #controlCheck(): Check {
    const sets = legs.map((leg) => this.#controlSpisSeen[leg]);
    const shared = [...sets[0]!].filter((spi) => sets[1]!.has(spi) || sets[2]!.has(spi)).length;
    const passed =
      this.#problems.wrongLeg.length === 0 && shared === 0 && sets.every((set) => set.size === 2);
    const detail = legs
      .map((leg, index) => `${leg}: ${this.counts[leg].control} under ${sets[index]!.size} SPIs`)
      .join(', ');
    return {
      name: 'control packets have an SPI and key of their own on each leg',
      rows: ['#30', '#43', '#73'],
      passed,
      detail,
    };
  }
}

const shimmed = (size: number): number =>
  size + esp.HEADER_BYTES + esp.paddingBytes(size) + esp.TRAILER_BYTES + 16;

function countOne(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Takes one of what was counted; false where there is none. */
function takeOne(counts: Map<number, number>, key: number): boolean {
  const count = counts.get(key) ?? 0;
  if (count > 0) counts.set(key, count - 1);
  return count > 0;
}

/** Neighbour discovery and multicast listener reports: the link's own talk, no flow of anybody. */
function isNeighbourDiscovery(octets: Uint8Array, transport: number): boolean {
  const type = icmp.type(octets, transport);
  return type >= NEIGHBOUR_DISCOVERY_FIRST && type <= NEIGHBOUR_DISCOVERY_LAST;
}

/** Segments whose own length the next sequence number tells, retransmissions cut differently left out. */
function stepsOf(segments: readonly Segment[]): { wire: number; clear: number }[] {
  const bySequence = new Map<number, Segment | undefined>();
  for (const segment of segments) {
    if ((segment.flags & (tcp.SYN | tcp.RST)) !== 0 || segment.wire <= SHIM_MAX) continue;
    const known = bySequence.get(segment.sequence);
    const isConflict = bySequence.has(segment.sequence) && known?.wire !== segment.wire;
    bySequence.set(segment.sequence, isConflict ? undefined : segment);
  }
  const origin = segments[0]?.sequence ?? 0;
  const ordered = [...bySequence].sort(
    ([left], [right]) => ((left - origin) >>> 0) - ((right - origin) >>> 0),
  );
  return ordered.flatMap(([sequence, segment], index) => {
    const next = ordered[index + 1];
    if (segment === undefined || next === undefined) return [];
    const clear = (next[0] - sequence) >>> 0;
    // A gap is a segment the capture missed; nothing is known of either.
    return clear > segment.wire ? [] : [{ wire: segment.wire, clear }];
  });
}
