import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { libc } from '../src/libc.ts';

const CLONE_NEWNET = 0x4000_0000;

/** Why network namespaces cannot be used here; undefined where they can. */
function hindrance(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun';
  for (const program of ['ip', 'tc', 'nft', 'sysctl', 'python3']) {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    } catch {
      return `needs the command ${program}`;
    }
  }
  return existsSync(new URL('../dist/index.js', import.meta.url))
    ? undefined
    : 'needs the build (`npx tsc -b`)';
}

/** Tests in network namespaces: skipped with a reason where there can be none, but never in CI. */
export function describeNetwork(title: string, body: () => void): void {
  const reason = hindrance();
  if (reason === undefined) describe(title, body);
  else if (process.env['CI'] === undefined) describe.skip(`${title} (skipped: ${reason})`, body);
  else test(title, () => Promise.reject(new Error(reason)));
}

/** Namespaces with names of their own, and what runs in them; all gone after `dispose`. */
export class Network {
  readonly stateDirectory = mkdtempSync(join(tmpdir(), 'ngisec-state-'));
  readonly #prefix = `ng${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
  readonly #names: string[] = [];
  readonly #children: ChildProcess[] = [];

  add(name: string): string {
    const full = `${this.#prefix}-${name}`;
    execFileSync('ip', ['netns', 'add', full]);
    this.#names.push(full);
    this.run(full, 'ip link set lo up');
    // Link-local addresses are there at once, so that two looks at a namespace see the same.
    this.run(full, 'sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0');
    return full;
  }

  /** Joins two namespaces by an interface each, up and with the addresses. */
  link(
    left: string,
    leftName: string,
    leftAddresses: string[],
    right: string,
    rightName: string,
    rightAddresses: string[],
  ): void {
    execFileSync('ip', [
      'link',
      'add',
      leftName,
      'netns',
      left,
      'type',
      'veth',
      'peer',
      'name',
      rightName,
      'netns',
      right,
    ]);
    for (const [namespace, name, addresses] of [
      [left, leftName, leftAddresses],
      [right, rightName, rightAddresses],
    ] as const) {
      this.run(namespace, `ip link set ${name} up`);
      for (const address of addresses) {
        this.run(namespace, `ip addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`);
      }
    }
  }

  run(namespace: string, command: string): string {
    return execFileSync('ip', ['netns', 'exec', namespace, ...command.split(' ')], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  /** What the command prints, whether it fails or not. */
  output(namespace: string, command: string): string {
    try {
      return this.run(namespace, command).trim();
    } catch (error) {
      return (error as { stdout: string }).stdout.trim();
    }
  }

  /** Starts a script of this folder; resolves with its first line. */
  async start(
    namespace: string,
    script: string,
    ...rest: string[]
  ): Promise<{ child: ChildProcess; line: string }> {
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, scriptPath(script), ...rest], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout!.once('data', (data: Buffer) => resolve(data.toString().trim()));
      child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
    });
    return { child, line };
  }

  /** Does something with this thread in the namespace. */
  inside<T>(namespace: string, work: () => T): T {
    const home = openSync('/proc/thread-self/ns/net', 'r');
    const there = openSync(`/run/netns/${namespace}`, 'r');
    try {
      if (libc().setns(there, CLONE_NEWNET) !== 0) throw new Error('setns failed');
      return work();
    } finally {
      libc().setns(home, CLONE_NEWNET);
      closeSync(home);
      closeSync(there);
    }
  }

  /** All that interception may change, as text. */
  state(namespace: string): string {
    const commands = [
      'ip -4 rule show',
      'ip -6 rule show',
      'ip -4 route show table all',
      'ip -6 route show table all',
      'ip -br addr',
      'tc qdisc show',
      'nft list ruleset',
      'sysctl -a -r ^net\\.ipv[46]\\.(conf|ip_early_demux)',
    ];
    const interfaces = this.run(namespace, 'ip -br link').match(/^\w+/gm) ?? [];
    const filters = interfaces.map((name) => `tc filter show dev ${name} ingress`);
    return [...commands, ...filters]
      .map((command) => `${command}\n${this.output(namespace, command)}`)
      .join('\n');
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#children.map((child) => end(child, 'SIGKILL')));
    for (const name of this.#names) execFileSync('ip', ['netns', 'del', name]);
    rmSync(this.stateDirectory, { recursive: true });
  }
}

export const scriptPath = (name: string): string => new URL(name, import.meta.url).pathname;

/** Ends a child and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
