import {
  ClockToken,
  PacketDeviceToken,
  PacketPool,
  PacketPoolToken,
  RandomToken,
  seededRandom,
  type Random,
} from '@ngisec/core';
import { assemble, load, reportOf, type Node, type NodeReport } from '@ngisec/runtime';
import {
  directPorts,
  Masquerade,
  Router,
  SimulatedDevice,
  SimulatedNetwork,
  Stack,
  type PacketPort,
} from '@ngisec/testkit';
import { ContainerModule } from 'inversify';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Check } from '../check.ts';
import { ECHO_PORT, HTTP_PORT, meetingOf, services } from '../meeting.ts';
import type { Outcome, RunOptions } from '../scenarios.ts';
import { sites } from '../topology.ts';
import { forwardsOf } from './laboratory.ts';

const HOSTS = 20;
/** All use it, for TCP and for UDP. */
const CLIENT_PORT = 40_000;
const ROUNDS = 5;
const ROUND_MS = 500;
/** A host that hears nothing for 25 s tells its peer again where it is. */
const RECOVERY_LIMIT_MS = 90_000;

type Mode = 'n2n' | 'tcpsec';
interface Files {
  readonly configuration: object;
  readonly channels: object[];
}

const addressOf = (host: number): string => `10.1.0.${10 + host}`;
const server = sites.b.host[0];
const [publicA] = sites.a.wan;
const [publicB] = sites.b.wan;

/** Configuration and keys of every node: hosts `host-0` and on, `server`, and in mode `n2n` both gateways. */
function makeFiles(mode: Mode, random: Random): Map<string, Files> {
  const files = new Map<string, Files>();
  const add = (name: string, configuration: object): void => {
    const common = { name, keys: `${name}.keys.yaml` };
    files.set(name, { configuration: { ...common, ...configuration }, channels: [] });
  };
  const host = (name: string, address: string, remote: string): void =>
    add(name, {
      ...{ app: 'host', interface: 'lan0', addresses: [address] },
      policy: [{ name: 'far-side', remote: [remote], mode }],
    });
  let spi = 255;
  const pair = (role: string, scope: string, ends: readonly [string, string, string][]): void => {
    const sas = ends.map(() => {
      const material = new Uint8Array(20);
      random.fill(material);
      return { spi: (spi += 1), key: Buffer.from(material).toString('hex') };
    });
    ends.forEach(([node, name, peer], index) => {
      const [inbound, outbound] = [sas[index], sas[1 - index]];
      files.get(node)!.channels.push({ name, role, scope, peers: [peer], inbound, outbound });
    });
  };
  host('server', server, publicA);
  if (mode === 'n2n') {
    const gateway = (name: string, peer: string, own: typeof sites.a | typeof sites.b, far: string): void =>
      add(name, {
        app: 'gateway',
        lan: { interface: 'lan0', prefixes: [own.prefixes[0]] },
        wan: { interface: 'wan0', addresses: [own.wan[0]] },
        peers: [{ name: peer, mode, addresses: [far] }],
        services: name === 'gw-b' ? services().filter((service) => service.host === server) : [],
      });
    gateway('gw-a', 'gw-b', sites.a, publicB);
    gateway('gw-b', 'gw-a', sites.b, publicA);
    pair('control', 'none', [
      ['gw-a', 'gw-b', publicB],
      ['gw-b', 'gw-a', publicA],
    ]);
    pair('control', 'full', [
      ['gw-b', 'server', server],
      ['server', 'gw-b', publicA],
    ]);
  }
  for (let index = 0; index < HOSTS; index += 1) {
    const name = `host-${index}`;
    host(name, addressOf(index), publicB);
    if (mode === 'n2n') {
      pair('control', 'full', [
        [name, 'gw-a', publicB],
        ['gw-a', name, addressOf(index)],
      ]);
    } else {
      pair('control', 'none', [
        [name, 'server-control', publicB],
        ['server', `${name}-control`, publicA],
      ]);
    }
    pair('data', 'ports', [
      [name, 'server', publicB],
      ['server', name, publicA],
    ]);
  }
  return files;
}

/** Twenty hosts behind one address, and the server they all talk to behind another. */
class Crowd {
  readonly network: SimulatedNetwork;
  readonly clients: Stack[] = [];
  readonly server: Stack;
  readonly masquerades: Masquerade[] = [];
  readonly #nodes = new Map<string, { readonly node: Node; readonly report: () => NodeReport }>();
  readonly #directory = mkdtempSync(join(tmpdir(), 'ngisec-crowd-'));

