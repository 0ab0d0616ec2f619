import { libc } from '@ngisec/link-linux';
import { constants } from 'node:fs';

const CLONE_NEWNET = 0x40000000;
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Calls a synchronous function with this thread in a network namespace, by its `ip netns` name. Sockets it opens,
 * and what it reads and writes under `/proc/sys/net`, belong to that namespace.
 */
export function enter<Result>(namespace: string, act: () => Result): Result {
  const own = open('/proc/thread-self/ns/net');
  const other = open(`/run/netns/${namespace}`);
  try {
    join(other, namespace);
    try {
      return act();
    } finally {
      join(own, 'where it was');
    }
  } finally {
    libc().close(other);
    libc().close(own);
  }
}

function open(path: string): number {
  const descriptor = libc().open(path, constants.O_RDONLY | CLOSE_ON_EXEC);
  if (descriptor < 0) throw new Error(`cannot open ${path}: errno ${libc().errno()}`);
  return descriptor;
}

function join(descriptor: number, name: string): void {
  if (libc().setns(descriptor, CLONE_NEWNET) < 0) {
    throw new Error(`cannot change the network namespace to ${name}: errno ${libc().errno()}`);
  }
}
