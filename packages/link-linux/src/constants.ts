/**
 * The marks this package leaves in the kernel. They are fixed, so that what a killed process left is recognised;
 * one process a network namespace therefore.
 */

/** Routing tables: towards the network (with `src` and a smaller MTU on a host), and from it (method `rules`). */
export const tables = { outbound: '20101', inbound: '20102' } as const;

/**
 * Preferences of routing rules. Method `rules` needs `local` behind `inbound`: it stands at 0 otherwise, before
 * anything else. `guard` refuses protected traffic while a killed process's rules are replaced.
 */
export const preferences = { guard: '80', inbound: '90', local: '100', outbound: '110' } as const;

/**
 * Preferences of tc ingress filters, lowest first. Each protocol needs its own. Filters for ICMP errors about
 * protected packets will stand between these.
 */
export const filters = { ipv4: '71', neighbourDiscovery: '73', ipv6: '74' } as const;

/** Behind any route through the TUN: what is to be protected is refused, never sent in the clear, without it. */
export const UNREACHABLE_METRIC = '4096';

/** Method `rules`: mark of ICMPv6 echo, which a routing rule cannot tell from neighbour discovery, and its table. */
export const echoMark = '0x4e67';
export const nftTable = 'ngisec';
