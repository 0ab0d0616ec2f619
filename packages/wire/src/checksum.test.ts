import fc from 'fast-check';
import { adjust, adjustment, finish, fold, reverseAdjustment, sum, update } from './checksum.ts';
import { write16 } from './bytes.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

/** RFC 1071 as it reads, one 16-bit word after the other. */
function reference(octets: Uint8Array): number {
  let total = 0;
  for (let at = 0; at < octets.length; at += 2) {
    total += octets[at]! * 256 + (octets[at + 1] ?? 0);
    if (total > 0xffff) total -= 0xffff;
  }
  return 0xffff - total;
}

const checksumOf = (octets: Uint8Array): number => finish(sum(octets, 0, octets.length));

const fromWords = (words: readonly number[]): Uint8Array => {
  const octets = new Uint8Array(2 * words.length);
  words.forEach((word, index) => write16(octets, 2 * index, word));
  return octets;
};

/** A computed UDP checksum of zero goes out as all ones (RFC 768). */
const asUdp = (checksum: number): number => (checksum === 0 ? 0xffff : checksum);

const EDGE_WORDS = [0x0000, 0x0001, 0x00ff, 0x7fff, 0x8000, 0xff00, 0xfffe, 0xffff];

describe('checksum', () => {
  test('RFC 1071 section 3: the example', () => {
    const octets = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(sum(octets, 0, 8)).toBe(0x2ddf0);
    expect(fold(0x2ddf0)).toBe(0xddf2);
    expect(finish(0x2ddf0)).toBe(0x220d);
  });

  test('RFC 1624 section 4: the example that the update of RFC 1141 gets wrong', () => {
    expect(update(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  test('the sum of any range at any alignment is that of its words', () => {
    const arena = fc.uint8Array({ minLength: 8, maxLength: 300 });
    fc.assert(
      fc.property(arena, fc.nat(7), fc.nat(300), fc.nat(0xffff), (octets, at, length, initial) => {
        const end = Math.min(octets.length, at + length);
        const word = Uint8Array.of(initial >>> 8, initial);
        const expected = reference(Uint8Array.of(...word, ...octets.subarray(at, end)));
        expect(finish(sum(octets, at, end, initial))).toBe(expected);
        // The same octets as a view that begins at an odd offset.
        const moved = new Uint8Array(octets.length + 1).subarray(1);
        moved.set(octets);
        expect(finish(sum(moved, at, end, initial))).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  test('65,535 octets of all ones do not overflow', () => {
    const octets = new Uint8Array(65_535).fill(0xff);
    expect(finish(sum(octets, 0, octets.length, 0x9ffff))).toBe(
      reference(Uint8Array.of(0xff, 0xff, 0, 9, ...octets)),
    );
  });
});

describe('N62 incremental checksum', () => {
  test('equals the full one for every change of an edge word among edge words', () => {
    for (const first of EDGE_WORDS) {
      for (const second of EDGE_WORDS) {
        for (const before of EDGE_WORDS) {
          const old = checksumOf(fromWords([first, before, second]));
          for (const after of EDGE_WORDS) {
            // Covered octets that are all zero do not occur: a header, or a pseudo-header, is never zero.
            if ((first | second | after) === 0 || (first | second | before) === 0) continue;
            const full = checksumOf(fromWords([first, after, second]));
            expect(update(old, before, after)).toBe(full);
            expect(adjust(old, adjustment(before, after))).toBe(full);
            expect(asUdp(update(asUdp(old), before, after))).toBe(asUdp(full));
          }
        }
      }
    }
  });

  test('equals the full one for every new value of a word', () => {
    const rest = [0x4500, 0x1234];
    const old = checksumOf(fromWords([...rest, 0xffff]));
    const octets = fromWords([...rest, 0]);
    let wrong = 0;
    for (let after = 0; after <= 0xffff; after += 1) {
      write16(octets, 4, after);
      if (update(old, 0xffff, after) !== checksumOf(octets)) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test('several words replaced at once, as an address and a port are', () => {
    const words = fc.array(fc.oneof(fc.constantFrom(...EDGE_WORDS), fc.nat(0xffff)), {
      minLength: 9,
      maxLength: 9,
    });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 60 }), words, words, (payload, before, after) => {
        fc.pre(payload.some((octet) => octet !== 0));
        const [old, changed] = [fromWords(before), fromWords(after)];
        const full = checksumOf(Uint8Array.of(...changed, ...payload));
        const was = checksumOf(Uint8Array.of(...old, ...payload));
        const there = adjustment(sum(old, 0, 18), sum(changed, 0, 18));
        expect(adjust(was, there)).toBe(full);
        expect(adjust(full, reverseAdjustment(there))).toBe(was);
      }),
      { numRuns: 1000 },
    );
  });
});
