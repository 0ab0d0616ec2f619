// Which requirement rows the tests show: joins docs/rows.tsv with the rows that names of tests and checks of the lab
// carry (`#41`, `N12`, `F8`, ranges such as `#22-#24`). A suite that did not run, or a name with a row that does not
// exist, is a failure too.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const ROW = /(?<![\w#&])([#NF])(\d+)(?:\s?[-–]\s?\1?(\d+))?(?!\w)/g;

/** The row ids a text names: 'reversal #22-#24, N12' -> #22 #23 #24 N12. */
function rowsIn(text) {
  const ids = new Set();
  for (const [, family, first, last] of text.matchAll(ROW)) {
    for (let n = Number(first); n <= Number(last ?? first); n += 1) ids.add(`${family}${n}`);
  }
  return [...ids];
}

/** Reports become one list of evidence: { name, source, rows, status: 'passed' | 'failed' | 'skipped' }. */
function evidenceIn(report) {
  if (Array.isArray(report.checks)) {
    return report.checks.map(({ name, rows, passed }) => ({
      name,
      source: 'lab',
      rows: rowsIn(rows.join(' ')),
      status: passed ? 'passed' : 'failed',
    }));
  }
  return report.testResults.flatMap(({ name: file, assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({
      name: fullName,
      source: path.relative(root, file),
      rows: rowsIn(fullName),
      status: status === 'passed' || status === 'failed' ? status : 'skipped',
    })),
  );
}

/** Suites that ended before their tests ran: their rows cannot be known. */
const brokenSuites = (report) =>
  (report.testResults ?? [])
    .filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
    .map(({ name }) => `${path.relative(root, name)} did not run`);

function runTests() {
  const folder = mkdtempSync(path.join(tmpdir(), 'conformance-'));
  const file = path.join(folder, 'report.json');
  try {
    const args = [
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      '--json',
      `--outputFile=${file}`,
    ];
    // Standard output belongs to the verdicts.
    spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    return JSON.parse(readFileSync(file, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runLab() {
  const lab = 'apps/lab/dist/main.js';
  if (!existsSync(path.join(root, lab))) {
    process.stderr.write('the lab is not built: its checks are left out\n');
    return { checks: [] };
  }
  const { stdout } = spawnSync(process.execPath, [lab, 'vpn', '--memory', '--json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
  });
  return JSON.parse(stdout);
}

function verdict(evidence) {
  if (evidence.some(({ status }) => status === 'failed')) return 'failed';
  return evidence.some(({ status }) => status === 'passed') ? 'shown' : 'not shown yet';
}

function readRows() {
  const [, ...lines] = readFileSync(path.join(root, 'docs/rows.tsv'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [id, title, section] = line.split('\t');
    return { id, title, section };
  });
}

function asText({ rows, summary }) {
  const lines = [];
  let section;
  for (const row of rows) {
    if (row.section !== section) lines.push('', (section = row.section));
    lines.push(`  ${row.id.padEnd(5)} ${row.verdict.padEnd(13)} ${row.title}`);
    for (const { name, source, status } of row.evidence)
      lines.push(`          ${status}  ${source}: ${name}`);
  }
  const { shown, failed, open } = summary;
  lines.push('', `${rows.length} rows: ${shown} shown, ${failed} failed, ${open} not shown yet`);
  return lines.join('\n').trimStart();
}

const USAGE = `npm run conformance [-- --json] [-- --from REPORT]...

Lists each requirement row with its tests and verdict. Without --from it runs the tests and the lab in memory;
REPORT is a finished report of either, as JSON. Exit codes: 0 no row failed, 1 some did, 2 wrong usage.
`;

function readArguments() {
  const options = {
    help: { type: 'boolean', short: 'h' },
    json: { type: 'boolean', default: false },
    from: { type: 'string', multiple: true },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const values = readArguments();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const reports = values.from?.map((file) => JSON.parse(readFileSync(file, 'utf8'))) ?? [runTests(), runLab()];
const evidence = reports.flatMap(evidenceIn);
const known = readRows();
const rows = known.map((row) => {
  const own = evidence.filter((each) => each.rows.includes(row.id));
  const shown = own.map(({ name, source, status }) => ({ name, source, status }));
  return { ...row, tests: own.length, verdict: verdict(own), evidence: shown };
});
const count = (wanted) => rows.filter((row) => row.verdict === wanted).length;
const summary = { shown: count('shown'), failed: count('failed'), open: count('not shown yet') };
const ids = new Set(known.map(({ id }) => id));
const strangers = evidence.flatMap(({ name, source, rows: named }) =>
  named.filter((id) => !ids.has(id)).map((id) => `${source}: ${id} is no row: ${name}`),
);
const problems = [...reports.flatMap(brokenSuites), ...strangers];

process.stdout.write(
  `${values.json ? JSON.stringify({ summary, problems, rows }, null, 2) : asText({ rows, summary })}\n`,
);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = summary.failed > 0 || problems.length > 0 ? 1 : 0;
