import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { environment } from './command.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Waiter {
  readonly matches: (line: string) => boolean;
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** A program running in a network namespace, and the lines it prints on either stream. */
export class Program {
  readonly name: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];
  #unread: string[] = [];
  #waiters: Waiter[] = [];
  #exit: Exit | undefined;

  /** Starts it; `name` is what to call it when it fails. */
  constructor(namespace: string, command: readonly string[], name: string) {
    this.name = name;
    this.#child = spawn('ip', ['netns', 'exec', namespace, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
      // Not in our process group: Ctrl-C is for us to hear, who then end it in good order.
      detached: true,
    });
    const streams = [this.#child.stdout!, this.#child.stderr!];
    for (const stream of streams) createInterface(stream).on('line', (line) => this.#take(line));
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => this.#take(error.message));
      // `close` comes when the streams have ended too, so that no line is missed.
      this.#child.on('close', (code, signal) => {
        this.#exit = { code, signal };
        for (const { reject } of this.#waiters) reject(this.#failure(`ended (${signal ?? code})`));
        this.#waiters = [];
        resolve(this.#exit);
      });
    });
  }

  /** `ip netns exec` replaces itself, so this is the program's own. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#exit === undefined && this.#child.pid !== undefined;
  }

  /** Everything printed so far. */
  get output(): string {
    return this.#said.join('\n');
  }

  /**
   * The next line that matches; those before it are passed over. Rejects where the program ends or
   * `timeoutMs` pass.
   */
  async line(matches: (line: string) => boolean, timeoutMs = 20_000): Promise<string> {
    const at = this.#unread.findIndex(matches);
    if (at >= 0) {
      const line = this.#unread[at]!;
      this.#unread = this.#unread.slice(at + 1);
      return line;
    }
    this.#unread = [];
    if (!this.isRunning) throw this.#failure('has ended');
    return new Promise((resolve, reject) => {
      const expire = setTimeout(() => reject(this.#failure(`said nothing for ${timeoutMs} ms`)), timeoutMs);
      const settle =
        <Value>(then: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(expire);
          then(value);
        };
      this.#waiters.push({ matches, resolve: settle(resolve), reject: settle(reject) });
    });
  }

  /** The next line of JSON. */
  async json<Value>(timeoutMs?: number): Promise<Value> {
    return JSON.parse(await this.line((line) => line.startsWith('{'), timeoutMs)) as Value;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  /** Asks it to end, and makes it end where it does not within `patienceMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patienceMs = 5000): Promise<Exit> {
    this.signal(signal);
    const patience = new AbortController();
    const expired = sleep(patienceMs, 'expired' as const, { signal: patience.signal }).catch(
      () => 'expired' as const,
    );
    if ((await Promise.race([this.exited, expired])) === 'expired') this.signal('SIGKILL');
    patience.abort();
    return this.exited;
  }

  #take(line: string): void {
    this.#said.push(line);
    const at = this.#waiters.findIndex(({ matches }) => matches(line));
    if (at < 0) this.#unread.push(line);
    else this.#waiters.splice(at, 1)[0]!.resolve(line);
  }

  #failure(what: string): Error {
    return new Error(`${this.name} ${what}:\n${this.output}`);
  }
}
