import { echoMark, filters, nftTable, preferences, tables, UNREACHABLE_METRIC } from './constants.ts';
import type { Step } from './journal.ts';
import {
  families,
  familyOf,
  inboundPairs,
  outboundPairs,
  wireInterface,
  type Family,
  type Method,
  type Plan,
} from './plan.ts';
import { sysctlSteps } from './sysctl-steps.ts';

/** What the steps depend on besides the plan. */
export interface Facts {
  readonly method: Method;
  readonly tun: string;
  /** MTU of the interface on the network's side. */
  readonly mtu: number;
  /** All interfaces, the TUN included. */
  readonly interfaces: readonly string[];
  /** True where that interface already has a place for ingress filters. */
  readonly hasIngress: boolean;
  /** Families whose forwarded packets a firewall drops unless told otherwise, as Docker and ufw set it up. */
  readonly forwardDropped: readonly Family[];
  readonly sysctl: (name: string) => string | undefined;
}

/**
 * Everything to do for a plan, in order: first the TUN and the routes, which nothing uses yet, then what leads
 * packets to them.
 */
export function planSteps(plan: Plan, facts: Facts): Step[] {
  const used = families.filter((family) => outboundPairs(plan, family).length > 0);
  return [
    ...sysctlSteps(plan, facts, used),
    command(ip('link set dev', facts.tun, 'mtu', facts.mtu, 'up'), ip('link set dev', facts.tun, 'down')),
    ...facts.forwardDropped.flatMap((family) => forwardSteps(facts.tun, family)),
    ...used.flatMap((family) => routeSteps(plan, facts, family)),
    ...(facts.method === 'tc' ? tcSteps(plan, facts, used) : inboundRuleSteps(plan, used)),
    ...used.flatMap((family) => outboundRuleSteps(plan, family)),
  ];
}

const words = (parts: readonly (string | number)[]): string[] =>
  parts.flatMap((part) => String(part).split(' '));
const ip = (...parts: (string | number)[]): string[] => ['ip', ...words(parts)];
const ipOf = (family: Family, ...parts: (string | number)[]): string[] => [
  'ip',
  `-${family}`,
  ...words(parts),
];
const tc = (...parts: (string | number)[]): string[] => ['tc', ...words(parts)];

const command = (run: readonly string[], undo?: readonly string[]): Step =>
  undo === undefined ? { kind: 'command', run } : { kind: 'command', run, undo };

/** A route or rule is taken back by the words that made it, `add` replaced. */
const added = (family: Family, object: 'route' | 'rule', ...parts: (string | number)[]): Step =>
  command(ipOf(family, object, 'add', ...parts), ipOf(family, object, 'del', ...parts));

function forwardSteps(tun: string, family: Family): Step[] {
  const program = family === 4 ? 'iptables' : 'ip6tables';
  return ['-i', '-o'].map((direction) => {
    const rule = ['FORWARD', direction, tun, '-j', 'ACCEPT'];
    return command([program, '-w', '-I', ...rule], [program, '-w', '-D', ...rule]);
  });
}

/** The unreachable route stays when the TUN goes with its process: nothing then leaves in the clear. */
function routeSteps(plan: Plan, { tun, mtu, method }: Facts, family: Family): Step[] {
  const refused = (table: string): Step =>
    added(family, 'route', 'unreachable default metric', UNREACHABLE_METRIC, 'table', table);
  const own =
    plan.kind === 'host' ? plan.addresses.find((address) => familyOf(address) === family) : undefined;
  const host = plan.kind === 'host' ? ['src', own!, 'mtu', mtu - plan.overheadBytes] : [];
  const steps = [
    refused(tables.outbound),
    added(family, 'route', 'default dev', tun, ...host, 'table', tables.outbound),
  ];
  if (method === 'rules') {
    steps.push(refused(tables.inbound), added(family, 'route', 'default dev', tun, 'table', tables.inbound));
  }
  return steps;
}

/** What selects the packets that leave towards a peer. */
function outboundSelectors(plan: Plan, family: Family): string[] {
  const from = plan.kind === 'host' ? 'iif lo' : `iif ${plan.lan.interface}`;
  return outboundPairs(plan, family).map((pair) =>
    pair.from === 'all' ? `${from} to ${pair.to}` : `${from} from ${pair.from} to ${pair.to}`,
  );
}

const outboundRuleSteps = (plan: Plan, family: Family): Step[] =>
  outboundSelectors(plan, family).map((selector) =>
    added(family, 'rule', `pref ${preferences.outbound} ${selector} lookup ${tables.outbound}`),
  );

