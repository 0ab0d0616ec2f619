import { keyLogLine, type KeyLogEntry } from '@ngisec/runtime';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeFiles } from './node-files.ts';

/** What `makeNodeFiles` puts into a key file. */
type Channel = Pick<KeyLogEntry, 'name' | 'role' | 'suite' | 'scope'> &
  Readonly<Record<'inbound' | 'outbound', { readonly spi: number; readonly key: string }>>;

/** Writes `keys.log` beside the captures: every SA of the laboratory once, as its sender names it. */
export function writeLabKeyLog(directory: string, { nodes }: NodeFiles): void {
  const lines = Object.entries(nodes).flatMap(([node, { keys }]) =>
    (keys.channels as Channel[]).map(({ name, outbound: { spi, key }, ...common }) =>
      keyLogLine({ ...common, spi, keyMaterial: Buffer.from(key, 'hex'), name: `${node}>${name}` }),
    ),
  );
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'keys.log');
  // Made anew, so that the mode holds.
  rmSync(path, { force: true });
  writeFileSync(path, lines.map((line) => line + '\n').join(''), { mode: 0o600, flag: 'wx' });
}
