import { esp, formatAddress, icmp, ip, tcp, udp } from '@ngisec/wire';
import {
  ControlRateAlarmSinkToken,
  flowDirections,
  FlowRecordSinkToken,
  type ControlRateAlarm,
  type FlowRecord,
} from '@ngisec/stage-classify';
import { buildTcp, EspTunnel, parseIp, type Direction } from '@ngisec/testkit';
import type { Check } from '../check.ts';
import type { Outcome, RunOptions } from '../scenarios.ts';
import { gateways, sites, type NodeName } from '../topology.ts';
import { MemoryLaboratory } from './laboratory.ts';
import { runDatagrams, runPings, runTransfers } from './traffic.ts';

const RAISE_PER_SECOND = 100;
const FLOOD_PACKETS = 500;
/** 250 a second. */
const FLOOD_GAP_MS = 4;
const FLOODED_PORT = 7;
const QUIET_MS = 5000;

interface Tally {
  packets: number;
  octets: number;
  flags: number;
}
type Ledger = Map<string, Tally>;

function note(ledger: Ledger, key: string, packets: number, octets: number, flags: number): void {
  const tally = ledger.get(key) ?? { packets: 0, octets: 0, flags: 0 };
  tally.packets += packets;
  tally.octets += octets;
  tally.flags |= flags;
  ledger.set(key, tally);
}

/** Octets that protection adds to a payload, by the packet format alone. */
/** Of the compact profile: ESP header, pad length, next header, ICV. */
const SHIM_BYTES_MIN = 26;
const shimBytes = (payload: number): number => SHIM_BYTES_MIN + esp.paddingBytes(payload);

/** Enters a packet as an observer would who knows nothing of the graph. */
function noteOctets(ledger: Ledger, octets: Uint8Array, isProtected: boolean): void {
  const packet = parseIp(octets);
  if (typeof packet === 'string') return;
  const { protocol, transport, payload, end } = packet;
  let [sport, dport] = [0, 0];
  if (protocol === ip.TCP || protocol === ip.UDP) {
    [sport, dport] = [udp.sourcePort(octets, transport), udp.destinationPort(octets, transport)];
  } else if (payload > transport) sport = dport = icmp.identifier(octets, transport);
  const flags = protocol === ip.TCP ? tcp.flags(octets, transport) : 0;
  const key = [protocol, formatAddress(packet.source), sport, formatAddress(packet.destination), dport].join(
    ' ',
  );
  note(ledger, key, 1, end + (isProtected ? 0 : shimBytes(end - payload)), flags);
}

function noteRecord(ledger: Ledger, record: FlowRecord): void {
  const source = [record.sourceAddress, record.sourceTransportPort];
  const destination = [record.destinationAddress, record.destinationTransportPort];
  const key = [record.protocolIdentifier, ...source, ...destination].join(' ');
  note(ledger, key, record.packetDeltaCount, record.octetDeltaCount, record.tcpControlBits);
}

const describe = ({ packets, octets, flags }: Tally): string =>
  `${packets} packets, ${octets} octets, flags ${flags}`;

/** Flows of either ledger that the other does not have, or has with other figures. */
function differences(left: Ledger, right: Ledger): string[] {
  const keys = [...new Set([...left.keys(), ...right.keys()])];
  const text = (tally: Tally | undefined): string => (tally === undefined ? 'nothing' : describe(tally));
  return keys.flatMap((key) => {
    const [one, other] = [text(left.get(key)), text(right.get(key))];
    return one === other ? [] : [`${key}: ${one}, but ${other}`];
  });
}

function total(ledger: Ledger): Tally {
  const sum = { packets: 0, octets: 0, flags: 0 };
  for (const { packets, octets } of ledger.values()) {
    sum.packets += packets;
    sum.octets += octets;
  }
  return sum;
}

const only = (ledger: Ledger, isWanted: (protocol: number) => boolean): Ledger =>
  new Map([...ledger].filter(([key]) => isWanted(parseInt(key, 10))));

/** A laboratory whose gateways monitor and detect, and everything they and others found. */
class Watched {
  readonly lab: MemoryLaboratory;
  readonly records: readonly FlowRecord[];
  readonly alarms: ReadonlyMap<NodeName, readonly ControlRateAlarm[]>;
  /** What both stacks emitted, each packet with the shim it gets. */
  readonly emitted: Ledger = new Map();
  /** What went over LAN A, by direction. */
  readonly crossed: Readonly<Record<Direction, Ledger>> = { a2b: new Map(), b2a: new Map() };

