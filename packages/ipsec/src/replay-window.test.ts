import fc from 'fast-check';
import { ReplayWindow, SEQUENCE_MAX, WINDOW_PACKETS_DEFAULT } from './replay-window.ts';

const HIGH = 2 ** 32;

/** A window whose highest accepted number is `top`. */
function windowAt(top: number, size = 64): ReplayWindow {
  const window = new ReplayWindow(size);
  if (top > 0) window.markAccepted(top);
  return window;
}

/** What the receiver does with a packet whose ICV is good; the number it took it for where it accepts. */
function receive(window: ReplayWindow, low: number): number | 'refused' {
  const sequence = window.infer(low);
  if (!window.willAccept(sequence)) return 'refused';
  window.markAccepted(sequence);
  return sequence;
}

describe('#97 RFC 4303 appendix A2.3, line by line, with a window of 64', () => {
  // Th = 5 everywhere. Case A: Tl >= W - 1, the window lies in one subspace.
  const inA = 5 * HIGH + 1000;
  // Case B: Tl < W - 1, the window reaches back into subspace 4.
  const inB = 5 * HIGH + 10;

  test.each([
    ['A, Seql within the window, Seqh = Th', inA, 990, 5 * HIGH + 990, inA],
    ['A, Seql at the lower edge Tl - W + 1', inA, 937, 5 * HIGH + 937, inA],
    ['A, Seql above Tl, Seqh = Th, the window moves', inA, 1001, 5 * HIGH + 1001, 5 * HIGH + 1001],
    ['A, Seql far above Tl', inA, HIGH - 1, 6 * HIGH - 1, 6 * HIGH - 1],
    ['A, Seql below the window, Seqh = Th + 1', inA, 936, 6 * HIGH + 936, 6 * HIGH + 936],
    ['A, Seql = 0, Seqh = Th + 1', inA, 0, 6 * HIGH, 6 * HIGH],
    ['A at its limit Tl = W - 1: Seql = 0 is the lower edge', 5 * HIGH + 63, 0, 5 * HIGH, 5 * HIGH + 63],
    ['B at its limit Tl = W - 2', 5 * HIGH + 62, HIGH - 1, 5 * HIGH - 1, 5 * HIGH + 62],
    ['B, Seql at the lower edge, Seqh = Th - 1', inB, HIGH - 53, 5 * HIGH - 53, inB],
    ['B, Seql the last of Th - 1', inB, HIGH - 1, 5 * HIGH - 1, inB],
    ['B, Seql = 0, Seqh = Th', inB, 0, 5 * HIGH, inB],
    ['B, Seql below Tl, Seqh = Th', inB, 9, 5 * HIGH + 9, inB],
    ['B, Seql above Tl, Seqh = Th, the window moves', inB, 11, 5 * HIGH + 11, 5 * HIGH + 11],
    ['B, Seql just below the lower edge: a jump ahead', inB, HIGH - 54, 6 * HIGH - 54, 6 * HIGH - 54],
  ])('Case %s', (_, top, low, sequence, topAfter) => {
    const window = windowAt(top);
    expect(window.infer(low)).toBe(sequence);
    expect(receive(window, low)).toBe(sequence);
    expect(window.top).toBe(topAfter);
    // The same packet once more fails the replay check, whichever branch took it in.
    expect(receive(window, low)).toBe('refused');
    expect(window.top).toBe(topAfter);
  });

  test('integrity check failed: nothing moves, the honest packet still gets in', () => {
    for (const [top, low] of [
      [inA, 990],
      [inA, 1001],
      [inA, 936],
      [inB, HIGH - 1],
      [inB, 11],
    ] as const) {
      const window = windowAt(top);
      expect(window.willAccept(window.infer(low))).toBe(true);
      expect(window.top).toBe(top);
      expect(receive(window, low)).not.toBe('refused');
    }
  });
});

test('#97 numbers run on across 2^32, every packet once, those out of order too', () => {
  const window = windowAt(HIGH - 4, 32);
  const order = [HIGH - 2, HIGH + 1, HIGH - 1, HIGH, HIGH - 3, HIGH + 28, HIGH + 2];
  for (const sequence of order) expect(receive(window, sequence % HIGH)).toBe(sequence);
  for (const sequence of order) expect(receive(window, sequence % HIGH)).toBe('refused');
  expect(window.top).toBe(HIGH + 28);
});

test('#97 before the first packet only numbers from 1 on are taken', () => {
  const window = new ReplayWindow();
  expect([window.size, window.top]).toEqual([WINDOW_PACKETS_DEFAULT, 0]);
  expect(receive(window, 0)).toBe('refused');
  // Case B in subspace 0: there is no subspace -1.
  for (const low of [HIGH - 1, HIGH - WINDOW_PACKETS_DEFAULT + 1]) {
    expect(window.infer(low)).toBeLessThanOrEqual(0);
    expect(receive(window, low)).toBe('refused');
  }
  expect(receive(window, 1)).toBe(1);
});

test('#97 the last sequence number ends the SA: nothing is taken after it', () => {
  const window = windowAt(SEQUENCE_MAX - 1, 32);
  expect(receive(window, SEQUENCE_MAX % HIGH)).toBe(SEQUENCE_MAX);
  for (const low of [0, 1, 31, 32, HIGH - 33, HIGH - 1]) expect(receive(window, low)).toBe('refused');
  for (const beyond of [SEQUENCE_MAX + 1, 2 ** 54, Infinity]) {
    expect(window.willAccept(beyond)).toBe(false);
  }
  expect(window.top).toBe(SEQUENCE_MAX);
});

