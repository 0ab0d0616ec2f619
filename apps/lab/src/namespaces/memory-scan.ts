import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const CHUNK_BYTES = 4 * 1024 * 1024;

export interface MemoryScan {
  /** How often each pattern occurs. */
  readonly hits: readonly number[];
  /** How much was read. */
  readonly octets: number;
}

/**
 * Looks for patterns in everything a process can read (proc(5): maps, mem). Needs the right to trace the
 * process. Octets the
 * process changes meanwhile may be missed.
 */
export function scanMemory(pid: number, patterns: readonly Buffer[]): MemoryScan {
  const hits = patterns.map(() => 0);
  const overlap = Math.max(...patterns.map(({ length }) => length)) - 1;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  let octets = 0;
  try {
    for (const { from, to } of readableRegions(pid)) {
      for (let at = from; at < to; at += CHUNK_BYTES - overlap) {
        const read = readAt(memory, chunk, at, Math.min(CHUNK_BYTES, to - at));
        octets += read;
        patterns.forEach((pattern, index) => (hits[index]! += count(chunk.subarray(0, read), pattern)));
        if (at + read >= to) break;
      }
    }
  } finally {
    closeSync(memory);
  }
  return { hits, octets };
}

/** Node's heaps, stacks and libraries lie below 2^47, so that a number holds their addresses exactly. */
function readableRegions(pid: number): { from: number; to: number }[] {
  return readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => /^\S+ r/.test(line) && !/\[v(var|syscall)/.test(line))
    .map((line) => {
      const [from, to] = line
        .split(' ')[0]!
        .split('-')
        .map((text) => Number.parseInt(text, 16));
      return { from: from!, to: to! };
    });
}

/** 0 where the kernel refuses, as it does for what lies behind the end of a mapped file. */
function readAt(descriptor: number, chunk: Buffer, at: number, length: number): number {
  try {
    return readSync(descriptor, chunk, 0, length, at);
  } catch {
    return 0;
  }
}

function count(octets: Buffer, pattern: Buffer): number {
  let found = 0;
  for (let at = octets.indexOf(pattern); at >= 0; at = octets.indexOf(pattern, at + 1)) found += 1;
  return found;
}
