import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { LinkError } from './link-error.ts';
import { linuxSystem, networkNamespace, processStartTime, type System } from './system.ts';

/** One change to the machine; a sysctl's undo is its value before. */
export type Step =
  | { readonly kind: 'command'; readonly run: readonly string[]; readonly undo?: readonly string[] }
  | { readonly kind: 'sysctl'; readonly name: string; readonly value: string };

/** One line of the file. */
type Undo = { readonly run: readonly string[] } | { readonly sysctl: string; readonly value: string };

interface Owner {
  readonly pid: number;
  readonly startTime: string | undefined;
}

export const STATE_DIRECTORY = '/run/ngisec';

const SUFFIX = '.journal';

/**
 * The changes a process made to the machine, so that they can be taken back, by this process or, when it was
 * killed, by the next. A file of one JSON value a line: the owner, then the undo of each step, each written and
 * synced before its step is done. Undoing a step that was never done, or is gone already, does no harm.
 */
export class Journal {
  readonly #file: string;
  readonly #system: System;
  readonly #descriptor: number;

  private constructor(file: string, system: System) {
    this.#file = file;
    this.#system = system;
    this.#descriptor = openSync(file, 'wx', 0o600);
    const owner: Owner = { pid: process.pid, startTime: processStartTime(process.pid) };
    this.#append(owner);
  }

  /** Throws LinkError where the directory cannot be written. */
  static create(name: string, directory = STATE_DIRECTORY, system: System = linuxSystem): Journal {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      return new Journal(fileFor(name, directory), system);
    } catch (error) {
      if (error instanceof LinkError) throw error;
      throw new LinkError(
        `cannot write the state of "${name}": ${(error as Error).message}`,
        'Run as root, or choose a state directory that can be written.',
      );
    }
  }

  /** Does the steps in order; if one fails, takes all of them back and throws its LinkError. */
  perform(steps: readonly Step[]): void {
    try {
      for (const step of steps) this.#perform(step);
    } catch (error) {
      this.undo();
      throw error;
    }
  }

  /** Takes everything back, last step first, and removes the journal. */
  undo(): void {
    closeSync(this.#descriptor);
    undoFile(this.#file, this.#system);
  }

  #perform(step: Step): void {
    if (step.kind === 'command') {
      if (step.undo !== undefined) this.#append({ run: step.undo });
      this.#system.run(step.run);
      return;
    }
    const before = this.#system.readSysctl(step.name);
    if (before === step.value) return;
    if (before !== undefined) this.#append({ sysctl: step.name, value: before });
    this.#system.writeSysctl(step.name, step.value);
  }

  #append(line: Owner | Undo): void {
    writeSync(this.#descriptor, `${JSON.stringify(line)}\n`);
    fsyncSync(this.#descriptor);
  }
}

/** The living process that intercepts under this name; undefined where there is none. */
export function ownerPid(name: string, directory = STATE_DIRECTORY): number | undefined {
  const owner = ownerOf(readLines(fileFor(name, directory)) ?? []);
  return isAlive(owner) ? owner!.pid : undefined;
}

/** Takes back what a killed process left under this name; false where there is nothing, or its owner is alive. */
export function undoStale(name: string, directory = STATE_DIRECTORY, system: System = linuxSystem): boolean {
  const file = fileFor(name, directory);
  const lines = readLines(file);
  if (lines === undefined || isAlive(ownerOf(lines))) return false;
  undoFile(file, system);
  return true;
}

/** Everything recorded for this network namespace: by whom, and whether that process lives. */
export function journals(directory = STATE_DIRECTORY): { name: string; pid: number; isAlive: boolean }[] {
  const suffix = suffixFor();
  let files: string[];
  try {
    files = readdirSync(directory).filter((file) => file.endsWith(suffix));
  } catch {
    return [];
  }
  return files.map((file) => {
    const owner = ownerOf(readLines(join(directory, file)) ?? []);
    return { name: file.slice(0, -suffix.length), pid: owner?.pid ?? 0, isAlive: isAlive(owner) };
  });
}

const suffixFor = (): string => `.${networkNamespace()}${SUFFIX}`;

function fileFor(name: string, directory: string): string {
  if (!/^[\w-]+$/.test(name)) {
    throw new LinkError(`"${name}" cannot name a node`, 'Use letters, digits, "-" and "_".');
  }
  return join(directory, name + suffixFor());
}

/** The lines that were written whole: a process may die within the last one, whose step was then not begun. */
function readLines(file: string): string[] | undefined {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(0, -1);
  } catch {
    return undefined;
  }
}

const ownerOf = ([first]: readonly string[]): Owner | undefined =>
  first === undefined ? undefined : (JSON.parse(first) as Owner);

const isAlive = (owner: Owner | undefined): boolean =>
  owner?.startTime !== undefined && processStartTime(owner.pid) === owner.startTime;

function undoFile(file: string, system: System): void {
  const [, ...undos] = readLines(file) ?? [];
  for (const line of undos.reverse()) {
    const undo = JSON.parse(line) as Undo;
    try {
      if ('run' in undo) system.run(undo.run);
      else system.writeSysctl(undo.sysctl, undo.value);
    } catch {
      // It never happened, or went with the interface or the process: the rest is still to be taken back.
    }
  }
  rmSync(file, { force: true });
}
