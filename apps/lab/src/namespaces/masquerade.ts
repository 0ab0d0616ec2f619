import { readFileSync } from 'node:fs';
import type { Check } from '../check.ts';
import { services } from '../meeting.ts';
import { gateways } from '../topology.ts';
import { run } from './command.ts';
import type { Network } from './network.ts';

/**
 * Source NAT, at gateway B forwarded ports too, and a firewall that drops what it finds invalid: a Linux router,
 * nothing of ours.
 */
function rules(name: (typeof gateways)[number]): string {
  const forwards = (name === 'gw-b' ? services() : []).map(({ protocol, host, port, hostPort }) => {
    const [family, icmp, to] = host.includes(':') ? ['ip6', 'icmpv6', `[${host}]`] : ['ip', 'icmp', host];
    const what = protocol === 'icmp' ? `${icmp} type echo-request` : `${protocol} dport ${port}`;
    return `iifname wan0 ${what} dnat ${family} to ${protocol === 'icmp' ? host : `${to}:${hostPort}`}`;
  });
  return `table inet nat {
    chain prerouting { type nat hook prerouting priority dstnat; ${forwards.join('; ')}; }
    chain postrouting { type nat hook postrouting priority srcnat; oifname wan0 masquerade; }
  }
  table inet filter {
    chain forward { type filter hook forward priority filter; ct state invalid drop; }
  }`;
}

export function masquerade(network: Network): void {
  for (const name of gateways) {
    run(['ip', 'netns', 'exec', network.namespaces[name], 'nft', '-f', '-'], rules(name));
  }
}

const NETFILTER = '/proc/sys/net/netfilter';

/** What the connection tracking of each gateway says of the packets it saw. */
export function conntrackCheck(network: Network): Check {
  const seen = gateways.map((name) =>
    network.enter(name, () => {
      const [titles, ...cpus] = readFileSync('/proc/net/stat/nf_conntrack', 'utf8').trim().split('\n');
      const sum = (title: string): number => {
        const column = titles!.trim().split(/\s+/).indexOf(title);
        return cpus.reduce((total, line) => total + parseInt(line.trim().split(/\s+/)[column]!, 16), 0);
      };
      const liberal = readFileSync(`${NETFILTER}/nf_conntrack_tcp_be_liberal`, 'utf8').trim();
      const entries = Number(readFileSync(`${NETFILTER}/nf_conntrack_count`, 'utf8'));
      return { name, entries, invalid: sum('invalid'), failed: sum('insert_failed') + sum('drop'), liberal };
    }),
  );
  const rows = seen.map(
    ({ name, entries, invalid, failed, liberal }) =>
      `${name}: ${entries} connections, ${invalid} INVALID, ${failed} lost, be_liberal=${liberal}`,
  );
  return {
    name: 'unmodified Linux masquerading passes TCPSec and UDPSec, and finds no packet invalid',
    rows: ['#80', '#84', '#102'],
    passed: seen.every(
      ({ entries, invalid, failed, liberal }) =>
        entries > 0 && invalid === 0 && failed === 0 && liberal === '0',
    ),
    detail: rows.join('; '),
  };
}
