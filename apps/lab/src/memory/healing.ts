import type { Check } from '../check.ts';
import type { Outcome, RunOptions } from '../scenarios.ts';
import { gateways, legs, sites, type NodeName } from '../topology.ts';
import { MemoryLaboratory } from './laboratory.ts';

const FLOWS = 50;
const SERVER_PORT = 7000;
const PULSE_MS = 200;
const SETTLE_MS = 2000;
/** Longer than the gateways keep an idle UDP binding. */
const SILENCE_MS = 400_000;
const RECOVERY_LIMIT_MS = 20_000;
const MESSAGE = Buffer.from('NGISec plaintext, a pulse of the flow');

/** One flow that sends a little, again and again, and gets it back. */
interface Pulse {
  readonly name: string;
  send(): void;
  /** When the last answer came. */
  answeredMs: number;
  isBroken: boolean;
}

function tcpPulses(lab: MemoryLaboratory): Pulse[] {
  const { a, b } = lab.stacks;
  const { clock } = lab.network;
  b.tcp.listen(SERVER_PORT, (connection) => {
    connection.onData = (octets) => connection.write(octets.slice());
  });
  return Array.from({ length: FLOWS }, (_, index) => {
    const family = index % 2;
    const connection = a.tcp.connect({ address: sites.b.host[family]!, port: SERVER_PORT });
    const pulse: Pulse = {
      name: `TCP from port ${connection.local.port}`,
      send: () => connection.write(MESSAGE),
      answeredMs: -1,
      isBroken: false,
    };
    connection.onData = () => void (pulse.answeredMs = clock.nowMs());
    connection.onReset = () => void (pulse.isBroken = true);
    return pulse;
  });
}

function udpPulses(lab: MemoryLaboratory): Pulse[] {
  const { a, b } = lab.stacks;
  const server = b.udp.bind(SERVER_PORT);
  server.onDatagram = (payload, from) => server.sendTo(from.address, from.port, payload);
  return Array.from({ length: FLOWS }, (_, index) => {
    const socket = a.udp.bind();
    const pulse: Pulse = {
      name: `UDP from port ${socket.port}`,
      send: () => socket.sendTo(sites.b.host[index % 2]!, SERVER_PORT, MESSAGE),
      answeredMs: -1,
      isBroken: false,
    };
    socket.onDatagram = () => void (pulse.answeredMs = lab.network.clock.nowMs());
    return pulse;
  });
}

/** Lets every flow send once a pulse, for a while. */
function beat(lab: MemoryLaboratory, pulses: readonly Pulse[], durationMs: number): void {
  for (let passedMs = 0; passedMs < durationMs; passedMs += PULSE_MS) {
    for (const pulse of pulses) pulse.send();
    lab.network.run(PULSE_MS);
  }
}

const updatesOf = (lab: MemoryLaboratory): number =>
  gateways.reduce((sum, name) => sum + (lab.reports()[name]?.stages['nat']?.counters['updates'] ?? 0), 0);

/** Forgets a gateway's mappings and watches the flows come back. */
function flush(lab: MemoryLaboratory, gateway: NodeName, pulses: readonly Pulse[]): Check {
  const updatesBefore = updatesOf(lab);
  lab.bindings.get(gateway)!.clear();
  const flushedMs = lab.network.clock.nowMs();
  for (const pulse of pulses) pulse.answeredMs = -1;
  for (let passedMs = 0; passedMs < RECOVERY_LIMIT_MS; passedMs += PULSE_MS) {
    for (const pulse of pulses) pulse.send();
    lab.network.run(PULSE_MS);
    if (pulses.every(({ answeredMs }) => answeredMs >= 0)) break;
  }
  const lost = pulses.filter(({ answeredMs, isBroken }) => answeredMs < 0 || isBroken);
  const slowestMs = Math.max(...pulses.map(({ answeredMs }) => answeredMs - flushedMs));
  beat(lab, pulses, SETTLE_MS);
  const updates = updatesOf(lab) - updatesBefore;
  return {
    name: `${gateway} forgets all mappings: every flow goes on, with exactly one update a flow`,
    rows: ['#42', '#66', '#67', '#68'],
    passed: lost.length === 0 && updates === pulses.length,
    detail:
      `${pulses.length} flows, ${lost.length} lost${lost[0] === undefined ? '' : ` (${lost[0].name})`}, ` +
      `${updates} updates, the slowest resumed after ${slowestMs.toFixed(0)} ms`,
  };
}

/** Nobody sends for longer than a mapping lives: nothing at all may be on any leg, and then the flows go on. */
function silence(lab: MemoryLaboratory, pulses: readonly Pulse[]): Check {
  let packets = 0;
  let isCounting = false;
  for (const leg of legs) lab.links[leg].tap(() => void (isCounting && (packets += 1)));
  lab.network.run(SETTLE_MS);
  isCounting = true;
  lab.network.run(SILENCE_MS);
  isCounting = false;
  const left = gateways.map((name) => `${name} ${lab.bindings.get(name)!.size}`).join(', ');
  for (const pulse of pulses) pulse.answeredMs = -1;
  beat(lab, pulses, RECOVERY_LIMIT_MS);
  const lost = pulses.filter(({ answeredMs, isBroken }) => answeredMs < 0 || isBroken);
  return {
    name: 'no keepalives: silence beyond the mappings’ life puts no packet on any leg, and the flows go on after it',
    rows: ['#18', '#69'],
    passed: packets === 0 && lost.length === 0,
    detail: `${SILENCE_MS / 1000} s of silence, ${packets} packets, bindings left: ${left}; ${lost.length} flows lost`,
  };
}

export async function healFlush({ seed, progress }: RunOptions): Promise<Outcome> {
  progress(`building the network in memory, seed ${seed}`);
  const lab = await MemoryLaboratory.open('vpn', seed);
  try {
    const pulses = [...tcpPulses(lab), ...udpPulses(lab)];
    lab.network.run(SETTLE_MS);
    beat(lab, pulses, SETTLE_MS);
    progress(`${pulses.length} flows live; now the gateways forget`);
    const checks = [...gateways.map((name) => flush(lab, name, pulses)), silence(lab, pulses)];
    const unaccounted = Object.values(lab.reports()).reduce((sum, report) => sum + report.unaccounted, 0);
    checks.push({
      name: 'every packet is accounted for',
      rows: ['F6'],
      passed: unaccounted === 0,
      detail: `${unaccounted} unaccounted`,
    });
    return { checks, figures: { flows: pulses.length } };
  } finally {
    lab.close();
  }
}