  private constructor(lab: MemoryLaboratory, records: readonly FlowRecord[], alarms: Watched['alarms']) {
    this.lab = lab;
    this.records = records;
    this.alarms = alarms;
    for (const stack of [lab.stacks.a, lab.stacks.b])
      stack.onEmit = (octets) => noteOctets(this.emitted, octets, false);
    lab.links['lan-a'].tap((octets, direction) => noteOctets(this.crossed[direction], octets, true));
  }

  /** `records` are those of gateway A. */
  static async open(seed: number): Promise<Watched> {
    const records: FlowRecord[] = [];
    const alarms = new Map(gateways.map((name) => [name as NodeName, [] as ControlRateAlarm[]]));
    const lab = await MemoryLaboratory.open('vpn', seed, {
      gatewayKeys: { monitor: {}, detect: { raisePerSecond: RAISE_PER_SECOND } },
      bind: (node, { rebind }) => {
        const found = alarms.get(node);
        if (found === undefined) return;
        rebind(ControlRateAlarmSinkToken).toConstantValue({ next: (alarm) => void found.push(alarm) });
        if (node === 'gw-a')
          rebind(FlowRecordSinkToken).toConstantValue({ next: (record) => void records.push(record) });
      },
    });
    return new Watched(lab, records, alarms);
  }

  events(node: NodeName): string[] {
    return this.alarms.get(node)!.map(({ event, address, port }) => `${event} ${address} port ${port}`);
  }

  counter(node: NodeName, stage: string, name: string): number {
    return this.lab.reports()[node]!.stages[stage]!.counters[name]!;
  }
}

/**
 * What a gateway can say of traffic it cannot open: who sent how much to whom, against what the stacks emitted and what
 * went over the wire; and a SYN flood, against the same packets inside an ESP tunnel.
 */
export async function visibility({ seed, progress }: RunOptions): Promise<Outcome> {
  progress('gateways with monitor and detector; transfers, datagrams, pings');
  const watched = await Watched.open(seed);
  const { lab } = watched;
  try {
    const amounts = {
      mode: 'vpn',
      seed,
      transferOctets: 64_000,
      datagramCount: 100,
      pingCount: 3,
      progress: () => undefined,
    } as const;
    runTransfers(lab, amounts);
    runDatagrams(lab, amounts);
    runPings(lab, amounts);
    const normal = normalMix(watched);
    progress('a SYN flood: inside an ESP tunnel, then under protection');
    const checks = [normal, ...floods(watched)];
    // Gateway A's monitor gives out what it still has when it stops.
    lab.nodes.get('gw-a')!.node.graph.stop();
    return {
      checks: [...checks, recordsEqualWire(watched), recordsEqualStacks(watched)],
      figures: { flowRecords: watched.records.length },
    };
  } finally {
    lab.close();
  }
}

function normalMix(watched: Watched): Check {
  const syns = watched.counter('gw-a', 'detect', 'syns');
  const events = gateways.flatMap((name) => watched.events(name));
  return {
    name: 'detectors raise no alarm on transfers, datagrams and pings',
    rows: ['#96'],
    passed: syns > 0 && events.length === 0,
    detail: `${syns} connection requests at gw-a, ${events.length} alarms`,
  };
}

