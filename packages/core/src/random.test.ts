import fc from 'fast-check';
import { seededRandom, systemRandom } from './random.ts';

const sources = [
  ['seededRandom', seededRandom(1)],
  ['systemRandom', systemRandom],
] as const;

test('seededRandom repeats itself, and another seed does otherwise', () => {
  const run = (seed: number): number[] => {
    const random = seededRandom(seed);
    const octets = new Uint8Array(16);
    random.fill(octets);
    return [...Array.from({ length: 16 }, () => random.integer(1_000_000)), ...octets];
  };
  expect(run(7)).toEqual(run(7));
  const seen = new Set(Array.from({ length: 100 }, (_, seed) => run(seed).join()));
  expect(seen.size).toBe(100);
});

describe.each(sources)('%s', (_, random) => {
  test('integers lie in [0, below)', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 2 ** 32 }), fc.constantFrom(1, 2, 2 ** 31 + 1, 2 ** 32)),
        (below) => {
          const value = random.integer(below);
          expect(Number.isInteger(value) && value >= 0 && value < below).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a bound that does not divide 2^32 favours no value', () => {
    // Taken modulo 3 * 2^30, a 32-bit number would fall into the lowest third half of the time.
    let low = 0;
    for (let draw = 0; draw < 6000; draw += 1) if (random.integer(3 * 2 ** 30) < 2 ** 30) low += 1;
    // 2,000 expected, standard deviation 37: six of them lie between this and chance.
    expect(Math.abs(low - 2000)).toBeLessThan(220);
  });

  test('octets and integers are roughly uniform (chi-square over 16 classes)', () => {
    const octets = new Uint8Array(16_000);
    random.fill(octets);
    const samples = [[...octets].map((octet) => octet >>> 4), [...octets].map((octet) => octet & 15)];
    samples.push(Array.from({ length: 16_000 }, () => random.integer(16)));
    for (const values of samples) {
      const counts = new Array<number>(16).fill(0);
      for (const value of values) counts[value]! += 1;
      const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
      // 15 degrees of freedom: chance exceeds 65 once in 30 million, a stuck bit by thousands.
      expect(chiSquare).toBeLessThan(65);
    }
  });
});
