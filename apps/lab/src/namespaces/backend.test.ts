import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ScenarioResult } from '../check.ts';
import { available } from './availability.ts';

const machine = available();
if (!machine.ok) {
  process.stderr.write(`skipped: scenarios on real stacks: ${machine.reason}; ${machine.fix}\n`);
}
// On CI a machine that cannot run this is a failure, not an excuse.
const run = machine.ok || process.env['CI'] !== undefined ? describe : describe.skip;
const LIMIT_MS = 180_000;

/** The command as a user runs it, from the build that `npm test` makes. */
const lab = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

run('scenarios on real Linux stacks', () => {
  test.each([
    ['vpn --interception tc', 16],
    ['vpn --interception rules', 16],
    ['vpn --interception tc --no-offload', 16],
    ['lan --interception tc', 16],
    ['lan --interception rules', 16],
    ['n2n --interception tc', 16],
    ['n2n --interception rules', 16],
    ['tcpsec', 16],
    ['attack', 6],
  ])(
    '%s: every check passes',
    async (words, checksMin) => {
      const { stdout } = await promisify(execFile)(process.execPath, [lab, ...words.split(' '), '--json']);
      const { backend, passed, checks } = JSON.parse(stdout) as ScenarioResult;
      const failed = checks.filter((check) => !check.passed).map(({ name, detail }) => `${name}: ${detail}`);
      expect(failed).toEqual([]);
      expect({ backend, passed }).toEqual({ backend: 'namespaces', passed: true });
      expect(checks.length).toBeGreaterThanOrEqual(checksMin);
    },
    LIMIT_MS,
  );
});
