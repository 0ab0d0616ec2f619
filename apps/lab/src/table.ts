import type { ScenarioResult } from './check.ts';

/** The result for people: a line a check, what it rests on below it, then the figures. */
export function resultTable({ scenario, backend, seed, passed, checks, figures }: ScenarioResult): string {
  const lines = checks.flatMap(({ name, passed: ok, detail }) => [
    `  ${ok ? 'ok  ' : 'FAIL'}  ${name}`,
    `          ${detail}`,
  ]);
  const shown = Object.entries(figures).map(([name, value]) => `  ${name}: ${value}`);
  const failed = checks.filter(({ passed: ok }) => !ok).length;
  const verdict = passed
    ? `all ${checks.length} checks passed`
    : `${failed} of ${checks.length} checks failed`;
  return [`scenario ${scenario}, ${backend}, seed ${seed}`, ...lines, '', ...shown, '', verdict].join('\n');
}
