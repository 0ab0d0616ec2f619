import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { scanMemory } from './memory-scan.ts';

const onLinux = process.platform === 'linux' || process.env['CI'] ? test : test.skip;
if (onLinux !== test) process.stderr.write('skipping memory-scan.test.ts: it reads /proc\n');

/** Holds a secret that it gets over a pipe: octets that only it and this process have. */
const HOLDER = `
  process.stdin.once('data', (secret) => {
    globalThis.held = Buffer.alloc(secret.length, secret);
    process.stdout.write('held');
  });
`;

onLinux('finds octets another process holds, and only those', async () => {
  const [held, other] = [randomBytes(16), randomBytes(16)];
  const holder = spawn(process.execPath, ['-e', HOLDER], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    holder.stdin.write(held);
    await once(holder.stdout, 'data');
    const { hits, octets } = scanMemory(holder.pid!, [held, other]);
    expect(hits[0]).toBeGreaterThan(0);
    expect(hits[1]).toBe(0);
    expect(octets).toBeGreaterThan(10_000_000);
  } finally {
    holder.kill();
  }
});
