import type { Backend, BackendOptions, Check, ScenarioResult } from './check.ts';
import { judge } from './judge.ts';
import { memoryBackend } from './memory/backend.ts';
import { healFlush } from './memory/healing.ts';
import { visibility } from './memory/visibility.ts';
import { attack } from './namespaces/attack.ts';
import { tlsInMemory } from './memory/tls.ts';
import { manyHosts } from './memory/many-hosts.ts';
import { namespacesBackend } from './namespaces/backend.ts';
import { tlsInNamespaces } from './namespaces/tls.ts';

export type BackendName = ScenarioResult['backend'];
export type RunOptions = Omit<BackendOptions, 'mode'>;

export interface Outcome {
  readonly checks: readonly Check[];
  readonly figures: ScenarioResult['figures'];
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly run: Readonly<Partial<Record<BackendName, (options: RunOptions) => Promise<Outcome>>>>;
}

/** Transfers, datagrams and pings through a mode's topology, watched on every leg. */
const traffic =
  (mode: BackendOptions['mode'], backend: Backend) =>
  async (options: RunOptions): Promise<Outcome> => {
    const seen = await backend.run({ ...options, mode });
    return { checks: judge(mode, seen), figures: seen.figures };
  };

const onBoth = (mode: BackendOptions['mode']): Scenario['run'] => ({
  namespaces: traffic(mode, namespacesBackend),
  memory: traffic(mode, memoryBackend),
});

export const scenarios: readonly Scenario[] = [
  {
    name: 'vpn',
    summary: 'two private networks behind two NAT gateways; hosts see each other’s private addresses',
    run: onBoth('vpn'),
  },
  {
    name: 'lan',
    summary: 'host to host with plain routers in between; no NAT, no gateway of ours',
    run: onBoth('lan'),
  },
  {
    name: 'tls',
    summary: 'hosts run nothing of ours; TLS between private networks, gateways seal first packets only',
    run: { namespaces: tlsInNamespaces, memory: tlsInMemory },
  },
  {
    name: 'n2n',
    summary: 'both sides keep their addresses hidden; gateways repeat the transport header for each other',
    run: onBoth('n2n'),
  },
  {
    name: 'tcpsec',
    summary: 'TCPSec and UDPSec between hosts behind ordinary NATs, which run nothing of ours',
    run: onBoth('tcpsec'),
  },
  {
    name: 'many-hosts',
    summary:
      'twenty hosts behind one address, with equal ports, talk to one server; then their NAT forgets them',
    run: { memory: manyHosts },
  },
  {
    name: 'heal-flush',
    summary:
      'a gateway forgets every mapping under a hundred live flows; they go on, and no keepalive was needed',
    run: { memory: healFlush },
  },
  {
    name: 'attack',
    summary:
      'a router on the path injects RST, FIN, SYN and garbage: into our connection, and into TLS beside it',
    run: { namespaces: attack },
  },
  {
    name: 'visibility',
    summary:
      'what a gateway can say of traffic it cannot open: a record of each flow, and where a SYN flood goes',
    run: { memory: visibility },
  },
];

/** How much traffic: the real stacks get the full measure, the scripted ones a small one. */
export const amounts = {
  namespaces: { transferOctets: 64 * 1024 * 1024, datagramCount: 1000, pingCount: 20 },
  memory: { transferOctets: 256 * 1024, datagramCount: 1000, pingCount: 20 },
} as const;

/** Throws where the scenario does not run on that back-end. */
export async function runScenario(
  scenario: Scenario,
  backend: BackendName,
  options: RunOptions,
): Promise<ScenarioResult> {
  const run = scenario.run[backend];
  if (run === undefined) throw new RangeError(`scenario ${scenario.name} does not run on ${backend}`);
  const { checks, figures } = await run(options);
  const passed = checks.every((check) => check.passed);
  return { scenario: scenario.name, backend, seed: options.seed, passed, checks, figures };
}
