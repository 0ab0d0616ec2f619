import type { ScenarioResult } from '../check.ts';
import { runScenario, scenarios, type RunOptions } from '../scenarios.ts';

const small: RunOptions = {
  seed: 20261122,
  transferOctets: 64 * 1024,
  datagramCount: 200,
  pingCount: 5,
  progress: () => undefined,
};

describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
  '%s in memory',
  (_, scenario) => {
    let first: ScenarioResult;
    // Not before its turn: jest cannot link two applications at once.
    beforeAll(async () => void (first = await runScenario(scenario, 'memory', small)));

    test('every check passes', () => {
      const { checks } = first;
      const failed = checks.filter(({ passed }) => !passed).map(({ name, detail }) => `${name}: ${detail}`);
      expect(failed).toEqual([]);
      expect(checks.length).toBeGreaterThan(3);
    });

    test('F11 the same seed gives the same verdicts and the same octets, another seed other octets', async () => {
      const second = await runScenario(scenario, 'memory', small);
      const other = await runScenario(scenario, 'memory', { ...small, seed: 1 });
      expect(second).toEqual(first);
      if ('wireSha256' in first.figures) {
        expect(other.figures['wireSha256']).not.toBe(first.figures['wireSha256']);
      }
    });
  },
);
