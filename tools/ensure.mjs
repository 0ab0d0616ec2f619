// Installs what package-lock.json asks for and, with --build, compiles, so that each npm script works
// alone on a fresh clone. Says nothing where nothing is to be done.
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

function run(what, command, args) {
  process.stderr.write(`${what} ...\n`);
  const shell = process.platform === 'win32';
  // npm's own output goes to standard error: standard output belongs to the script that comes after.
  const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2], shell });
  if (status !== 0) process.exit(status ?? 1);
}

const stamp = 'node_modules/.install-stamp';
const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
const found = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
if (found !== wanted) {
  run('installing dependencies', 'npm', [
    'ci',
    '--no-audit',
    '--no-fund',
    '--include=dev',
    '--loglevel=error',
  ]);
  writeFileSync(stamp, wanted);
}

if (process.argv.includes('--build')) {
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/@typescript/native/bin/tsc', '-b', 'apps/lab'],
    {
      stdio: ['ignore', 2, 2],
    },
  );
  if (status !== 0) process.exit(status ?? 1);
}
