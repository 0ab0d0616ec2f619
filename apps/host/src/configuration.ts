import { limits, suggest } from '@ngisec/core';
import type { ChannelParameters, Scope } from '@ngisec/ipsec';
import { codePoints } from '@ngisec/stage-qos';
import { addressSchema, commonSchema, portsSchema, prefixSchema, type Complaint } from '@ngisec/runtime';
import { formatAddress, type Prefix } from '@ngisec/wire';
import { z } from 'zod';

const protocols = { icmp: 1, tcp: 6, udp: 17 } as const;

export const ruleSchema = z.strictObject({
  name: z.string().min(1),
  mode: z.enum(['lan', 'vpn', 'n2n', 'tcpsec', 'bypass', 'discard']),
  /** Whose traffic: remote prefixes. */
  remote: z.array(prefixSchema).min(1),
  protocol: z
    .enum(Object.keys(protocols) as (keyof typeof protocols)[])
    .transform((name) => protocols[name])
    .optional(),
  localPorts: portsSchema.optional(),
  remotePorts: portsSchema.optional(),
  /** Names of the channels it may use; absent: whichever reach the peer. */
  channels: z.array(z.string()).min(1).optional(),
});

export const hostSchema = z.strictObject({
  ...commonSchema,
  interface: z.string().min(1),
  /** The host's own addresses on that interface. */
  addresses: z.array(addressSchema).min(1),
  /** The first rule that selects a packet decides; what none selects is discarded. */
  policy: z.array(ruleSchema).min(1),
  /** Live flows the host remembers. */
  flows: z
    .int()
    .min(1)
    .max(1 << 22)
    .default(limits.flows),
  /** Per-hop behaviour to mark outgoing protected packets with; absent: as the stack marked them. */
  phb: z.enum(Object.keys(codePoints) as [string, ...string[]]).optional(),
});

export type HostConfiguration = z.output<typeof hostSchema>;

interface Need {
  readonly role: ChannelParameters['role'];
  readonly scope: Scope;
}

/** The channels a mode uses. What NATs on the way change may not be covered by the ICV. */
const needs: Readonly<Record<'lan' | 'vpn' | 'n2n' | 'tcpsec', readonly Need[]>> = {
  lan: [{ role: 'both', scope: 'full' }],
  vpn: [
    { role: 'data', scope: 'full' },
    { role: 'control', scope: 'full' },
  ],
  n2n: [
    { role: 'data', scope: 'ports' },
    { role: 'control', scope: 'full' },
  ],
  tcpsec: [
    { role: 'data', scope: 'ports' },
    { role: 'control', scope: 'none' },
  ],
};

const covers = (channel: ChannelParameters, prefix: Prefix): boolean =>
  channel.peers.some(
    ({ address, bits }) =>
      address.length === prefix.address.length &&
      sameBits(address, prefix.address, Math.min(bits, prefix.bits)),
  );

function sameBits(left: Uint8Array, right: Uint8Array, bits: number): boolean {
  for (let bit = 0; bit < bits; bit += 1) {
    const mask = 0x80 >>> (bit & 7);
    if ((left[bit >>> 3]! & mask) !== (right[bit >>> 3]! & mask)) return false;
  }
  return true;
}

/** Every rule that protects needs channels that reach its peers, in the roles its mode uses. */
export function checkHost(
  configuration: HostConfiguration,
  channels: readonly ChannelParameters[],
): Complaint[] {
  const complaints: Complaint[] = [];
  const families = new Set(configuration.addresses.map((address) => address.length));
  configuration.policy.forEach((rule, index) => {
    rule.remote.forEach(({ text, prefix }, at) => {
      const path = ['policy', index, 'remote', at];
      if (
        configuration.addresses.some(
          (own) => own.length === prefix.address.length && sameBits(own, prefix.address, prefix.bits),
        )
      ) {
        complaints.push({
          path,
          message: `rule "${rule.name}": ${text} holds this host's own address; name the peers' addresses only`,
        });
      }
      if (!families.has(prefix.address.length)) {
        complaints.push({
          path,
          message: `rule "${rule.name}": ${text} is of a family in which this host has no address`,
        });
      }
    });
    complaints.push(...checkChannels(rule, index, channels));
  });
  return complaints;
}

type Rule = HostConfiguration['policy'][number];

/** A rule needs channels that reach its peers, in the roles and scopes of its mode; those it names must exist. */
function checkChannels(rule: Rule, index: number, channels: readonly ChannelParameters[]): Complaint[] {
  const { mode, remote, channels: named } = rule;
  const names = channels.map(({ name }) => name);
  const unknown = (named ?? []).flatMap((name, at): Complaint[] => {
    if (names.includes(name)) return [];
    const message = `rule "${rule.name}": the key file has no channel "${name}"${suggest(name, names)}`;
    return [{ path: ['policy', index, 'channels', at], message }];
  });
  if (mode === 'bypass' || mode === 'discard' || unknown.length > 0) return unknown;
  const usable = channels.filter(({ name }) => named?.includes(name) ?? true);
  return needs[mode].flatMap(({ role, scope }) =>
    remote.flatMap(({ text, prefix }, at): Complaint[] => {
      const reaching = usable.filter((channel) => channel.role === role && covers(channel, prefix));
      const path = ['policy', index, 'remote', at];
      if (reaching.length === 0) {
        const what = `mode ${mode} needs a channel of role ${role} to ${text}`;
        return [{ path, message: `rule "${rule.name}": ${what}; add one to the key file` }];
      }
      const wrong = reaching.find(({ inbound }) => inbound.scope !== scope);
      if (wrong === undefined) return [];
      const what = `mode ${mode} needs scope ${scope} on channel "${wrong.name}", not ${wrong.inbound.scope}`;
      return [{ path, message: `rule "${rule.name}": ${what}` }];
    }),
  );
}

export const addressTexts = (configuration: HostConfiguration): string[] =>
  configuration.addresses.map(formatAddress);
