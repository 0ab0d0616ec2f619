import {
  ClockToken,
  PacketDeviceToken,
  PacketPool,
  PacketPoolToken,
  RandomToken,
  seededRandom,
} from '@ngisec/core';
import { load, assemble, reportOf, type Loaded, type Node, type NodeReport } from '@ngisec/runtime';
import {
  directPorts,
  Masquerade,
  Router,
  SimulatedDevice,
  SimulatedNetwork,
  Stack,
  type Forward,
  type PacketPort,
  type SimulatedLink,
} from '@ngisec/testkit';
import { shim } from '@ngisec/ipsec';
import { BindingTable, BindingTableToken } from '@ngisec/stage-nat';
import { ip } from '@ngisec/wire';
import { ContainerModule, type ContainerModuleLoadOptions } from 'inversify';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { meetingOf, services, type Meeting } from '../meeting.ts';
import { makeNodeFiles, writeNodeFiles, type NodeFiles } from '../node-files.ts';
import { hasGateways, type LabMode } from '../modes.ts';
import { MTU_BYTES, sites, type Leg, type NodeName } from '../topology.ts';

const protocols = { icmp: ip.ICMP, tcp: ip.TCP, udp: ip.UDP } as const;
/** What an ordinary NAT in a gateway's place lets in. */
export const forwardsOf = (name: 'gw-a' | 'gw-b'): Forward[] =>
  (name === 'gw-b' ? services() : []).map(({ protocol, port = 0, host, hostPort = 0 }) => ({
    protocol: protocol === 'icmp' && host.includes(':') ? ip.ICMPV6 : protocols[protocol],
    ...{ port, host, hostPort },
  }));

/** TCPSec repeats a transport header. */
const TCP_HEADER_BYTES_MAX = 60;

/** One node of ours in the simulated network. */
export interface LabNode {
  readonly loaded: Loaded;
  readonly node: Node;
  readonly device: SimulatedDevice;
}

export interface LaboratoryOptions {
  /** Further keys of the gateways' configuration files. */
  readonly gatewayKeys?: object;
  /** Further bindings of a node, made last. */
  readonly bind?: (node: NodeName, options: ContainerModuleLoadOptions) => void;
}

/**
 * The laboratory in memory: the same configuration files, graphs and stages as on Linux, over simulated
 * links in virtual
 * time. A seed repeats a run to the last octet: keys, ports and sequence numbers come from it too.
 */
export class MemoryLaboratory {
  readonly network: SimulatedNetwork;
  readonly files: NodeFiles;
  readonly nodes = new Map<NodeName, LabNode>();
  readonly links: Readonly<Record<Leg, SimulatedLink>>;
  readonly stacks: { readonly a: Stack; readonly b: Stack };
  readonly inet = new Router();
  readonly meeting: Meeting;
  /** Ordinary NATs in the gateways' places. */
  readonly masquerades = new Map<NodeName, Masquerade>();
  /** Each gateway's bindings. */
  readonly bindings = new Map<NodeName, BindingTable>();
  readonly #bind: LaboratoryOptions['bind'];

  private constructor(
    mode: LabMode,
    seed: number,
    loaded: ReadonlyMap<NodeName, Loaded>,
    files: NodeFiles,
    bind: LaboratoryOptions['bind'],
  ) {
    this.#bind = bind;
    this.network = new SimulatedNetwork(seed);
    this.files = files;
    this.meeting = meetingOf(mode);
    const { network } = this;
    const latency = { latencyMs: 1, mtuBytes: MTU_BYTES };
    this.links = {
      'lan-a': network.link({ name: 'lan-a', ...latency }),
      wan: network.link({ name: 'wan', ...latency, latencyMs: 5 }),
      'lan-b': network.link({ name: 'lan-b', ...latency }),
    };
    const wanB = network.link({ name: 'wan-b', ...latency, latencyMs: 5 });
    const [stackA, insideA] = directPorts();
    const [stackB, insideB] = directPorts();
    // In mode tls the hosts are ordinary ones, on the link itself.
    const isBare = mode === 'tls';
    const shimBytes = shim.bytesMax('aes-128-gcm', 6) + (mode === 'tcpsec' ? TCP_HEADER_BYTES_MAX : 0);
    const stackMtu = isBare ? MTU_BYTES : MTU_BYTES - shimBytes;
    const setting = { clock: network.clock, random: network.random };
    this.stacks = {
      a: new Stack(
        setting,
        { addresses: sites.a.host, mtuBytes: stackMtu },
        isBare ? this.links['lan-a'].a : stackA,
      ),
      b: new Stack(
        setting,
        { addresses: sites.b.host, mtuBytes: stackMtu },
        isBare ? this.links['lan-b'].b : stackB,
      ),
    };
    if (!isBare) {
      this.#addNode(loaded, 'host-a', 'host', insideA, this.links['lan-a'].a);
      this.#addNode(loaded, 'host-b', 'host', insideB, this.links['lan-b'].b);
    }
    if (mode === 'lan') {
      this.#addRouter('a', this.links['lan-a'].b, this.links.wan.a);
      this.#addRouter('b', this.links['lan-b'].a, wanB.b);
      for (const prefix of sites.a.prefixes) this.inet.addRoute(prefix, this.links.wan.b);
      for (const prefix of sites.b.prefixes) this.inet.addRoute(prefix, wanB.a);
    } else {
      if (hasGateways(mode)) {
        this.#addNode(loaded, 'gw-a', 'gateway', this.links['lan-a'].b, this.links.wan.a);
        this.#addNode(loaded, 'gw-b', 'gateway', this.links['lan-b'].a, wanB.b);
      } else {
        this.#addMasquerade('gw-a', sites.a.wan, this.links['lan-a'].b, this.links.wan.a);
        this.#addMasquerade('gw-b', sites.b.wan, this.links['lan-b'].a, wanB.b);
      }
      for (const address of sites.a.wan) this.inet.addRoute(address, this.links.wan.b);
      for (const address of sites.b.wan) this.inet.addRoute(address, wanB.a);
    }
  }

