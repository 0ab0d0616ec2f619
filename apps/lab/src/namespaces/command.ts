import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];

/**
 * For every program of the laboratory: English, and the folders of the administrator's commands, which `su`
 * may leave out.
 */
export const environment = { ...process.env, LC_ALL: 'C', PATH: folders.join(delimiter) };

/** Runs a command to its end and returns what it printed; throws with what it complained about. */
export function run(command: readonly string[], input?: string): string {
  const [program, ...rest] = command;
  try {
    return execFileSync(program!, rest, {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment,
      ...(input === undefined ? {} : { input }),
    });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(`"${command.join(' ')}" failed: ${stderr?.trim() || message}`, { cause: error });
  }
}

/** Runs a command for its effect, whether it works or not. */
export function attempt(command: readonly string[]): void {
  try {
    run(command);
  } catch {
    // What it should change is already so, or gone.
  }
}

/** Where a program is; undefined where it is not installed. */
export function find(program: string): string | undefined {
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
