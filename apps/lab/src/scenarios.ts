import type { Backend, BackendOptions, ScenarioResult } from './check.ts';
import { judge } from './judge.ts';
import type { LabMode } from './node-files.ts';

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  readonly mode: LabMode;
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'vpn',
    mode: 'vpn',
    summary: 'two private networks behind two NAT gateways; hosts see each other’s private addresses',
  },
  {
    name: 'lan',
    mode: 'lan',
    summary: 'host to host with plain routers in between; no NAT, no gateway of ours',
  },
];

/** How much traffic: the real stacks get the full measure, the scripted ones a small one. */
export const amounts = {
  namespaces: { transferOctets: 64 * 1024 * 1024, datagramCount: 1000, pingCount: 20 },
  memory: { transferOctets: 256 * 1024, datagramCount: 1000, pingCount: 20 },
} as const;

export type RunOptions = Omit<BackendOptions, 'mode'>;

export async function runScenario(
  scenario: Scenario,
  backend: Backend,
  options: RunOptions,
): Promise<ScenarioResult> {
  const seen = await backend.run({ ...options, mode: scenario.mode });
  const checks = judge(scenario.mode, seen);
  return {
    scenario: scenario.name,
    backend: backend.name,
    seed: options.seed,
    passed: checks.every(({ passed }) => passed),
    checks,
    figures: seen.figures,
  };
}
