import { randomFillSync } from 'node:crypto';

/** Random octets, injected: the system's source in production, a seeded one in simulation. */
export interface Random {
  fill(octets: Uint8Array): void;
  /** An integer in `[0, below)`; `below` at most 2^32. */
  integer(below: number): number;
}

/** `below` need not divide 2^32: values of the incomplete last run are drawn again. */
function uniform(below: number, draw32: () => number): number {
  const limit = 0x1_0000_0000 - (0x1_0000_0000 % below);
  for (;;) {
    const value = draw32();
    if (value < limit) return value % below;
  }
}

export const systemRandom: Random = (() => {
  const word = new Uint32Array(1);
  const draw = (): number => randomFillSync(word)[0]!;
  return {
    fill: (octets: Uint8Array): void => void randomFillSync(octets),
    integer: (below: number): number => uniform(below, draw),
  };
})();

/** Repeatable and not secret: sfc32, seeded from one 32-bit number. */
export function seededRandom(seed: number): Random {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, seed >>> 0, 1];
  const draw = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 15; round += 1) draw();
  return {
    fill: (octets: Uint8Array): void => {
      for (let index = 0; index < octets.length; index += 1) octets[index] = draw();
    },
    integer: (below: number): number => uniform(below, draw),
  };
}
