import { systemRandom } from '@ngisec/core';
import { esp, ip, ipv4, read32, tcp, write16, write32 } from '@ngisec/wire';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Check } from '../check.ts';
import { makeNodeFiles, writeNodeFiles } from '../node-files.ts';
import type { Outcome, RunOptions } from '../scenarios.ts';
import { sites, type NodeName } from '../topology.ts';
import { Interruption } from './interruption.ts';
import { Network } from './network.ts';
import { NodeProcess } from './node-process.ts';
import { PacketTap } from './packet-tap.ts';
import type { Program } from './program.ts';

const PORT = 7000;
const BEATS_AFTER = 10;
const PATIENCE_MS = 3000;
const GARBAGE_BYTES = 120;
const ROUNDS = 20;

const program = fileURLToPath(new URL('./programs/pulse.js', import.meta.url));

/** What an attacker on the router forges, from a packet it saw and the sequence number the receiver expects next. */
type Forge = (seen: Uint8Array, expected: number) => Uint8Array;

/** The seen packet's headers with other flags and payload, its checksums right. */
function forged(seen: Uint8Array, sequence: number, flags: number, payload: Uint8Array): Uint8Array {
  const transport = ipv4.headerBytes(seen, 0);
  const headers = transport + tcp.headerBytes(seen, transport);
  const octets = new Uint8Array(headers + payload.length);
  octets.set(seen.subarray(0, headers));
  octets.set(payload, headers);
  write32(octets, transport + 4, sequence);
  octets[transport + 13] = flags;
  write16(octets, 2, octets.length);
  ipv4.completeChecksum(octets, 0);
  ip.completeTransportChecksum(octets, 0, transport, octets.length, 4, ip.TCP);
  return octets;
}

const nothing = new Uint8Array(0);

function garbage(): Uint8Array {
  const octets = new Uint8Array(GARBAGE_BYTES);
  systemRandom.fill(octets);
  return octets;
}

const attacks: Readonly<Record<string, Forge>> = {
  'in-window garbage': (seen, expected) => forged(seen, expected, tcp.ACK | tcp.PSH, garbage()),
  'a RST with the exact sequence number': (seen, expected) => forged(seen, expected, tcp.RST, nothing),
  'a FIN': (seen, expected) => forged(seen, expected, tcp.FIN | tcp.ACK, nothing),
  'a SYN': (seen, expected) => forged(seen, expected, tcp.SYN, nothing),
  'garbage under the SPI and sequence number seen': (seen, expected) => {
    const octets = forged(seen, expected, tcp.ACK | tcp.PSH, garbage());
    const payload = 20 + tcp.headerBytes(seen, 20);
    esp.writeHeader(octets, payload, read32(seen, payload), read32(seen, payload + 4) + 1);
    ip.completeTransportChecksum(octets, 0, 20, octets.length, 4, ip.TCP);
    return octets;
  },
};

/**
 * Injects towards host B, `ROUNDS` times; returns how many. The moment is when host B has acknowledged all
 * it got: what it
 * acknowledged is, to the octet, what it expects next.
 */
async function inject(tap: PacketTap, destination: string, forge: Forge): Promise<number> {
  let forward: { readonly octets: Uint8Array; readonly link: Uint8Array } | undefined;
  let injected = 0;
  for (let waits = 0; waits < PATIENCE_MS && injected < ROUNDS; waits += 1) {
    for (let octets = tap.next(); octets !== undefined; octets = tap.next()) {
      if (octets[0]! >>> 4 !== 4 || ipv4.protocol(octets, 0) !== ip.TCP) continue;
      const transport = ipv4.headerBytes(octets, 0);
      const isForward = octets.subarray(ipv4.DESTINATION, ipv4.DESTINATION + 4).join('.') === destination;
      const carriesData = octets.length > transport + tcp.headerBytes(octets, transport);
      if (isForward && carriesData) forward = { octets: octets.slice(), link: tap.linkHeader() };
      else if (!isForward && forward !== undefined && injected < ROUNDS) {
        tap.send(forward.link, forge(forward.octets, tcp.acknowledgment(octets, transport)));
        injected += 1;
        forward = undefined;
      }
    }
    await sleep(1);
  }
  return injected;
}

