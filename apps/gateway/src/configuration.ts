import type { ChannelParameters } from '@ngisec/ipsec';
import { addressSchema, commonSchema, portsSchema, prefixSchema, type Complaint } from '@ngisec/runtime';
import { suggest } from '@ngisec/core';
import { controlRateDetectorDescriptor, flowMonitorDescriptor } from '@ngisec/stage-classify';
import { bindingLimits } from '@ngisec/stage-nat';
import { codePoints } from '@ngisec/stage-qos';
import { formatAddress, ip, prefixContains, type Prefix } from '@ngisec/wire';
import { existsSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { z } from 'zod';

const tlsProtocols = { tcp: ip.TCP, udp: ip.UDP } as const;

const peerSchema = z.strictObject({
  /** Also the name of the control channel with it, unless `channel` names another. */
  name: z.string().min(1),
  channel: z.string().optional(),
  /** Its WAN address, at most one a family. */
  addresses: z.array(addressSchema).min(1).max(2),
  /** `n2n`: both sides keep their private addresses to themselves; its WAN addresses stand for all behind it. */
  mode: z.enum(['vpn', 'n2n']).default('vpn'),
  /** The prefixes behind it, for `vpn`. */
  prefixes: z.array(prefixSchema).default([]),
  /** Servers' ports, here and there, to which hosts that run nothing of ours may speak TLS, QUIC or DTLS. */
  tls: z
    .array(
      z.strictObject({
        protocol: z
          .enum(Object.keys(tlsProtocols) as (keyof typeof tlsProtocols)[])
          .transform((name) => tlsProtocols[name]),
        ports: portsSchema,
      }),
    )
    .default([]),
});

const protocols = { icmp: ip.ICMP, tcp: ip.TCP, udp: ip.UDP } as const;
const portSchema = z.int().min(1).max(65535);

/** What network-to-network peers may reach: a public port, and the host on the LAN that answers there (#75). */
const serviceSchema = z.strictObject({
  protocol: z.enum(Object.keys(protocols) as (keyof typeof protocols)[]),
  /** Absent for icmp only: whoever answers pings. */
  port: portSchema.optional(),
  host: addressSchema,
  /** Absent: as the public one. */
  hostPort: portSchema.optional(),
});

/** A stage's own bounds and default. */
const integer = (option: { minimum: number; maximum: number; default: number }) =>
  z.int().min(option.minimum).max(option.maximum).default(option.default);

const fileSchema = z
  .string()
  .refine(isAbsolute, 'must be an absolute path, such as /var/log/ngisec/gw-a.jsonl');

const monitored = flowMonitorDescriptor.options;
const detected = controlRateDetectorDescriptor.options;

export const gatewaySchema = z.strictObject({
  ...commonSchema,
  lan: z.strictObject({ interface: z.string().min(1), prefixes: z.array(prefixSchema).min(1) }),
  wan: z.strictObject({ interface: z.string().min(1), addresses: z.array(addressSchema).min(1).max(2) }),
  peers: z.array(peerSchema).min(1),
  services: z.array(serviceSchema).default([]),
  nat: z
    .strictObject({
      portMin: z.int().min(1).max(65535).default(bindingLimits.portMin),
      portMax: z.int().min(1).max(65535).default(bindingLimits.portMax),
      capacity: z
        .int()
        .min(1)
        .max(1 << 22)
        .default(bindingLimits.capacity),
    })
    .prefault({}),
  /** Records what each flow across the LAN side sent. */
  monitor: z
    .strictObject({
      file: fileSchema.optional(),
      capacity: integer(monitored.capacity),
      idleMs: integer(monitored.idleMs),
      activeMs: integer(monitored.activeMs),
      closingMs: integer(monitored.closingMs),
    })
    .optional(),
  /** Raises an alarm where connection requests to one address and port pour in, from either side. */
  detect: z
    .strictObject({
      file: fileSchema.optional(),
      intervalMs: integer(detected.intervalMs),
      raisePerSecond: integer(detected.raisePerSecond),
      clearPercent: integer(detected.clearPercent),
      columns: integer(detected.columns),
      alarms: integer(detected.alarms),
    })
    .optional(),
  /** Per-hop behaviour to mark packets for the WAN with; absent: as they came. */
  phb: z.enum(Object.keys(codePoints) as [string, ...string[]]).optional(),
});

export type GatewayConfiguration = z.output<typeof gatewaySchema>;

export const channelNameOf = (peer: GatewayConfiguration['peers'][number]): string =>
  peer.channel ?? peer.name;

/** The IP protocol of a service, in its host's family. */
export const protocolOf = ({ protocol, host }: GatewayConfiguration['services'][number]): number =>
  protocol === 'icmp' && host.length === 16 ? ip.ICMPV6 : protocols[protocol];

const overlap = (left: Prefix, right: Prefix): boolean => {
  if (left.address.length !== right.address.length) return false;
  const [wide, narrow] = left.bits <= right.bits ? [left, right] : [right, left];
  return prefixContains(wide, narrow.address, 0);
};

/** The two addresses of a list must be of two families. */
const oneAFamily = (addresses: readonly Uint8Array[]): boolean =>
  addresses.length < 2 || addresses[0]!.length !== addresses[1]!.length;

function checkVisibility({ monitor, detect }: GatewayConfiguration): Complaint[] {
  const complaints: Complaint[] = [];
  for (const [key, file] of [
    ['monitor', monitor?.file],
    ['detect', detect?.file],
  ] as const) {
    if (file === undefined || existsSync(dirname(file))) continue;
    complaints.push({ path: [key, 'file'], message: `${key}: there is no directory ${dirname(file)}` });
  }
  return complaints;
}

export function checkGateway(
  configuration: GatewayConfiguration,
  channels: readonly ChannelParameters[],
): Complaint[] {
  const complaints: Complaint[] = [];
  const complain: Complain = (path, message) => void complaints.push({ path, message });
  const { wan, peers, nat } = configuration;
  if (!oneAFamily(wan.addresses))
    complain(['wan', 'addresses', 1], 'wan: one address a family; the second is of the same');
  if (nat.portMin > nat.portMax)
    complain(['nat', 'portMin'], `nat: portMin ${nat.portMin} lies above portMax ${nat.portMax}`);
  complaints.push(...checkVisibility(configuration));
  checkDisjoint(configuration, complain);
  peers.forEach((peer, index) => {
    const name = channelNameOf(peer);
    const channel = channels.find((candidate) => candidate.name === name);
    if (!oneAFamily(peer.addresses))
      complain(['peers', index, 'addresses', 1], `peer "${peer.name}": one address a family`);
    peer.prefixes.forEach(({ text, prefix }, at) => {
      for (const [whose, addresses] of [
        ['this gateway', wan.addresses],
        ['the peer', peer.addresses],
      ] as const) {
        if (addresses.some(({ length }) => length === prefix.address.length)) continue;
        complain(
          ['peers', index, 'prefixes', at],
          `peer "${peer.name}": ${text} is of a family in which ${whose} has no WAN address`,
        );
      }
    });
    if (channel === undefined) {
      const hint = suggest(
        name,
        channels.map((candidate) => candidate.name),
      );
      complain(
        ['peers', index, peer.channel === undefined ? 'name' : 'channel'],
        `peer "${peer.name}": the key file has no channel "${name}"${hint}`,
      );
    }
  });
  checkModes(configuration, complain);
  checkServices(configuration, complain);
  channels.forEach(({ name, role }, index) => {
    if (role === 'control') return;
    const message = `channel "${name}" has role ${role}; a gateway holds control keys only`;
    complaints.push({ file: 'keys', path: ['channels', index, 'role'], message });
  });
  return complaints;
}

type Complain = (path: (string | number)[], message: string) => void;

/** The end hosts of a VPN see each other's private addresses: equal ones on both sides cannot both be meant (#17). */
function checkDisjoint({ lan, peers }: GatewayConfiguration, complain: Complain): void {
  const sites = [
    { name: 'this LAN', prefixes: lan.prefixes, path: ['lan', 'prefixes'] as (string | number)[] },
    ...peers.map(({ name, prefixes }, index) => ({
      name: `peer "${name}"`,
      prefixes,
      path: ['peers', index, 'prefixes'],
    })),
  ];
  sites.forEach((site, index) => {
    for (const earlier of sites.slice(0, index)) {
      site.prefixes.forEach(({ text, prefix }, at) => {
        const clash = earlier.prefixes.find((other) => overlap(other.prefix, prefix));
        if (clash !== undefined)
          complain(
            [...site.path, at],
            `${site.name}: ${text} overlaps ${clash.text} of ${earlier.name}; vpn needs disjoint prefixes`,
          );
      });
    }
  });
}

function checkModes({ peers }: GatewayConfiguration, complain: Complain): void {
  peers.forEach(({ name, mode, prefixes }, index) => {
    if (mode === 'vpn' && prefixes.length === 0)
      complain(['peers', index], `peer "${name}": mode vpn needs the prefixes behind it`);
    if (mode === 'n2n' && prefixes.length > 0) {
      const message = `peer "${name}": mode n2n hides the prefixes behind it; leave them out`;
      complain(['peers', index, 'prefixes'], message);
    }
  });
}

function checkServices({ lan, services }: GatewayConfiguration, complain: Complain): void {
  services.forEach((service, index) => {
    const { protocol, port, host } = service;
    const path = ['services', index];
    const inside = lan.prefixes.some(
      ({ prefix }) => prefix.address.length === host.length && prefixContains(prefix, host, 0),
    );
    if (!inside)
      complain([...path, 'host'], `service: ${formatAddress(host)} is in none of this LAN's prefixes`);
    if ((protocol === 'icmp') !== (port === undefined)) {
      const says = protocol === 'icmp' ? 'icmp has no port' : `${protocol} needs a port`;
      complain(path, `service: ${says}`);
    }
    const isTaken = services
      .slice(0, index)
      .some(
        (other) =>
          protocolOf(other) === protocolOf(service) && sameFamily(other, service) && other.port === port,
      );
    if (isTaken) complain(path, `service: ${protocol} ${port ?? ''} leads to another host already`);
  });
}

const sameFamily = (
  left: GatewayConfiguration['services'][number],
  right: GatewayConfiguration['services'][number],
): boolean => left.host.length === right.host.length;
