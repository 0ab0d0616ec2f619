import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ngisec, type ExitCode } from '../src/command.ts';
import type { FindApplication } from '../src/load.ts';
import { relay } from './relay.module.ts';

/** Lines 1 to 6. */
export const NODE = `app: relay
name: alice
keys: alice.keys.yaml
interface: lan0
addresses: [192.0.2.1, '2001:db8::1']
remote: [198.51.100.0/24]
`;

/** Lines 1 to 7; keys of aes-128-gcm: 40 digits. */
export const KEYS = `channels:
  - name: bob
    role: both
    suite: aes-128-gcm
    peers: [198.51.100.0/24]
    inbound: { spi: 4096, key: 00112233445566778899aabbccddeeff01020304 }
    outbound: { spi: 4097, key: ffeeddccbbaa9988776655443322110005060708 }
`;

/** The text with one passage exchanged; throws where it is not there, so that no test lives on an unchanged text. */
export function exchange(text: string, passage: string, other: string): string {
  if (text.split(passage).length !== 2) throw new Error(`"${passage}" is not in the text exactly once`);
  return text.replace(passage, () => other);
}

/** A temporary directory with the files of one node, and the `ngisec` command with its output caught. */
export class Workbench {
  readonly directory = mkdtempSync(join(tmpdir(), 'ngisec-command-'));
  readonly node = join(this.directory, 'alice.yaml');
  readonly keys = join(this.directory, 'alice.keys.yaml');

  constructor({ node = NODE, keys = KEYS }: { readonly node?: string; readonly keys?: string } = {}) {
    writeFileSync(this.node, node);
    writeFileSync(this.keys, keys);
    chmodSync(this.keys, 0o600);
  }

  async run(
    argv: readonly string[],
    find: FindApplication = findRelay,
  ): Promise<{ code: ExitCode; out: string; err: string }> {
    const lines = { out: [] as string[], err: [] as string[] };
    const output = {
      out: (text: string) => void lines.out.push(text),
      err: (text: string) => void lines.err.push(text),
    };
    const code = await ngisec(argv, output, find);
    return { code, out: lines.out.join('\n'), err: lines.err.join('\n') };
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }
}

const findRelay: FindApplication = async (name) => (name === 'relay' ? relay : undefined);

/** What `ngisec check` says about a node, with the directory taken out of it. */
export async function complaintOf(files: {
  readonly node?: string;
  readonly keys?: string;
}): Promise<string> {
  const bench = new Workbench(files);
  try {
    const { code, out, err } = await bench.run(['check', bench.node]);
    return `exit ${code}\n${err}${out}`.replaceAll(`${bench.directory}/`, '');
  } finally {
    bench.close();
  }
}