/** True where the connection still beats, well after the attack. */
async function survives(client: Program): Promise<boolean> {
  try {
    for (let beats = 0; beats < BEATS_AFTER; beats += 1) {
      const line = await client.json<{ ended?: string }>(PATIENCE_MS);
      if (line.ended !== undefined) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function startPulse(network: Network, protocol: 'tcp' | 'tls', port: number): Promise<Program> {
  const words = [process.execPath, program];
  const [address] = sites.b.host;
  const server = network.start(
    'host-b',
    [...words, 'server', protocol, address, String(port)],
    'the echo server',
  );
  await server.json();
  const client = network.start('host-a', [...words, 'client', protocol, address, String(port)], 'the client');
  await client.json();
  return client;
}

const dropsOf = async (nodes: ReadonlyMap<NodeName, NodeProcess>): Promise<number> => {
  let total = 0;
  for (const name of ['gw-b', 'host-b'] as const) {
    const { stages } = await nodes.get(name)!.report();
    for (const { drops } of Object.values(stages))
      total += Object.values(drops).reduce((sum, count) => sum + count, 0);
  }
  return total;
};

/** Ours: one connection that has to outlive every attack, each packet of which is counted. */
async function againstNgisec(directory: string, network: Network, options: RunOptions): Promise<Check[]> {
  const files = makeNodeFiles('vpn', systemRandom, options.machine);
  writeNodeFiles(directory, files);
  const names = Object.keys(files.nodes) as NodeName[];
  const nodes = new Map(names.map((name) => [name, new NodeProcess(network, name, directory)]));
  for (const node of nodes.values()) await node.ready();
  const client = await startPulse(network, 'tcp', PORT);
  const checks: Check[] = [];
  for (const [name, forge] of Object.entries(attacks)) {
    options.progress(`against NGISec: ${name}`);
    const tap = new PacketTap(network, 'inet', 'b0');
    const before = await dropsOf(nodes);
    const injected = await inject(tap, sites.b.wan[0], forge);
    tap.close();
    const isAlive = await survives(client);
    const dropped = (await dropsOf(nodes)) - before;
    checks.push({
      name: `${name}: the protected connection survives, each packet is dropped and counted`,
      rows: ['#10', '#26', '#104'],
      passed: injected === ROUNDS && isAlive && dropped === injected,
      detail: `${injected} injected, ${dropped} dropped and counted, connection ${isAlive ? 'alive' : 'BROKEN'}`,
    });
  }
  for (const node of nodes.values()) await node.stop();
  return checks;
}

/** Beside it: TLS over plain TCP, a fresh connection for each attack. */
async function againstTls(network: Network, options: RunOptions): Promise<Check> {
  const broken: string[] = [];
  const survived: string[] = [];
  let port = PORT;
  for (const [name, forge] of Object.entries(attacks)) {
    options.progress(`against TLS over plain TCP: ${name}`);
    const client = await startPulse(network, 'tls', (port += 1));
    const tap = new PacketTap(network, 'inet', 'b0');
    await inject(tap, sites.b.host[0], forge);
    tap.close();
    ((await survives(client)) ? survived : broken).push(name);
    await client.stop();
  }
  return {
    name: 'the same script breaks TLS over plain TCP: by garbage and by a RST',
    rows: ['#10', '#86'],
    passed: ['in-window garbage', 'a RST with the exact sequence number'].every((name) =>
      broken.includes(name),
    ),
    detail: `broken by: ${broken.join(', ')}; survived: ${survived.join(', ') || 'none'}`,
  };
}

/** Needs a router that sees the packets; it injects, but cannot hold back what it sees. */
export async function attack(options: RunOptions): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-attack-'));
  const networks: Network[] = [];
  const close = async (): Promise<void> => {
    for (const network of networks) await network.close();
    rmSync(directory, { recursive: true, force: true });
  };
  const interruption = new Interruption(close);
  const open = (routing: 'public' | 'private'): Network => {
    const network = new Network({ routing });
    networks.push(network);
    return network;
  };
  try {
    const checks = await againstNgisec(directory, open('public'), options);
    checks.push(await againstTls(open('private'), options));
    return { checks, figures: { 'packets injected per attack': ROUNDS } };
  } finally {
    await close();
    interruption.release();
  }
}