test('#97 window sizes are powers of two from 32 to 8192', () => {
  for (let size = 32; size <= 8192; size *= 2) expect(new ReplayWindow(size).size).toBe(size);
  for (const size of [0, 1, 16, 31, 33, 48, 96, 8191, 16384, -64, 64.5, NaN, Infinity, 2 ** 32 + 64]) {
    expect(() => new ReplayWindow(size)).toThrow(RangeError);
  }
});

/** RFC 4303 section 3.4.3 with nothing saved: every number ever accepted is remembered. */
class ReferenceWindow {
  top = 0;
  readonly accepted = new Set<number>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  /** The only number with these low bits among the 2^32 that begin at the window's lower edge. */
  infer(low: number): number {
    const bottom = this.top - this.#size + 1;
    const high = Math.floor(this.top / HIGH);
    const candidates = [high - 1, high, high + 1].map((subspace) => subspace * HIGH + low);
    return candidates.find((candidate) => candidate >= bottom && candidate < bottom + HIGH)!;
  }

  willAccept(sequence: number): boolean {
    const isOld = sequence <= 0 || sequence <= this.top - this.#size;
    return !isOld && sequence <= SEQUENCE_MAX && !this.accepted.has(sequence);
  }

  markAccepted(sequence: number): void {
    this.accepted.add(sequence);
    this.top = Math.max(this.top, sequence);
  }
}

/** What comes next: how far from the top, in windows or packets, or what came some packets ago; and is its ICV good? */
const step = fc.record({
  kind: fc.constantFrom('near', 'near', 'within', 'within', 'edge', 'jump', 'again', 'any'),
  amount: fc.integer({ min: -4, max: 4 }),
  fraction: fc.double({ min: 0, max: 1, noNaN: true }),
  isGenuine: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function nextLow(
  { kind, amount, fraction }: Step,
  top: number,
  size: number,
  sent: readonly number[],
): number {
  const low = (sequence: number): number => ((sequence % HIGH) + HIGH) % HIGH;
  switch (kind) {
    case 'near':
      return low(top + amount);
    case 'within':
      return low(top - Math.floor(fraction * size));
    case 'edge':
      return low(top - size + amount);
    case 'jump':
      return low(top + Math.floor((1 + fraction) * size) + amount);
    case 'again':
      return sent.at(-1 - Math.floor(fraction * 8)) ?? 1;
    default:
      return Math.floor(fraction * (HIGH - 1));
  }
}

const start = fc.oneof(
  fc
    .constantFrom(0, HIGH, 2 * HIGH, 2 ** 20 * HIGH, SEQUENCE_MAX)
    .chain((at) =>
      fc
        .integer({ min: -20_000, max: 20_000 })
        .map((distance) => Math.min(SEQUENCE_MAX, Math.max(0, at + distance))),
    ),
  fc.maxSafeNat(),
);

test('#97 property: equals a window that remembers everything; never twice, never from behind', () => {
  const sizes = fc.integer({ min: 5, max: 13 }).map((power) => 2 ** power);
  fc.assert(
    fc.property(sizes, start, fc.array(step, { minLength: 1, maxLength: 120 }), (size, top, steps) => {
      const window = windowAt(top, size);
      const reference = new ReferenceWindow(size);
      if (top > 0) reference.markAccepted(top);
      const sent: number[] = [];
      for (const each of steps) {
        const low = nextLow(each, reference.top, size, sent);
        sent.push(low);
        const sequence = window.infer(low);
        const isExpected = reference.willAccept(reference.infer(low));
        // Where there is none in range, which number is inferred does not matter.
        if (isExpected) expect(sequence).toBe(reference.infer(low));
        const isAccepted = window.willAccept(sequence);
        expect(isAccepted).toBe(isExpected);
        if (isAccepted) {
          expect(sequence).toBeGreaterThan(window.top - size);
          expect(reference.accepted.has(sequence)).toBe(false);
        }
        if (isAccepted && each.isGenuine) {
          window.markAccepted(sequence);
          reference.markAccepted(sequence);
        }
        expect(window.top).toBe(reference.top);
      }
    }),
    { numRuns: 400 },
  );
});

test('#97 property: reordering within the window loses nothing, duplicates add nothing', () => {
  const scenario = fc.record({
    size: fc.constantFrom(32, 256, 1024),
    from: fc.constantFrom(1, HIGH - 100, HIGH - 1, 7 * HIGH - 300),
    delays: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 50, maxLength: 400 }),
  });
  fc.assert(
    fc.property(scenario, ({ size, from, delays }) => {
      const window = windowAt(from - 1, size);
      // Each packet, and its duplicate, arrive less than a window late.
      const arrivals = delays
        .flatMap((delay, index) => [
          { sequence: from + index, at: index + delay * (size - 1) },
          { sequence: from + index, at: index + (1 - delay) * (size - 1) },
        ])
        .sort((left, right) => left.at - right.at);
      const delivered = arrivals.map(({ sequence }) => receive(window, sequence % HIGH));
      const once = delivered.filter((sequence) => sequence !== 'refused').sort((a, b) => a - b);
      expect(once).toEqual(delays.map((_, index) => from + index));
    }),
    { numRuns: 60 },
  );
});
