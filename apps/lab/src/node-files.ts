import type { Random } from '@ngisec/core';
import { isSpi, keyMaterialBytes, type Scope, type SuiteName } from '@ngisec/ipsec';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { services } from './meeting.ts';
import { hasGateways, isHidden, type LabMode } from './modes.ts';
import { sites, type Leg, type NodeName } from './topology.ts';

/** The one port of mode `tls`, for TCP and UDP. */
export const TLS_PORT = 443;

/** What the lab knows of one secure channel, because it made its keys. */
export interface LabChannel {
  readonly role: 'control' | 'data' | 'both';
  /** The leg a control channel belongs to; data channels go end to end. */
  readonly leg?: Leg;
  readonly nodes: readonly [NodeName, NodeName];
  readonly spis: readonly [number, number];
  /** The first octets of each SA's key. */
  readonly keys: readonly [Uint8Array, Uint8Array];
}

export interface NodeFiles {
  readonly channels: readonly LabChannel[];
  /** Configuration file content by node; `keys` files stand beside them. */
  readonly nodes: Partial<
    Record<NodeName, { readonly configuration: object; readonly keys: { channels: object[] } }>
  >;
}

interface ChannelPlan {
  readonly role: LabChannel['role'];
  readonly scope: Scope;
  readonly leg?: Leg;
  /** Each end, what it calls the channel, and whom it reaches. */
  readonly ends: readonly [ChannelEnd, ChannelEnd];
}

interface ChannelEnd {
  readonly node: NodeName;
  readonly name: string;
  readonly peers: readonly string[];
}

const { a, b } = sites;

const betweenGateways: ChannelPlan = {
  role: 'control',
  scope: 'none',
  leg: 'wan',
  ends: [
    { node: 'gw-a', name: 'gw-b', peers: b.wan },
    { node: 'gw-b', name: 'gw-a', peers: a.wan },
  ],
};

const plans: Record<LabMode, readonly ChannelPlan[]> = {
  tls: [betweenGateways],
  vpn: [
    {
      role: 'control',
      scope: 'full',
      leg: 'lan-a',
      ends: [
        { node: 'host-a', name: 'gw-a', peers: b.prefixes },
        { node: 'gw-a', name: 'host-a', peers: a.host },
      ],
    },
    betweenGateways,
    {
      role: 'control',
      scope: 'full',
      leg: 'lan-b',
      ends: [
        { node: 'gw-b', name: 'host-b', peers: b.host },
        { node: 'host-b', name: 'gw-b', peers: a.prefixes },
      ],
    },
    {
      role: 'data',
      scope: 'full',
      ends: [
        { node: 'host-a', name: 'host-b', peers: b.host },
        { node: 'host-b', name: 'host-a', peers: a.host },
      ],
    },
  ],
  n2n: [
    {
      role: 'control',
      scope: 'full',
      leg: 'lan-a',
      ends: [
        { node: 'host-a', name: 'gw-a', peers: b.wan },
        { node: 'gw-a', name: 'host-a', peers: a.host },
      ],
    },
    {
      role: 'control',
      scope: 'none',
      leg: 'wan',
      ends: [
        { node: 'gw-a', name: 'gw-b', peers: b.wan },
        { node: 'gw-b', name: 'gw-a', peers: a.wan },
      ],
    },
    {
      role: 'control',
      scope: 'full',
      leg: 'lan-b',
      ends: [
        { node: 'gw-b', name: 'host-b', peers: b.host },
        { node: 'host-b', name: 'gw-b', peers: a.wan },
      ],
    },
    {
      role: 'data',
      scope: 'ports',
      ends: [
        { node: 'host-a', name: 'host-b', peers: b.wan },
        { node: 'host-b', name: 'host-a', peers: a.wan },
      ],
    },
  ],
  tcpsec: [
    {
      role: 'control',
      scope: 'none',
      ends: [
        { node: 'host-a', name: 'host-b-control', peers: b.wan },
        { node: 'host-b', name: 'host-a-control', peers: a.wan },
      ],
    },
    {
      role: 'data',
      scope: 'ports',
      ends: [
        { node: 'host-a', name: 'host-b', peers: b.wan },
        { node: 'host-b', name: 'host-a', peers: a.wan },
      ],
    },
  ],
  lan: [
    {
      role: 'both',
      scope: 'full',
      ends: [
        { node: 'host-a', name: 'host-b', peers: b.host },
        { node: 'host-b', name: 'host-a', peers: a.host },
      ],
    },
  ],
};

