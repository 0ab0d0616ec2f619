import { parseAddress, parsePrefix } from '@ngisec/wire';
import { LinkError } from './link-error.ts';

/** A host protects its own traffic with the peers. */
export interface HostPlan {
  readonly kind: 'host';
  readonly name: string;
  readonly interface: string;
  /** The host's own addresses on the interface. */
  readonly addresses: readonly string[];
  /** Prefixes of those it talks to under protection. */
  readonly peers: readonly string[];
  /** The most octets protection adds to a packet. */
  readonly overheadBytes: number;
}

/** A gateway translates what goes between its LAN and the prefixes behind its peers. */
export interface GatewayPlan {
  readonly kind: 'gateway';
  readonly name: string;
  readonly lan: { readonly interface: string; readonly prefixes: readonly string[] };
  readonly wan: { readonly interface: string; readonly addresses: readonly string[] };
  readonly peers: readonly { readonly addresses: readonly string[]; readonly prefixes: readonly string[] }[];
}

export type Plan = HostPlan | GatewayPlan;

/**
 * `tc`: inbound packets are redirected as they come in, before any IP processing. `rules`: they are routed to the
 * TUN by policy; for kernels without tc's u32 and mirred.
 */
export type Method = 'tc' | 'rules';

export type Family = 4 | 6;
export const families: readonly Family[] = [4, 6];
export const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4);
export const ofFamily = (list: readonly string[], family: Family): string[] =>
  list.filter((address) => familyOf(address) === family);

export interface Pair {
  readonly from: string;
  readonly to: string;
}

/** Every combination of a `from` and a `to` of the family. */
export const pairs = (from: readonly string[], to: readonly string[], family: Family): Pair[] =>
  ofFamily(from, family).flatMap((source) =>
    ofFamily(to, family).map((target) => ({ from: source, to: target })),
  );

/** The interface on the network's side. */
export const wireInterface = (plan: Plan): string =>
  plan.kind === 'host' ? plan.interface : plan.wan.interface;

/** What arrives from the network for this node to open: from a peer, to an address of its own. */
export const inboundPairs = (plan: Plan, family: Family): Pair[] =>
  plan.kind === 'host'
    ? pairs(plan.peers, plan.addresses, family)
    : plan.peers.flatMap((peer) => pairs(peer.addresses, plan.wan.addresses, family));

/** What leaves what the node protects: a host sends to a peer's prefix, whatever address it uses; a gateway's LAN. */
export const outboundPairs = (plan: Plan, family: Family): Pair[] =>
  plan.kind === 'host'
    ? ofFamily(plan.peers, family).map((to) => ({ from: 'all', to }))
    : plan.peers.flatMap((peer) => pairs(plan.lan.prefixes, peer.prefixes, family));

/** Throws LinkError where the plan holds something that is no address or prefix, or cannot protect what it names. */
export function checkPlan(plan: Plan): void {
  const isHost = plan.kind === 'host';
  const own = isHost
    ? plan.addresses
    : [...plan.wan.addresses, ...plan.peers.flatMap((peer) => peer.addresses)];
  const prefixes = isHost
    ? plan.peers
    : [...plan.lan.prefixes, ...plan.peers.flatMap((peer) => peer.prefixes)];
  const badAddress = own.find((text) => parseAddress(text) === undefined);
  if (badAddress !== undefined) {
    throw new LinkError(`"${badAddress}" is no address`, 'Write it like 10.1.0.5 or fd01::5.');
  }
  const badPrefix = prefixes.find((text) => parsePrefix(text) === undefined);
  if (badPrefix !== undefined) {
    throw new LinkError(`"${badPrefix}" is no prefix`, 'Write it like 10.2.0.0/24 or fd02::/64.');
  }
  const protects = families.filter((family) => outboundPairs(plan, family).length > 0);
  if (protects.length === 0) {
    throw new LinkError(`the plan "${plan.name}" protects nothing`, 'Name at least one prefix of peers.');
  }
  const deaf = protects.find((family) => inboundPairs(plan, family).length === 0);
  if (deaf !== undefined) {
    throw new LinkError(
      `the plan "${plan.name}" protects IPv${deaf} traffic but has no IPv${deaf} address for the answers`,
      `Add an own IPv${deaf} address (a gateway's peers need one too), or leave the IPv${deaf} prefixes out.`,
    );
  }
}
