import { flowKey, seededRandom, setPorts, type FlowKey } from '@ngisec/core';
import fc from 'fast-check';
import { CountMinSketch } from './count-min-sketch.ts';

function keyOf(port: number): FlowKey {
  const key = flowKey();
  setPorts(key, 0, port);
  return key;
}

test('#96 a count is never below the truth, whatever the keys and however small the sketch', () => {
  const ports = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 400 });
  fc.assert(
    fc.property(ports, fc.integer(), fc.constantFrom(1, 16, 1000), (added, seed, columns) => {
      const sketch = new CountMinSketch(seededRandom(seed), columns);
      const truth = new Map<number, number>();
      for (const port of added) {
        truth.set(port, (truth.get(port) ?? 0) + 1);
        expect(sketch.add(keyOf(port))).toBeGreaterThanOrEqual(truth.get(port)!);
      }
      for (const [port, count] of truth) expect(sketch.count(keyOf(port))).toBeGreaterThanOrEqual(count);
    }),
    { numRuns: 60 },
  );
});

test('few keys in a large sketch are counted exactly; cleared, it has counted nothing', () => {
  const sketch = new CountMinSketch(seededRandom(1), 4096);
  for (let round = 1; round <= 5; round += 1) {
    for (let port = 0; port < 50; port += 1) expect(sketch.add(keyOf(port))).toBe(round);
  }
  expect(sketch.count(keyOf(50))).toBe(0);
  sketch.clear();
  expect(sketch.count(keyOf(0))).toBe(0);
});

test('the overestimate stays within its bound of e/columns of the total for nearly all keys', () => {
  const [keys, columns] = [40_000, 1024];
  const sketch = new CountMinSketch(seededRandom(7), columns);
  for (let port = 0; port < keys; port += 1) sketch.add(keyOf(port));
  const over = Array.from({ length: keys }, (_, port) => sketch.count(keyOf(port)) - 1);
  const bound = (Math.E / columns) * keys;
  expect(over.filter((excess) => excess > bound).length / keys).toBeLessThan(Math.exp(-4));
});
