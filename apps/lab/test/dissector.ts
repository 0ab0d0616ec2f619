import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../extras/wireshark/', import.meta.url));
export const DISSECTOR = `${folder}ngisec.lua`;
export const CIPHER_FOLDER = folder;

/** No user's settings and plugins: they would be the test's. */
const environment = { ...process.env, HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent' };

export const hasTshark = (): boolean => spawnSync('tshark', ['--version']).status === 0;

export interface Dissection {
  readonly keyLog?: string;
  readonly filter?: string;
  /** `name:value`, as `-o` takes them. */
  readonly preferences?: readonly string[];
  readonly more?: readonly string[];
  readonly script?: string;
}

/** What tshark prints, standard error first. */
export function tshark(
  file: string,
  { keyLog, filter, preferences = [], more = [], script = DISSECTOR }: Dissection = {},
): string {
  const set = keyLog === undefined ? preferences : [`ngisec.key_log:${keyLog}`, ...preferences];
  const argv = ['-X', `lua_script:${script}`, ...set.flatMap((setting) => ['-o', setting]), '-r', file];
  if (filter !== undefined) argv.push('-Y', filter);
  const output = { encoding: 'utf8', env: environment, maxBuffer: 1 << 30 } as const;
  const { stdout, stderr, status } = spawnSync('tshark', [...argv, ...more], output);
  if (status !== 0) throw new Error(`tshark: exit code ${status}: ${stderr}`);
  return stderr.replace(/^Running as user.*\n/, '') + stdout;
}

/** The named fields of every packet that passes the filter, `|` between fields. */
export function fieldsOf(file: string, fields: readonly string[], dissection: Dissection = {}): string[] {
  const more = [
    '-T',
    'fields',
    '-E',
    'separator=|',
    ...fields.flatMap((field) => ['-e', field]),
    ...(dissection.more ?? []),
  ];
  return tshark(file, { ...dissection, more })
    .split('\n')
    .filter((line) => line !== '');
}

/** What a Lua script prints in tshark, which has the only interpreter that a user of the dissector is sure to have. */
export function runLua(script: string, emptyCapture: string): string {
  return execFileSync('tshark', ['-X', `lua_script:${script}`, '-r', emptyCapture], {
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
