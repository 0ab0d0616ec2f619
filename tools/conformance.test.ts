import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const folder = mkdtempSync(path.join(tmpdir(), 'conformance-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly problems: readonly string[];
  /** Row id -> verdict and number of tests, for the rows that have any. */
  readonly rows: Readonly<Record<string, string>>;
}

function conformance(...reports: readonly object[]): Outcome {
  const from = reports.flatMap((report, index) => {
    const file = path.join(folder, `${index}.json`);
    writeFileSync(file, JSON.stringify(report));
    return ['--from', file];
  });
  const script = path.join(import.meta.dirname, 'conformance.mjs');
  const { status, stdout } = spawnSync(process.execPath, [script, '--json', ...from], { encoding: 'utf8' });
  const { rows, problems } = JSON.parse(stdout) as {
    rows: { id: string; tests: number; verdict: string }[];
    problems: string[];
  };
  const named = rows.filter(({ tests }) => tests > 0);
  return {
    status,
    problems,
    rows: Object.fromEntries(named.map((row) => [row.id, `${row.verdict} ${row.tests}`])),
  };
}

const suite = (tests: Readonly<Record<string, string>>): object => ({
  testResults: [
    {
      name: 'a.test.ts',
      assertionResults: Object.entries(tests).map(([fullName, status]) => ({ fullName, status })),
    },
  ],
});

test('single rows, ranges and several rows in a name are counted', () => {
  const passed = suite({ 'reversal (#22-#24)': 'passed', '#22, N12 and F8': 'passed' });
  expect(conformance(passed)).toEqual({
    status: 0,
    problems: [],
    rows: { '#22': 'shown 2', '#23': 'shown 1', '#24': 'shown 1', N12: 'shown 1', F8: 'shown 1' },
  });
});

test('one failing test fails its row, a skipped one shows nothing', () => {
  const { status, rows } = conformance(suite({ '#1 a': 'passed', '#1 b': 'failed', 'N2 c': 'pending' }));
  expect([status, rows]).toEqual([1, { '#1': 'failed 2', N2: 'not shown yet 1' }]);
});

test('checks of the lab count like tests', () => {
  const lab = {
    checks: [
      { name: 'ping', rows: ['#2', 'N3'], passed: true },
      { name: 'ssh', rows: ['#2'], passed: false },
    ],
  };
  expect(conformance(lab)).toMatchObject({ status: 1, rows: { '#2': 'failed 2', N3: 'shown 1' } });
});

test('words that look like rows are not', () => {
  const names = { 'N2N and 0xF8, AF21, x#3, IPv6, SHA-1': 'passed' };
  expect(conformance(suite(names)).rows).toEqual({});
});

test('a row that does not exist and a suite that did not run are problems', () => {
  const broken = { testResults: [{ name: '/b.test.ts', status: 'failed', assertionResults: [] }] };
  const { status, problems } = conformance(suite({ '#140 a': 'passed' }), broken);
  expect(status).toBe(1);
  expect(problems).toEqual([
    expect.stringContaining('did not run'),
    expect.stringContaining('#140 is no row'),
  ]);
});
