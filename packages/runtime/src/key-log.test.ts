import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Workbench } from '../test/workbench.ts';
import { ConfigurationError } from './configuration.ts';
import { KeyFile } from './key-file.ts';
import { keyLogLine, keyLogOf, keyLogWarning, writeKeyLog } from './key-log.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ngisec-key-log-'));
  path = join(folder, 'keys.log');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('one line an SA, named by sender and receiver', () => {
  const bench = new Workbench();
  const { channels } = new KeyFile(bench.keys);
  bench.close();
  expect(keyLogOf('alice', channels)).toBe(
    'ngisec-sa 00001000 both aes-128-gcm full 00112233445566778899aabbccddeeff01020304 bob>alice\n' +
      'ngisec-sa 00001001 both aes-128-gcm full ffeeddccbbaa9988776655443322110005060708 alice>bob\n',
  );
});

test('a name cannot break its line, and an SPI has eight digits', () => {
  const line = keyLogLine({
    ...{ spi: 0xfedc_ba98, role: 'data', suite: 'aes-128-gcm', scope: 'ports' },
    keyMaterial: new Uint8Array(20),
    name: 'a>b\nngisec-sa 1 x\t y',
  });
  expect(line).toBe(`ngisec-sa fedcba98 data aes-128-gcm ports ${'00'.repeat(20)} a>b-ngisec-sa-1-x-y`);
});

const onPosix = process.platform !== 'win32' || process.env['CI'] ? test : test.skip;
if (onPosix !== test) process.stderr.write('skipping the modes of key-log.test.ts: no POSIX modes here\n');

onPosix.each([0o000, 0o022, 0o077])('is for its owner only, whatever the umask: %o', (umask) => {
  const before = process.umask(umask);
  try {
    writeKeyLog(path, 'text\n');
  } finally {
    process.umask(before);
  }
  expect([statSync(path).mode & 0o777, readFileSync(path, 'utf8')]).toEqual([0o600, 'text\n']);
});

test('overwrites nothing and follows no link', () => {
  const other = join(folder, 'other');
  const link = join(folder, 'link');
  writeFileSync(path, 'before');
  symlinkSync(other, link);
  for (const taken of [path, link]) {
    const message = 'key log: is there already; a key log is a new file';
    expect(() => writeKeyLog(taken, 'text')).toThrow(
      new ConfigurationError([{ file: taken, line: 1, column: 1, message }]),
    );
  }
  expect([readFileSync(path, 'utf8'), existsSync(other)]).toEqual(['before', false]);
  expect(() => writeKeyLog(join(folder, 'no', 'keys.log'), 'text')).toThrow(/key log: ENOENT/);
});

test('the warning says what the file is worth', () => {
  expect(keyLogWarning('keys.log')).toMatch(/^warning: keys\.log .*whoever has the file reads everything/);
});
