// Runs one benchmark: npm run bench -- NAME [options]
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = new URL('.', import.meta.url);
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs') && file !== 'main.mjs')
  .map((file) => file.slice(0, -'.mjs'.length))
  .sort();

/** What a benchmark says of itself in its first line. */
function summary(name) {
  const [first] = readFileSync(new URL(`${name}.mjs`, folder), 'utf8').split('\n');
  return first.replace(/^\/\/ /, '');
}

const list = () => names.map((name) => `  ${name.padEnd(8)} ${summary(name)}`).join('\n');
const usage = () => `usage: npm run bench -- NAME [options]     NAME --help tells the options

${list()}`;

const [name, ...options] = process.argv.slice(2);
if (name === 'list') console.log(list());
else if (name === '--help' || name === '-h') console.log(usage());
else if (names.includes(name)) {
  const { status } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL(`${name}.mjs`, folder)), ...options],
    {
      stdio: 'inherit',
    },
  );
  process.exitCode = status ?? 1;
} else {
  console.error(name === undefined ? usage() : `there is no benchmark "${name}"\n\n${usage()}`);
  process.exitCode = 2;
}