function configurations(mode: LabMode, machine: Machine, gatewayKeys: object): NodeFiles['nodes'] {
  const common = (app: string, name: NodeName): object => ({
    app,
    name,
    keys: `${name}.keys.yaml`,
    ...machine,
  });
  const host = (name: NodeName, own: typeof a | typeof b, far: typeof a | typeof b): object => ({
    ...common('host', name),
    interface: 'lan0',
    addresses: own.host,
    policy: [{ name: 'far-site', remote: hidden ? far.wan : far.prefixes, mode }],
  });
  const hidden = isHidden(mode);
  const gateway = (
    name: NodeName,
    peer: NodeName,
    own: typeof a | typeof b,
    far: typeof a | typeof b,
  ): object => ({
    ...common('gateway', name),
    lan: { interface: 'lan0', prefixes: own.prefixes },
    wan: { interface: 'wan0', addresses: own.wan },
    peers: [
      {
        name: peer,
        addresses: far.wan,
        ...(hidden ? { mode } : { prefixes: far.prefixes }),
        ...(mode === 'tls' ? { tls } : {}),
      },
    ],
    ...(hidden && name === 'gw-b' ? { services: services() } : {}),
    ...gatewayKeys,
  });
  const keys = (): { channels: object[] } => ({ channels: [] });
  const tls = (['tcp', 'udp'] as const).map((protocol) => ({ protocol, ports: TLS_PORT }));
  return {
    ...(mode === 'tls'
      ? {}
      : {
          'host-a': { configuration: host('host-a', a, b), keys: keys() },
          'host-b': { configuration: host('host-b', b, a), keys: keys() },
        }),
    ...(hasGateways(mode)
      ? {
          'gw-a': { configuration: gateway('gw-a', 'gw-b', a, b), keys: keys() },
          'gw-b': { configuration: gateway('gw-b', 'gw-a', b, a), keys: keys() },
        }
      : {}),
  };
}

/** How a node meets the kernel; absent keys take the configuration's defaults. */
export interface Machine {
  readonly interception?: 'auto' | 'tc' | 'rules';
  readonly offload?: boolean;
}

/** How many; every suite's keying material begins with a key of at least as many. */
const KEY_BYTES = 16;

export interface NodeFilesOptions extends Machine {
  readonly suite?: SuiteName;
  /** Further keys of the gateways' configuration files. */
  readonly gatewayKeys?: object;
}

/** Configuration and fresh keys for every node that runs NGISec in a mode. */
export function makeNodeFiles(
  mode: LabMode,
  random: Random,
  { suite = 'aes-128-gcm', gatewayKeys = {}, ...machine }: NodeFilesOptions = {},
): NodeFiles {
  const nodes = configurations(mode, machine, gatewayKeys);
  const spis = new Set<number>();
  const freshSpi = (): number => {
    for (;;) {
      const spi = 256 + random.integer(0xffff_ff00);
      if (isSpi(spi) && !spis.has(spi)) return (spis.add(spi), spi);
    }
  };
  const channels = plans[mode].map(({ role, scope, leg, ends }): LabChannel => {
    const sas = ends.map(() => {
      const material = new Uint8Array(keyMaterialBytes(suite));
      random.fill(material);
      return { spi: freshSpi(), material, key: Buffer.from(material).toString('hex') };
    });
    ends.forEach(({ node, name, peers }, index) => {
      const [inbound, outbound] = [sas[index]!, sas[1 - index]!];
      nodes[node]!.keys.channels.push({
        ...{ name, role, scope, suite, peers },
        inbound: { spi: inbound.spi, key: inbound.key },
        outbound: { spi: outbound.spi, key: outbound.key },
      });
    });
    return {
      role,
      ...(leg === undefined ? {} : { leg }),
      nodes: [ends[0].node, ends[1].node],
      spis: [sas[0]!.spi, sas[1]!.spi],
      keys: [sas[0]!.material.slice(0, KEY_BYTES), sas[1]!.material.slice(0, KEY_BYTES)],
    };
  });
  return { channels, nodes };
}

/** Writes `<node>.yaml` and `<node>.keys.yaml` into a directory only its owner may read. */
export function writeNodeFiles(directory: string, { nodes }: NodeFiles): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [name, { configuration, keys }] of Object.entries(nodes)) {
    writeFileSync(join(directory, `${name}.yaml`), stringify(configuration));
    writeFileSync(join(directory, `${name}.keys.yaml`), stringify(keys), { mode: 0o600 });
  }
}
