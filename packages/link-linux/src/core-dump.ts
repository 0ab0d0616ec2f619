import { libc } from './libc.ts';

const PR_SET_DUMPABLE = 4;

/**
 * Keeps the keys of this process out of core dumps, and its memory from other processes of the same user
 * (prctl(2)).
 */
export function forbidCoreDumps(): void {
  libc().prctl(PR_SET_DUMPABLE, 0);
}
