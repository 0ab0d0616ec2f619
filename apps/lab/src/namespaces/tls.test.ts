import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ScenarioResult } from '../check.ts';
import { available } from './availability.ts';
import { find } from './command.ts';

const machine = available();
const missing = ['openssl', 'curl'].filter((program) => find(program) === undefined);
const isPossible = machine.ok && missing.length === 0;
if (!isPossible) {
  const reason = machine.ok ? `no ${missing.join(', no ')}` : machine.reason;
  process.stderr.write(`skipped: TLS between real stacks: ${reason}\n`);
}
// On CI a machine that cannot run this is a failure, not an excuse.
const run = isPossible || process.env['CI'] !== undefined ? describe : describe.skip;
const LIMIT_MS = 120_000;

const lab = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

run('mode tls on real Linux stacks', () => {
  test.each(['--interception tc', '--interception rules --no-offload'])(
    '#9 #86 #88 curl and openssl, hosts without a process of ours, %s: every check passes',
    async (words) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...[lab, 'tls', '--json'],
        ...words.split(' '),
      ]);
      const { backend, passed, checks } = JSON.parse(stdout) as ScenarioResult;
      const failed = checks.filter((check) => !check.passed).map(({ name, detail }) => `${name}: ${detail}`);
      expect(failed).toEqual([]);
      expect({ backend, passed, count: checks.length }).toEqual({
        backend: 'namespaces',
        passed: true,
        count: 13,
      });
    },
    LIMIT_MS,
  );
});
