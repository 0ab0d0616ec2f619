import { existsSync } from 'node:fs';
import type { Check, Transfer } from '../check.ts';
import type { Meeting } from '../meeting.ts';
import type { LabChannel, NodeFiles } from '../node-files.ts';
import { gateways, legs, type Leg, type NodeName } from '../topology.ts';
import { WireObserver } from '../wire-observer.ts';
import { Capture } from './capture.ts';
import { difference, machineState } from './machine-state.ts';
import { scanMemory } from './memory-scan.ts';
import type { Network } from './network.ts';
import { ngisecCommand, type NodeProcess } from './node-process.ts';
import { connectOnce } from './traffic.ts';

export type Nodes = ReadonlyMap<NodeName, NodeProcess>;

export function captureCheck(lost: Readonly<Record<Leg, number>>, packets: number): Check {
  const detail = `${packets} packets seen; lost: ${legs.map((leg) => `${leg} ${lost[leg]}`).join(', ')}`;
  return { name: 'captures are complete', rows: [], passed: legs.every((leg) => lost[leg] === 0), detail };
}

export function keyFileCheck(nodes: Nodes): Check {
  const left = [...nodes.values()].filter(({ keyFile }) => existsSync(keyFile)).map(({ name }) => name);
  const detail = left.length === 0 ? `${nodes.size} nodes took theirs` : `still there: ${left.join(', ')}`;
  return { name: 'key files are gone once read', rows: ['#98'], passed: left.length === 0, detail };
}

export function curlCheck(transfers: readonly Transfer[]): Check[] {
  if (transfers.length === 0) return [];
  const passed = transfers.every(({ sentSha256, receivedSha256 }) => sentSha256 === receivedSha256);
  const detail = transfers.map(({ family, octets }) => `IPv${family}: ${octets} octets`).join('; ');
  return [{ name: 'curl works unmodified', rows: ['#12'], passed, detail }];
}

/** A key may lie in memory as its octets, or as the hexadecimal text of the key file. */
const formsOf = (keys: readonly Uint8Array[]): Buffer[] =>
  keys.flatMap((key) => [Buffer.from(key), Buffer.from(Buffer.from(key).toString('hex'), 'latin1')]);

const keysOf = (channels: readonly LabChannel[], wanted: (channel: LabChannel) => boolean): Buffer[] =>
  formsOf(channels.filter(wanted).flatMap(({ keys }) => keys));

/** For nodes with gateways among them. The scan also has to find what must be there, or it proves nothing. */
export function memoryCheck(nodes: Nodes, { channels }: NodeFiles): Check {
  const scan = (name: NodeName, patterns: Buffer[]): { hits: number; octets: number } => {
    const { hits, octets } = scanMemory(nodes.get(name)!.program.pid, patterns);
    return { hits: hits.reduce((sum, count) => sum + count, 0), octets };
  };
  const data = keysOf(channels, ({ role }) => role === 'data');
  const control = keysOf(channels, ({ role, nodes: ends }) => role === 'control' && ends.includes('gw-a'));
  const found = gateways.map((name) => ({ name, ...scan(name, data) }));
  const inHost = scan('host-a', data).hits;
  const inGateway = scan('gw-a', control).hits;
  const megabytes = Math.round(found.reduce((sum, { octets }) => sum + octets, 0) / 1e6);
  return {
    name: 'no data key in a gateway’s memory',
    rows: ['#32', '#11'],
    passed: found.every(({ hits }) => hits === 0) && inHost > 0 && inGateway > 0,
    detail:
      `${megabytes} MB read: ${found.map(({ name, hits }) => `${name} ${hits} data keys`).join(', ')}; the same scan finds ` +
      `${inHost} in host-a, and ${inGateway} control keys in gw-a`,
  };
}

/**
 * Kills a host so that it can undo nothing: what it protected must be refused, not sent in the clear, until
 * `ngisec down` has taken back what it set up.
 */
export async function killCheck(
  network: Network,
  node: NodeProcess,
  { channels }: NodeFiles,
  meeting: Meeting,
): Promise<Check> {
  node.program.signal('SIGKILL');
  await node.program.exited;
  const observer = new WireObserver(channels);
  const capture = new Capture(network, observer);
  const errors = [await connectOnce(network, meeting, 4), await connectOnce(network, meeting, 6)];
  await capture.settle();
  await capture.close();
  const escaped = legs.reduce((sum, leg) => {
    const { control, data, unprotected } = observer.counts[leg];
    return sum + control + data + unprotected;
  }, 0);
  const said = network.run(node.name, [...ngisecCommand(), 'down', node.configurationFile]).trim();
  const isRefused = errors.every((error) => error === 'EHOSTUNREACH' || error === 'ENETUNREACH');
  return {
    name: 'a killed host refuses what it protected, and `ngisec down` restores the machine',
    rows: ['#104', '#106'],
    passed: isRefused && escaped === 0 && said.endsWith(': undone'),
    detail: `connections to ${meeting.servers.join(' and ')}: ${errors.join(', ')}; ${escaped} packets left; ${said}`,
  };
}

/** Stops what still runs. What is then different from before the start was left behind. */
export async function tearDownCheck(
  network: Network,
  nodes: Nodes,
  before: ReadonlyMap<NodeName, readonly string[]>,
): Promise<Check> {
  const problems: string[] = [];
  for (const node of nodes.values()) {
    const wasRunning = node.program.isRunning;
    const { code, signal } = await node.stop();
    if (wasRunning && code !== 0) problems.push(`${node.name} ended with ${signal ?? code}`);
    const left = difference(before.get(node.name)!, machineState(network, node.name));
    problems.push(...left.map((line) => `${node.name}: ${line}`));
  }
  const lines = [...before.values()].reduce((sum, state) => sum + state.length, 0);
  const detail =
    problems.length === 0
      ? `exit code 0; ${lines} rules, routes, filters and sysctls are as before`
      : problems.slice(0, 4).join('; ');
  return {
    name: 'a stopped node leaves the machine as it found it',
    rows: ['F32'],
    passed: problems.length === 0,
    detail,
  };
}