function floods(watched: Watched): Check[] {
  const { lab } = watched;
  const [src, dst] = [sites.a.host[0], sites.b.host[0]];
  const flood = Array.from({ length: FLOOD_PACKETS }, (_, index) =>
    buildTcp({ src, dst, sport: 20_000 + index, dport: FLOODED_PORT, seq: index, flags: tcp.SYN }),
  );
  const send = (way: (octets: Uint8Array) => void): void => {
    flood.forEach((octets, index) =>
      lab.network.clock.schedule(index * FLOOD_GAP_MS, () => way(octets.slice())),
    );
    lab.network.run(FLOOD_PACKETS * FLOOD_GAP_MS);
    // A node in memory keeps time only while packets come.
    lab.stacks.a.icmp.ping(dst, QUIET_MS / 1000);
    lab.network.run(QUIET_MS);
  };
  const tunnel = new EspTunnel(src, dst, 0x1000, new Uint8Array(20).fill(1));
  const synsBefore = watched.counter('gw-a', 'detect', 'syns');
  send((octets) => lab.links['lan-a'].inject(tunnel.wrap(octets), 'a2b'));
  const tunnelled = {
    // Behind the detector: a gateway of ours has nothing to do with ESP.
    packets: lab.drops().get('gw-a from-lan unsupported') ?? 0,
    syns: watched.counter('gw-a', 'detect', 'syns') - synsBefore,
    events: watched.events('gw-a'),
  };
  send((octets) => lab.stacks.a.emit(octets));
  const expected = { 'gw-a': dst, 'gw-b': sites.b.wan[0] };
  const isDetected = gateways.every((name) => {
    const place = `${expected[name]} port ${FLOODED_PORT}`;
    return watched.events(name).join() === `raised ${place},cleared ${place}`;
  });
  const highest = watched.alarms.get('gw-a')!.at(-1)?.synsPerSecond ?? 0;
  return [
    {
      name: 'a SYN flood inside an ESP tunnel is invisible to a gateway',
      rows: ['#96'],
      passed: tunnelled.packets === FLOOD_PACKETS && tunnelled.syns === 0 && tunnelled.events.length === 0,
      detail: `${tunnelled.packets} packets of ${FLOOD_PACKETS} passed the detector of gw-a in ESP: ${tunnelled.syns} connection requests seen, ${tunnelled.events.length} alarms`,
    },
    {
      name: 'the same SYN flood under protection is detected at both gateways, and its end',
      rows: ['#96'],
      passed: isDetected,
      detail: `${gateways.map((name) => `${name}: ${watched.events(name).join(', ')}`).join('; ')}; up to ${highest} a second`,
    },
  ];
}

function ledgerOf(records: readonly FlowRecord[]): Ledger {
  const ledger: Ledger = new Map();
  for (const record of records) noteRecord(ledger, record);
  return ledger;
}

const examples = (wrong: readonly string[]): string =>
  wrong.length === 0 ? '' : ` (${wrong.slice(0, 3).join('; ')})`;

function recordsEqualWire({ records, crossed }: Watched): Check {
  const found = [
    [flowDirections.ingress, crossed.a2b],
    [flowDirections.egress, crossed.b2a],
  ] as const;
  const wrong = found.flatMap(([direction, ledger]) =>
    differences(ledgerOf(records.filter(({ flowDirection }) => flowDirection === direction)), ledger),
  );
  const seen = found.map(([, ledger]) => {
    const { packets, octets } = total(ledger);
    return `${ledger.size} flows, ${packets} packets, ${octets} octets`;
  });
  return {
    name: 'flow records of a gateway equal what went over its LAN: 5-tuple, packets, octets, TCP flags',
    rows: ['#95', '#133'],
    passed: crossed.a2b.size > 0 && crossed.b2a.size > 0 && wrong.length === 0,
    detail: `${records.length} records; from the LAN ${seen[0]}; to it ${seen[1]}; ${wrong.length} differ${examples(wrong)}`,
  };
}

/**
 * The records' only surplus over the stacks' own packets: control messages of UDP and ICMP flows, which the
 * hosts count.
 */
function recordsEqualStacks(watched: Watched): Check {
  const records = ledgerOf(watched.records);
  const { emitted } = watched;
  const isTcp = (protocol: number): boolean => protocol === ip.TCP;
  const isOther = (protocol: number): boolean => protocol !== ip.TCP && protocol !== EspTunnel.PROTOCOL;
  const wrong = differences(only(records, isTcp), only(emitted, isTcp));
  const surplus = total(only(records, isOther)).packets - total(only(emitted, isOther)).packets;
  const messages = (['host-a', 'host-b'] as const)
    .map((host) => watched.counter(host, 'flows', 'announced') + watched.counter(host, 'flows', 'confirmed'))
    .reduce((sum, count) => sum + count);
  const tcpTotal = total(only(emitted, isTcp));
  return {
    name: 'flow records equal what the hosts’ stacks emitted, plus 26 to 29 octets of shim a packet',
    rows: ['#95', '#133'],
    passed: tcpTotal.packets > 0 && wrong.length === 0 && messages > 0 && surplus === messages,
    detail:
      `TCP: ${only(emitted, isTcp).size} flows, ${tcpTotal.packets} packets, ${tcpTotal.octets} octets, ` +
      `${wrong.length} differ${examples(wrong)}; UDP and ICMP: ${surplus} packets more, ${messages} control messages`,
  };
}
