import type { NodeReport } from '@ngisec/runtime';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { NodeName } from '../topology.ts';
import type { Network } from './network.ts';
import type { Exit, Program } from './program.ts';

/** The `ngisec` command of this repository. */
export const ngisecCommand = (): string[] => [
  process.execPath,
  fileURLToPath(new URL('main.js', import.meta.resolve('@ngisec/runtime'))),
];

/** A host or gateway of ours, running in its namespace from the files `writeNodeFiles` wrote. */
export class NodeProcess {
  readonly name: NodeName;
  readonly program: Program;
  readonly configurationFile: string;
  readonly keyFile: string;
  readonly #reportFile: string;

  constructor(network: Network, name: NodeName, directory: string, nodeOptions: readonly string[] = []) {
    this.name = name;
    this.configurationFile = join(directory, `${name}.yaml`);
    this.keyFile = join(directory, `${name}.keys.yaml`);
    this.#reportFile = join(directory, `${name}.report.json`);
    const [node, main] = ngisecCommand();
    const command = [
      node!,
      ...nodeOptions,
      main!,
      'run',
      this.configurationFile,
      '--report',
      this.#reportFile,
    ];
    this.program = network.start(name, command, 'ngisec');
  }

  /** Resolves to what it said of itself once packets flow. */
  async ready(): Promise<string> {
    return this.program.line((line) => line.includes(' runs as '));
  }

  /** Its counters now, while it runs. */
  async report(): Promise<NodeReport> {
    rmSync(this.#reportFile, { force: true });
    this.program.signal('SIGUSR2');
    for (let waitedMs = 0; !existsSync(this.#reportFile) && waitedMs < 3000; waitedMs += 20) await sleep(20);
    return this.lastReport();
  }

  lastReport(): NodeReport {
    return JSON.parse(readFileSync(this.#reportFile, 'utf8')) as NodeReport;
  }

  stop(): Promise<Exit> {
    return this.program.stop();
  }
}
