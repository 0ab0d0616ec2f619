import { readdirSync, readFileSync } from 'node:fs';
import { find } from './command.ts';
import type { Network, Place } from './network.ts';

/** Everything of a namespace that an interception may touch, a line each: routing, filters, interfaces, sysctls. */
export function machineState(network: Network, place: Place): string[] {
  const shown = (...words: string[]): string[] => network.ip(place, ...words).split('\n');
  const families = ['-4', '-6'];
  return [
    ...families.flatMap((family) => shown(family, 'rule show').map((line) => `rule ${family} ${line}`)),
    ...families.flatMap((family) =>
      shown(family, 'route show table all').map((line) => `route ${family} ${line}`),
    ),
    ...interfaces(network, place).flatMap((name) => [`interface ${name}`, ...filters(network, place, name)]),
    ...network.enter(place, sysctls),
  ].sort();
}

/** What changed: lines gone, then lines that are new. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  const [old, current] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !current.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}

const interfaces = (network: Network, place: Place): string[] =>
  (JSON.parse(network.ip(place, '-j link show')) as { ifname: string }[]).map(({ ifname }) => ifname);

function filters(network: Network, place: Place, name: string): string[] {
  if (find('tc') === undefined) return [];
  const shown = (object: string): string[] => {
    const where = object === 'filter' ? [name, 'ingress'] : [name];
    return network.run(place, ['tc', object, 'show', 'dev', ...where]).split('\n');
  };
  const disciplines = shown('qdisc').filter((line) => line !== '');
  const hasIngress = disciplines.some((line) => /clsact|ingress/.test(line));
  return [...disciplines, ...(hasIngress ? shown('filter') : [])].map((line) => `tc ${name} ${line}`);
}

const SYSCTLS = [
  'rp_filter',
  'forwarding',
  'accept_local',
  'send_redirects',
  'force_forwarding',
  'accept_ra',
];

function sysctls(): string[] {
  const root = '/proc/sys/net';
  const files = ['ipv4', 'ipv6'].flatMap((family) =>
    readdirSync(`${root}/${family}/conf`).flatMap((name) =>
      SYSCTLS.map((key) => `${family}/conf/${name}/${key}`),
    ),
  );
  return [...files, 'ipv4/ip_early_demux', 'ipv4/ip_forward'].flatMap((file) => {
    try {
      return [`sysctl ${file} ${readFileSync(`${root}/${file}`, 'utf8').trim()}`];
    } catch {
      return [];
    }
  });
}