/** Refuses what the plan protects, before any other rule. */
export const guardSteps = (plan: Plan): Step[] =>
  families.flatMap((family) =>
    outboundSelectors(plan, family).map((selector) =>
      added(family, 'rule', `pref ${preferences.guard} ${selector} unreachable`),
    ),
  );

/** Redirects at ingress. Neighbour and router discovery (ICMPv6 133 to 137, RFC 4861) must reach the stack. */
function tcSteps(plan: Plan, { tun, hasIngress }: Facts, used: readonly Family[]): Step[] {
  const dev = wireInterface(plan);
  const filter = (pref: string, protocol: string, match: string, result: string): Step =>
    command(tc('filter add dev', dev, 'ingress pref', pref, 'protocol', protocol, 'u32', match, result));
  const group = (pref: string, protocol: string, steps: readonly Step[]): Step[] => {
    // One undo removes all filters of the preference; recorded with the first, it is there before any exists.
    const [first, ...rest] = steps;
    const undo = tc('filter del dev', dev, 'ingress pref', pref, 'protocol', protocol);
    return first === undefined ? [] : [{ ...first, undo } as Step, ...rest];
  };
  const redirects = (family: Family, pref: string, protocol: string, word: string): Step[] =>
    inboundPairs(plan, family).map(({ from, to }) =>
      filter(
        pref,
        protocol,
        `match ${word} src ${from} match ${word} dst ${to}`,
        `action mirred egress redirect dev ${tun}`,
      ),
    );
  // A class without an action lets the packet pass and ends the search; `action pass` would need act_gact.
  const discovery = ['133 0xff', '134 0xfe', '136 0xfe'].map((types) =>
    filter(
      filters.neighbourDiscovery,
      'ipv6',
      `match ip6 protocol 58 0xff match u8 ${types} at 40`,
      'flowid :1',
    ),
  );
  return [
    ...(hasIngress ? [] : [command(tc('qdisc add dev', dev, 'clsact'), tc('qdisc del dev', dev, 'clsact'))]),
    ...(used.includes(4) ? group(filters.ipv4, 'ip', redirects(4, filters.ipv4, 'ip', 'ip')) : []),
    ...(used.includes(6)
      ? [
          ...group(filters.neighbourDiscovery, 'ipv6', discovery),
          ...group(filters.ipv6, 'ipv6', redirects(6, filters.ipv6, 'ipv6', 'ip6')),
        ]
      : []),
  ];
}

/**
 * Routes inbound packets to the TUN by protocol: a rule without one would also answer ARP's route lookups, and one
 * for ICMPv6 would take neighbour discovery, so that echo is chosen by a mark. `local` is added behind before it
 * is removed in front, for without it the host is cut off.
 */
function inboundRuleSteps(plan: Plan, used: readonly Family[]): Step[] {
  const dev = wireInterface(plan);
  const rules = used.flatMap((family) => {
    const protocols = family === 4 ? ['tcp', 'udp', 'icmp'] : ['tcp', 'udp'];
    return inboundPairs(plan, family).flatMap(({ from, to }) =>
      protocols.map((protocol) =>
        added(
          family,
          'rule',
          `pref ${preferences.inbound} iif ${dev} from ${from} to ${to} ipproto ${protocol} lookup ${tables.inbound}`,
        ),
      ),
    );
  });
  const moves = used.flatMap((family) => [
    added(family, 'rule', `pref ${preferences.local} lookup local`),
    command(ipOf(family, 'rule del pref 0 lookup local'), ipOf(family, 'rule add pref 0 lookup local')),
  ]);
  return [...rules, ...(used.includes(6) ? echoSteps(plan) : []), ...moves];
}

function echoSteps(plan: Plan): Step[] {
  const dev = wireInterface(plan);
  const nft = (text: string): string[] => ['nft', ...text.split(' ')];
  const table = `ip6 ${nftTable}`;
  return [
    command(nft(`add table ${table}`), nft(`delete table ${table}`)),
    command(nft(`add chain ${table} prerouting { type filter hook prerouting priority -150 ; }`)),
    ...inboundPairs(plan, 6).map(({ from, to }) =>
      command(
        nft(
          `add rule ${table} prerouting iifname ${dev} ip6 saddr ${from} ip6 daddr ${to} ` +
            `icmpv6 type { echo-request, echo-reply } meta mark set ${echoMark}`,
        ),
      ),
    ),
    added(6, 'rule', `pref ${preferences.inbound} iif ${dev} fwmark ${echoMark} lookup ${tables.inbound}`),
  ];
}
