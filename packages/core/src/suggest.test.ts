import fc from 'fast-check';
import { editDistance, suggest } from './suggest.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

describe('editDistance', () => {
  test.each([
    ['kitten', 'sitting', 3],
    ['saturday', 'sunday', 3],
    ['', 'nat', 3],
    ['nat', '', 3],
    ['nat', 'nat', 0],
    ['napt', 'nat', 1],
  ])('from "%s" to "%s" is %i', (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
  });

  test('is a metric, and one edit is at most 1 away', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
    fc.assert(
      fc.property(word, word, word, fc.nat(8), (a, b, c, at) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
        expect(editDistance(a, a.slice(0, at) + a.slice(at + 1))).toBe(at < a.length ? 1 : 0);
        expect(editDistance(a, `${a.slice(0, at)}x${a.slice(at)}`)).toBe(1);
      }),
    );
  });
});

describe('suggest', () => {
  test.each([
    ['clasify', ['nat', 'classify'], ' (did you mean "classify"?)'],
    ['egres', ['egress', 'ingress'], ' (did you mean "egress"?)'],
    ['something', ['nat', 'classify'], ' (known: nat, classify)'],
    ['something', [], ''],
  ])('"%s" among %p:%s', (given, known, expected) => {
    expect(suggest(given, known)).toBe(expected);
  });
});
