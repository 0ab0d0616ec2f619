import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { LinkError } from './link-error.ts';

/** What set-up does to the machine, apart so that tests can stand in for it. */
export interface System {
  /** Runs a command and returns what it printed. Throws LinkError. */
  run(command: readonly string[]): string;
  /** The value of `net/ipv4/...`, in the calling thread's network namespace; undefined where there is none. */
  readSysctl(name: string): string | undefined;
  /** Throws LinkError. */
  writeSysctl(name: string, value: string): void;
}

export const linuxSystem: System = {
  run: ([program, ...rest]) => {
    try {
      return execFileSync(program!, rest, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, LC_ALL: 'C' },
      });
    } catch (error) {
      throw commandError([program!, ...rest], error as NodeJS.ErrnoException & { stderr?: string });
    }
  },
  readSysctl: (name) => {
    try {
      return readFileSync(sysctlPath(name), 'utf8').trim();
    } catch {
      return undefined;
    }
  },
  writeSysctl: (name, value) => {
    try {
      writeFileSync(sysctlPath(name), value);
    } catch (error) {
      throw new LinkError(
        `cannot set the sysctl ${name} to ${value}: ${(error as Error).message}`,
        'Run as root; in a container /proc/sys must be writable.',
      );
    }
  },
};

/** Names are written with slashes: an interface's name may contain dots. */
const sysctlPath = (name: string): string => `/proc/sys/${name}`;

/** Tells network namespaces apart. */
export const networkNamespace = (): number => statSync('/proc/thread-self/ns/net').ino;

/**
 * When a process was started, in clock ticks since boot (proc(5), field 22 of stat); undefined where there is none.
 * With the pid it names a process for good: pids are used again.
 */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may contain anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  tc: 'iproute2',
  nft: 'nftables',
  iptables: 'iptables',
  ip6tables: 'iptables',
};

function commandError(
  command: readonly string[],
  error: NodeJS.ErrnoException & { stderr?: string },
): LinkError {
  const [program] = command;
  if (error.code === 'ENOENT') {
    const name = PACKAGES[program!] ?? program;
    return new LinkError(`the command "${program}" is missing`, `Install it (package ${name}).`);
  }
  const said = error.stderr?.trim() || error.message;
  return new LinkError(`"${command.join(' ')}" failed: ${said}`, fixFor(said));
}

function fixFor(said: string): string {
  if (/not permitted|permission denied/i.test(said)) return 'Run as root, or give the process CAP_NET_ADMIN.';
  if (/cannot find device|does not exist/i.test(said)) return 'Check the interface names (`ip link`).';
  if (/unknown|not supported|no such file/i.test(said)) {
    return 'The kernel may lack this feature: choose the other interception method, or load the module.';
  }
  if (/file exists/i.test(said))
    return 'Something else put it there: see `ip rule`, `ip route show table all`.';
  return 'Run the command by hand to see why.';
}