  /** Makes configuration and keys from the seed, reads them as a node would, and wires everything. */
  static async open(
    mode: LabMode,
    seed: number,
    { gatewayKeys = {}, bind }: LaboratoryOptions = {},
  ): Promise<MemoryLaboratory> {
    const directory = mkdtempSync(join(tmpdir(), 'ngisec-memory-'));
    try {
      // Seeded apart from the network, which draws as many numbers as its traffic needs.
      const files = makeNodeFiles(mode, seededRandom(seed ^ 0x5eed), { gatewayKeys });
      writeNodeFiles(directory, files);
      const loaded = new Map<NodeName, Loaded>();
      for (const name of Object.keys(files.nodes) as NodeName[]) {
        loaded.set(name, await load(join(directory, `${name}.yaml`)));
      }
      return new MemoryLaboratory(mode, seed, loaded, files, bind);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  reports(): Partial<Record<NodeName, NodeReport>> {
    return Object.fromEntries(
      [...this.nodes].map(([name, { loaded, node }]) => [name, reportOf(loaded.configuration, node)]),
    );
  }

  /** What ended so far at every node, as `node stage reason`, and at the router. */
  drops(): Map<string, number> {
    const drops = new Map<string, number>();
    const note = (key: string, count: number): void => void (count > 0 && drops.set(key, count));
    for (const [name, { node, device }] of this.nodes) {
      for (const [stage, { drops: reasons }] of Object.entries(node.graph.report())) {
        for (const [reason, count] of Object.entries(reasons)) note(`${name} ${stage} ${reason}`, count);
      }
      // No drop, but an end all the same: such a packet's slot becomes a question to the peer gateway.
      note(`${name} reverse-nat asked`, node.graph.report()['reverse-nat']?.counters['asked'] ?? 0);
      const { queueFull, ttlExpired, tooLong } = device.counters;
      note(`${name} device queueFull`, queueFull);
      note(`${name} device ttlExpired`, ttlExpired);
      note(`${name} device tooLong`, tooLong);
    }
    for (const [name, { counters }] of this.masquerades) {
      note(`${name} nat unknown`, counters.unknown);
      note(`${name} nat malformed`, counters.malformed);
      note(`${name} nat ttlExpired`, counters.ttlExpired);
    }
    const { noRoute, ttlExpired, malformed } = this.inet.counters;
    note('inet noRoute', noRoute);
    note('inet ttlExpired', ttlExpired);
    note('inet malformed', malformed);
    return drops;
  }

  close(): void {
    for (const { node } of this.nodes.values()) {
      node.graph.stop();
      node.sad.clear();
    }
  }

  #addNode(
    loaded: ReadonlyMap<NodeName, Loaded>,
    name: NodeName,
    role: 'host' | 'gateway',
    inside: PacketPort,
    outside: PacketPort,
  ): void {
    const { clock, random } = this.network;
    const entry = loaded.get(name)!;
    const device = new SimulatedDevice({ clock }, { name, role, inside, outside });
    const surroundings = new ContainerModule((options) => {
      const { bind, rebind } = options;
      rebind(ClockToken).toConstantValue(clock);
      rebind(RandomToken).toConstantValue(random);
      rebind(PacketPoolToken).toConstantValue(new PacketPool());
      bind(PacketDeviceToken).toConstantValue(device);
      this.#bind?.(name, options);
      if (role === 'host') return;
      const table = new BindingTable(random);
      rebind(BindingTableToken).toConstantValue(table);
      this.bindings.set(name, table);
    });
    const node = assemble(entry.application, entry.configuration, entry.keyFile.channels, surroundings);
    device.onReadable = () => void node.graph.poll();
    this.nodes.set(name, { loaded: entry, node, device });
  }

  #addMasquerade(
    name: 'gw-a' | 'gw-b',
    addresses: readonly string[],
    inside: PacketPort,
    outside: PacketPort,
  ): void {
    const options = { inside, outside, addresses, forwards: forwardsOf(name) };
    this.masquerades.set(name, new Masquerade(options));
  }

  #addRouter(site: 'a' | 'b', lan: PacketPort, wan: PacketPort): void {
    const router = new Router();
    for (const prefix of sites[site].prefixes) router.addRoute(prefix, lan);
    router.addRoute('0.0.0.0/0', wan).addRoute('::/0', wan);
  }
}
