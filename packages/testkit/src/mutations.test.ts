import { createHash } from 'node:crypto';
import { seededRandom } from '@ngisec/core';
import { ip } from '@ngisec/wire';
import { ipProblems, parseIp } from './ip-packet.ts';
import { packetMutator } from './mutations.ts';
import { buildEcho, buildTcp, buildUdp } from './packet-builders.ts';

const payload = new Uint8Array(200).fill(3);
const seeds = [
  buildTcp({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2, payload }),
  buildUdp({ src: 'fd00::1', dst: 'fd00::2', sport: 1, dport: 2, payload }),
  buildEcho({ src: '10.0.0.1', dst: '10.0.0.2', payload }),
];

function digest(seed: number): string {
  const mutate = packetMutator(seededRandom(seed), seeds);
  const scratch = new Uint8Array(1500);
  const hash = createHash('sha256');
  for (let made = 0; made < 2000; made += 1) hash.update(scratch.subarray(0, mutate(scratch)));
  return hash.digest('hex');
}

test('F11 mutations are repeatable by seed', () => {
  expect(digest(1)).toBe(digest(1));
  expect(digest(1)).not.toBe(digest(2));
});

test('mutations reach every fault of IP and still pass many packets on', () => {
  const mutate = packetMutator(seededRandom(7), seeds);
  const scratch = new Uint8Array(1500);
  const found = new Set<string>();
  let [passed, wrongChecksum] = [0, 0];
  const total = 20_000;
  for (let made = 0; made < total; made += 1) {
    const octets = scratch.slice(0, mutate(scratch));
    const packet = parseIp(octets);
    if (typeof packet === 'string') {
      found.add(packet);
      continue;
    }
    passed += 1;
    const { transport, end, family, protocol } = packet;
    if (!ip.hasValidTransportChecksum(octets, 0, transport, end, family, protocol)) wrongChecksum += 1;
  }
  expect([...found].sort()).toEqual(Object.keys(ipProblems).sort());
  expect(passed / total).toBeGreaterThan(0.3);
  expect(passed / total).toBeLessThan(0.9);
  expect(wrongChecksum).toBeGreaterThan(500);
});

test('mutations stay inside the scratch, however short', () => {
  const random = seededRandom(3);
  const mutate = packetMutator(random, seeds);
  for (let made = 0; made < 5000; made += 1) {
    const scratch = new Uint8Array(random.integer(64));
    const length = mutate(scratch);
    expect(length).toBeLessThanOrEqual(scratch.length);
    expect(length).toBeGreaterThanOrEqual(0);
  }
});
