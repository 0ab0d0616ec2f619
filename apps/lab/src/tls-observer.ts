import { anyPrefixContains, esp, ip, ipv4, ipv6, parsePrefix, tcp } from '@ngisec/wire';
import { MARKER, type Check, type Observations } from './check.ts';
import { operations } from './judge.ts';
import { TLS_PORT, type LabChannel } from './node-files.ts';
import { gateways, legs, sites, type Leg } from './topology.ts';

const SHIM_MIN = 26;
const privatePrefixes = [...sites.a.prefixes, ...sites.b.prefixes].map((text) => parsePrefix(text)!);

const ways = ['there', 'back'] as const;
/** To the server, or from it. */
type Way = (typeof ways)[number];

/** One direction of a TCP flow, as one leg shows it: sequence numbers its packets cover. */
interface Stream {
  readonly first: number;
  octets: number;
}

interface LegView {
  sealed: number;
  plain: number;
  /** TCP packets with SYN=1. */
  readonly syns: Record<Way, number>;
  readonly udpFlows: Record<Way, Set<string>>;
  readonly streams: Record<Way, Map<string, Stream>>;
  privateAddresses: number;
  markers: number;
  otherPorts: number;
}

const newView = (): LegView => ({
  ...{ sealed: 0, plain: 0, privateAddresses: 0, markers: 0, otherPorts: 0 },
  syns: { there: 0, back: 0 },
  udpFlows: { there: new Set(), back: new Set() },
  streams: { there: new Map(), back: new Map() },
});

/** Looks at every packet of the three legs in mode `tls`: what is sealed, and what became of everything else. */
export class TlsObserver {
  readonly views: Readonly<Record<Leg, LegView>> = {
    'lan-a': newView(),
    wan: newView(),
    'lan-b': newView(),
  };
  readonly #controlSpis: ReadonlySet<number>;
  readonly #marker = Buffer.from(MARKER, 'latin1');

  constructor(channels: readonly LabChannel[]) {
    this.#controlSpis = new Set(channels.flatMap(({ spis }) => [...spis]));
  }

  /** Takes in one packet, from the IP header on. */
  observe(leg: Leg, octets: Uint8Array): void {
    const view = this.views[leg];
    const family = octets[0]! >>> 4;
    const protocol = family === 4 ? ipv4.protocol(octets, 0) : ipv6.nextHeader(octets, 0);
    if (protocol !== ip.TCP && protocol !== ip.UDP) return;
    const source = ip.sourceOffset(family);
    const isPrivate =
      anyPrefixContains(privatePrefixes, octets, source, family) ||
      anyPrefixContains(privatePrefixes, octets, ip.destinationOffset(family), family);
    if (isPrivate) view.privateAddresses += 1;
    if (Buffer.from(octets.buffer, octets.byteOffset, octets.length).includes(this.#marker))
      view.markers += 1;
    const transport = family === 4 ? ipv4.headerBytes(octets, 0) : ipv6.HEADER_BYTES;
    const payload = transport + ip.transportHeaderBytes(octets, transport, octets.length, protocol);
    const [to, from] = [tcp.destinationPort(octets, transport), tcp.sourcePort(octets, transport)];
    if (to !== TLS_PORT && from !== TLS_PORT) {
      view.otherPorts += 1;
      return;
    }
    const way = to === TLS_PORT ? 'there' : 'back';
    const isSealed = octets.length - payload >= SHIM_MIN && this.#controlSpis.has(esp.spi(octets, payload));
    if (isSealed) view.sealed += 1;
    else view.plain += 1;
    if (protocol === ip.UDP) view.udpFlows[way].add(`${family} ${to} ${from}`);
    else {
      const key = Buffer.from(octets.subarray(source, transport + 4)).toString('hex');
      noteSegment(view, way, key, octets, transport, isSealed ? 0 : octets.length - payload);
    }
  }

  /** Packets that have to be sealed: a TCP flow's SYN and SYN-ACK, a UDP flow's first packet of each direction. */
  get firstPackets(): number {
    const origin: Record<Way, LegView> = { there: this.views['lan-a'], back: this.views['lan-b'] };
    return ways.reduce((sum, way) => sum + origin[way].syns[way] + origin[way].udpFlows[way].size, 0);
  }

  /** TCP sequence numbers covered, by direction and leg. */
  covered(leg: Leg, way: Way): number {
    return [...this.views[leg].streams[way].values()].reduce((sum, { octets }) => sum + octets, 0);
  }

  /** What the captures show, and the gateways' own counters. */
  checks(reports: Observations['reports']): Check[] {
    const { wan, 'lan-a': lanA, 'lan-b': lanB } = this.views;
    const counted = gateways.map((name) => ({ name, count: operations({ reports }, name) }));
    const covered = ways.map((way) => legs.map((leg) => this.covered(leg, way)));
    return [
      {
        name: 'one sealed packet on the WAN for each SYN, SYN-ACK and first UDP packet, and none on a LAN',
        rows: ['#86', '#88'],
        passed: wan.sealed > 0 && wan.sealed === this.firstPackets && lanA.sealed === 0 && lanB.sealed === 0,
        detail: `${this.firstPackets} first packets, ${wan.sealed} sealed on the WAN beside ${wan.plain} that are not`,
      },
      {
        name: 'gateways do no AEAD operation on data packets',
        rows: ['#86', '#60'],
        passed: wan.plain > wan.sealed && counted.every(({ count }) => count === wan.sealed),
        detail: `${counted.map(({ name, count }) => `${name} ${count} operations`).join(', ')} for ${wan.plain} data packets`,
      },
      {
        name: 'no octet is added to a TCP stream: every leg shows the same sequence numbers',
        rows: ['#86', '#59'],
        passed: covered.every(([first, ...rest]) => first! > 0 && rest.every((octets) => octets === first)),
        detail: ways
          .map((way, index) => `${way}: ${legs.map((leg, at) => `${leg} ${covered[index]![at]}`).join(', ')}`)
          .join('; '),
      },
      {
        name: 'private addresses stay on the LANs',
        rows: ['#86', '#71'],
        passed: wan.privateAddresses === 0 && lanA.privateAddresses > 0 && lanB.privateAddresses > 0,
        detail: `packets with a private address: ${legs.map((leg) => `${leg} ${this.views[leg].privateAddresses}`).join(', ')}`,
      },
    ];
  }

  /** For payloads that TLS encrypts: they hold the marker, and no leg may show it. */
  secrecyCheck(): Check {
    const found = legs.map((leg) => `${leg} ${this.views[leg].markers}`);
    const passed = legs.every((leg) => this.views[leg].markers === 0 && this.views[leg].plain > 0);
    return {
      name: 'nothing of what TLS carries is readable on any leg',
      rows: ['#86'],
      passed,
      detail: `packets with a run of plaintext: ${found.join(', ')}`,
    };
  }
}

function noteSegment(
  view: LegView,
  way: Way,
  key: string,
  octets: Uint8Array,
  transport: number,
  length: number,
): void {
  const sequence = tcp.sequence(octets, transport);
  const isSyn = (tcp.flags(octets, transport) & tcp.SYN) !== 0;
  if (isSyn) view.syns[way] += 1;
  let stream = view.streams[way].get(key);
  if (isSyn && stream?.first !== sequence) {
    stream = { first: sequence, octets: 0 };
    view.streams[way].set(key, stream);
  }
  if (stream === undefined) return;
  stream.octets = Math.max(stream.octets, ((sequence - stream.first) >>> 0) + length);
}
