import { limits } from '@ngisec/core';
import type { ChannelParameters } from '@ngisec/ipsec';
import { codePoints } from '@ngisec/stage-qos';
import { addressSchema, commonSchema, portsSchema, prefixSchema, type Complaint } from '@ngisec/runtime';
import { formatAddress, type Prefix } from '@ngisec/wire';
import { z } from 'zod';

const protocols = { icmp: 1, tcp: 6, udp: 17 } as const;

export const ruleSchema = z.strictObject({
  name: z.string().min(1),
  mode: z.enum(['lan', 'vpn', 'bypass', 'discard']),
  /** Whose traffic: remote prefixes. */
  remote: z.array(prefixSchema).min(1),
  protocol: z
    .enum(Object.keys(protocols) as (keyof typeof protocols)[])
    .transform((name) => protocols[name])
    .optional(),
  localPorts: portsSchema.optional(),
  remotePorts: portsSchema.optional(),
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
    if (rule.mode !== 'lan' && rule.mode !== 'vpn') return;
    const wanted = rule.mode === 'lan' ? (['both'] as const) : (['data', 'control'] as const);
    for (const role of wanted) {
      const ofRole = channels.filter((channel) => channel.role === role);
      rule.remote.forEach(({ text, prefix }, at) => {
        if (ofRole.some((channel) => covers(channel, prefix))) return;
        const needs = `mode ${rule.mode} needs a channel of role ${role} to ${text}`;
        const message = `rule "${rule.name}": ${needs}; add one to the key file`;
        complaints.push({ path: ['policy', index, 'remote', at], message });
      });
    }
  });
  return complaints;
}

export const addressTexts = (configuration: HostConfiguration): string[] =>
  configuration.addresses.map(formatAddress);