  private constructor(seed: number) {
    this.network = new SimulatedNetwork(seed);
    this.server = undefined as never;
  }

  static async open(mode: Mode, seed: number): Promise<Crowd> {
    const crowd = new Crowd(seed);
    await crowd.#build(mode, makeFiles(mode, seededRandom(seed ^ 0x5eed)));
    return crowd;
  }

  async #build(mode: Mode, files: ReadonlyMap<string, Files>): Promise<void> {
    mkdirSync(this.#directory, { recursive: true });
    for (const [name, { configuration, channels }] of files) {
      writeFileSync(join(this.#directory, `${name}.yaml`), stringify(configuration));
      writeFileSync(join(this.#directory, `${name}.keys.yaml`), stringify({ channels }), { mode: 0o600 });
    }
    const { network } = this;
    const lanA = network.link({ name: 'lan-a', latencyMs: 1 });
    const wan = network.link({ name: 'wan', latencyMs: 5 });
    const lanB = network.link({ name: 'lan-b', latencyMs: 1 });
    const switchA = new Router({ countsHops: false });
    switchA.addRoute('0.0.0.0/0', lanA.a);
    for (let index = 0; index < HOSTS; index += 1) {
      const [outside, port] = directPorts();
      switchA.addRoute(`${addressOf(index)}/32`, port);
      this.clients.push(await this.#addHost(`host-${index}`, addressOf(index), outside));
    }
    Object.assign(this, { server: await this.#addHost('server', server, lanB.b) });
    if (mode === 'n2n') {
      await this.#addNode('gw-a', 'gateway', lanA.b, wan.a);
      await this.#addNode('gw-b', 'gateway', lanB.a, wan.b);
    } else {
      const forwards = forwardsOf('gw-b');
      this.masquerades.push(
        new Masquerade({ inside: lanA.b, outside: wan.a, addresses: [publicA] }),
        new Masquerade({ inside: lanB.a, outside: wan.b, addresses: [publicB], forwards }),
      );
    }
    rmSync(this.#directory, { recursive: true });
  }

  async #addHost(name: string, address: string, outside: PacketPort): Promise<Stack> {
    const [stack, inside] = directPorts();
    const { clock, random } = this.network;
    await this.#addNode(name, 'host', inside, outside);
    return new Stack({ clock, random }, { addresses: [address], mtuBytes: 1400 }, stack);
  }

  async #addNode(
    name: string,
    role: 'host' | 'gateway',
    inside: PacketPort,
    outside: PacketPort,
  ): Promise<void> {
    const { clock, random } = this.network;
    const { application, configuration, keyFile } = await load(join(this.#directory, `${name}.yaml`));
    const device = new SimulatedDevice({ clock }, { name, role, inside, outside });
    const surroundings = new ContainerModule(({ bind, rebind }) => {
      rebind(ClockToken).toConstantValue(clock);
      rebind(RandomToken).toConstantValue(random);
      rebind(PacketPoolToken).toConstantValue(new PacketPool({ packets: 600 }));
      bind(PacketDeviceToken).toConstantValue(device);
    });
    const node = assemble(application, configuration, keyFile.channels, surroundings);
    device.onReadable = () => void node.graph.poll();
    this.#nodes.set(name, { node, report: () => reportOf(configuration, node) });
  }

  reports(): NodeReport[] {
    return [...this.#nodes.values()].map(({ report }) => report());
  }

  close(): void {
    for (const { node } of this.#nodes.values()) {
      node.graph.stop();
      node.sad.clear();
    }
  }
}

interface Talk {
  readonly name: string;
  send(text: string): void;
  heard: string;
  isBroken: boolean;
}

/** Every host talks over TCP and UDP from the same port; the server echoes, and notes with whom it talked. */
function startTalks(crowd: Crowd, mode: Mode): { talks: Talk[]; seen: Set<string> } {
  const { servers, httpPort, echoPort } = meetingOf(mode);
  const seen = new Set<string>();
  crowd.server.tcp.listen(HTTP_PORT, (connection) => {
    seen.add(`TCP ${connection.peer.address} ${connection.peer.port}`);
    connection.onData = (octets) => connection.write(octets.slice());
  });
  const echo = crowd.server.udp.bind(ECHO_PORT);
  echo.onDatagram = (payload, from) => {
    seen.add(`UDP ${from.address} ${from.port}`);
    echo.sendTo(from.address, from.port, payload);
  };
  const talks = crowd.clients.flatMap((stack, index): Talk[] => {
    const connection = stack.tcp.connect({ address: servers[0], port: httpPort, localPort: CLIENT_PORT });
    const tcp: Talk = {
      name: `TCP of host ${index}`,
      send: (text) => void (tcp.isBroken || connection.write(Buffer.from(text))),
      heard: '',
      isBroken: false,
    };
    connection.onData = (octets) => void (tcp.heard += Buffer.from(octets).toString());
    connection.onReset = () => void (tcp.isBroken = true);
    const socket = stack.udp.bind(CLIENT_PORT);
    const udp: Talk = {
      name: `UDP of host ${index}`,
      send: (text) => socket.sendTo(servers[0], echoPort, Buffer.from(text)),
      heard: '',
      isBroken: false,
    };
    socket.onDatagram = (payload) => void (udp.heard += Buffer.from(payload).toString());
    return [tcp, udp];
  });
  return { talks, seen };
}

/** Everybody says something of their own until everybody heard it back, and nothing that another host said. */
function converse(crowd: Crowd, talks: readonly Talk[], what: string): { lost: string[]; passedMs: number } {
  const words = (talk: Talk): string => `<${talk.name} says ${what}>`;
  for (const talk of talks) talk.heard = '';
  let passedMs = 0;
  const isDone = (talk: Talk): boolean => talk.heard.includes(words(talk));
  for (let round = 0; passedMs < RECOVERY_LIMIT_MS && (round < ROUNDS || !talks.every(isDone)); round += 1) {
    for (const talk of talks) talk.send(words(talk));
    crowd.network.run(ROUND_MS);
    passedMs += ROUND_MS;
  }
  const isPure = (talk: Talk): boolean =>
    talk.heard.replaceAll(/<[^>]*>/g, (text) => (text.startsWith(`<${talk.name} says`) ? '' : text)) === '';
  const lost = talks
    .filter((talk) => talk.isBroken || !isDone(talk) || !isPure(talk))
    .map(({ name }) => name);
  return { lost, passedMs };
}

function crowdCheck(mode: Mode, crowd: Crowd, talks: readonly Talk[], seen: ReadonlySet<string>): Check {
  const { lost } = converse(crowd, talks, 'hello');
  const [address] = meetingOf(mode).clients;
  const strangers = [...seen].filter((peer) => !peer.includes(` ${address} `));
  return {
    name: `${mode}: ${HOSTS} hosts behind one address, all from port ${CLIENT_PORT}, talk to one server at once`,
    rows: ['#117', '#82', '#35'],
    passed: lost.length === 0 && seen.size === 2 * HOSTS && strangers.length === 0,
    detail: `${talks.length} flows, ${lost.length} lost${lost[0] === undefined ? '' : ` (${lost[0]})`}; the server saw ${seen.size} peers, all at ${address}`,
  };
}

function remapCheck(crowd: Crowd, talks: readonly Talk[], seen: ReadonlySet<string>): Check {
  const before = seen.size;
  crowd.masquerades[0]!.forget();
  const { lost, passedMs } = converse(crowd, talks, 'still here');
  return {
    name: 'the NAT forgets everything and gives other ports: every flow goes on, and the server’s sockets see no change',
    rows: ['#81', '#82', '#83'],
    passed: lost.length === 0 && seen.size === before,
    detail: `${talks.length} flows, ${lost.length} lost${lost[0] === undefined ? '' : ` (${lost[0]})`}; ${seen.size - before} new peers seen; all heard again within ${passedMs / 1000} s`,
  };
}

function accountCheck(mode: Mode, crowd: Crowd): Check {
  const reports = crowd.reports();
  const unaccounted = reports.reduce((sum, report) => sum + report.unaccounted, 0);
  return {
    name: `${mode}: every packet is accounted for`,
    rows: ['F6'],
    passed: unaccounted === 0 && reports.every(({ failures }) => failures.length === 0),
    detail: `${reports.length} nodes, ${unaccounted} unaccounted`,
  };
}

export async function manyHosts({ seed, progress }: RunOptions): Promise<Outcome> {
  const checks: Check[] = [];
  for (const mode of ['n2n', 'tcpsec'] as const) {
    progress(`${mode}: ${HOSTS} hosts behind one address, seed ${seed}`);
    const crowd = await Crowd.open(mode, seed);
    try {
      const { talks, seen } = startTalks(crowd, mode);
      checks.push(crowdCheck(mode, crowd, talks, seen));
      if (mode === 'tcpsec') {
        progress('the NAT before them forgets everything');
        checks.push(remapCheck(crowd, talks, seen));
      }
      checks.push(accountCheck(mode, crowd));
    } finally {
      crowd.close();
    }
  }
  return { checks, figures: { hosts: HOSTS } };
}
