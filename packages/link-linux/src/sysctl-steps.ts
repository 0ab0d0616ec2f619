import type { Step } from './journal.ts';
import { wireInterface, type Family, type Plan } from './plan.ts';
import type { Facts } from './steps.ts';

const set = (name: string, value: string): Step => ({ kind: 'sysctl', name, value });

/**
 * Lets packets pass through the TUN: what the process writes has one of the node's own addresses as its source
 * (`accept_local`), came from "elsewhere" (`rp_filter`), and is forwarded.
 */
export function sysctlSteps(plan: Plan, facts: Facts, used: readonly Family[]): Step[] {
  const { tun, method } = facts;
  // Interfaces through which packets that are not the host's own come in to be routed.
  const forwarding = [tun];
  if (plan.kind === 'gateway') forwarding.push(plan.lan.interface);
  if (method === 'rules') forwarding.push(wireInterface(plan));
  const steps: Step[] = [];
  if (facts.sysctl(`net/ipv6/conf/${tun}/addr_gen_mode`) !== undefined) {
    // No link-local address: the TUN shall not send router solicitations to the process.
    steps.push(set(`net/ipv6/conf/${tun}/addr_gen_mode`, '1'));
  }
  if (used.includes(4)) {
    steps.push(
      set(`net/ipv4/conf/${tun}/accept_local`, '1'),
      set(`net/ipv4/conf/${tun}/send_redirects`, '0'),
      ...reversePathSteps(facts, wireInterface(plan)),
      ...forwarding.map((name) => set(`net/ipv4/conf/${name}/forwarding`, '1')),
    );
  }
  if (used.includes(6)) steps.push(...ipv6ForwardingSteps(facts, forwarding));
  // Early demux attaches the local socket to an arriving packet, and a packet with a socket is not forwarded.
  if (method === 'rules') steps.push(set('net/ipv4/ip_early_demux', '0'));
  return steps;
}

/**
 * The filter in force on an interface is the larger of its own and `all`. The TUN needs 0, so `all` must be 0; the
 * other interfaces get for themselves what `all` gave them. `default` goes first, for writing it also changes the
 * interfaces that never had a value of their own. On the wire's interface strict becomes loose: the way back to a
 * peer is through the TUN, and a peer on the link would get no answer to its ARP requests.
 */
function reversePathSteps({ tun, interfaces, sysctl }: Facts, wire: string): Step[] {
  const nameOf = (name: string): string => `net/ipv4/conf/${name}/rp_filter`;
  const valueOf = (name: string): number => Number(sysctl(nameOf(name)) ?? 0);
  const steps = ['default', ...interfaces].map((name) => {
    const inForce = Math.max(valueOf(name), valueOf('all'));
    const wanted = name === tun ? 0 : name === wire && inForce === 1 ? 2 : inForce;
    return set(nameOf(name), String(wanted));
  });
  return [...steps, set(nameOf('all'), '0')];
}

/**
 * Linux 6.17 can forward for single interfaces. Before, forwarding is switched on for all, and an interface that
 * learns its routes from router advertisements must be told to go on doing so.
 */
function ipv6ForwardingSteps({ tun, interfaces, sysctl }: Facts, forwarding: readonly string[]): Step[] {
  const nameOf = (name: string, key: string): string => `net/ipv6/conf/${name}/${key}`;
  if (sysctl(nameOf(tun, 'force_forwarding')) !== undefined) {
    return forwarding.map((name) => set(nameOf(name, 'force_forwarding'), '1'));
  }
  const listening = interfaces.filter((name) => sysctl(nameOf(name, 'accept_ra')) === '1');
  return [
    ...listening.map((name) => set(nameOf(name, 'accept_ra'), '2')),
    set(nameOf('all', 'forwarding'), '1'),
  ];
}
