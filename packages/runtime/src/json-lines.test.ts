import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JsonLines } from './json-lines.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ngisec-lines-'));
  path = join(directory, 'records.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true }));

const lines = (): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('one object a line, in order, below a line that dates the clock; for its owner only', async () => {
  const file = new JsonLines(path, 'gw-a');
  for (let count = 0; count < 1000; count += 1) file.next({ count });
  await file.idle();
  const [header, ...records] = lines();
  expect(header).toEqual({ systemInitTimeMilliseconds: expect.any(Number), node: 'gw-a' });
  const nowMs = (header!['systemInitTimeMilliseconds'] as number) + performance.now();
  expect(Math.abs(nowMs - Date.now())).toBeLessThan(60_000);
  expect(records).toEqual(Array.from({ length: 1000 }, (_, count) => ({ count })));
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a second start goes on behind the first', async () => {
  for (const node of ['first', 'second']) {
    const file = new JsonLines(path, node);
    file.next({ from: node });
    await file.idle();
  }
  expect(lines().map(({ node, from }) => node ?? from)).toEqual(['first', 'first', 'second', 'second']);
});

test('what is too much at once is lost, not kept in memory, and the file says how much', async () => {
  const file = new JsonLines(path, 'gw-a');
  const text = 'x'.repeat(1000);
  for (let count = 0; count < 2000; count += 1) file.next({ count, text });
  await file.idle();
  file.next({ count: 2000 });
  await file.idle();
  const kept = lines().filter(({ count }) => count !== undefined).length;
  const lost = lines().flatMap((line) => (line['lost'] === undefined ? [] : [line['lost']]));
  expect(kept).toBeGreaterThan(1000);
  expect(kept).toBeLessThan(2001);
  expect(lost).toEqual([2001 - kept]);
});

const full = '/dev/full';
const onLinux = existsSync(full) || process.env['CI'] ? test : test.skip;
if (onLinux !== test) process.stderr.write(`skipping a test of json-lines.test.ts: no ${full}\n`);

onLinux('a full disk neither throws nor ends it', async () => {
  const file = new JsonLines(full, 'gw-a');
  for (let count = 0; count < 3; count += 1) {
    file.next({ count });
    await expect(file.idle()).resolves.toBeUndefined();
  }
});

test('a directory that is not there is said at once', () => {
  expect(() => new JsonLines(join(directory, 'no', 'records.jsonl'), 'gw-a')).toThrow(/ENOENT/);
});
