import fc from 'fast-check';
import { fromHex, toHex } from '../test/sa-pair.ts';
import {
  CONFIRMATION_BYTES,
  declaredModes,
  declaredSuites,
  DECLARATION_BYTES,
  findItem,
  itemLength,
  itemType,
  items,
  writeDeclaration,
  writeItemHeader,
} from './control-message.ts';

test('#93 a declaration, octet by octet', () => {
  const bytes = new Uint8Array(20).fill(0xff);
  const end = writeDeclaration(bytes, 4, 0xfedc_ba98, declaredSuites['chacha20-poly1305'], declaredModes.vpn);
  expect(end).toBe(4 + DECLARATION_BYTES);
  //                           outside  type, 0, 8  SPI      suite, mode, 0  outside
  expect(toHex(bytes)).toBe('ffffffff' + '04000008' + 'fedcba98' + '03020000' + 'ffffffff');
  expect([itemType(bytes, 4), itemLength(bytes, 4)]).toEqual([items.declaration, 8]);
});

test('a confirmation and the header of a mapping, octet by octet', () => {
  const bytes = new Uint8Array(8).fill(0xff);
  expect(writeItemHeader(bytes, 0, items.confirmation, 0)).toBe(CONFIRMATION_BYTES);
  expect(writeItemHeader(bytes, 4, items.mapping, 0x0134)).toBe(8);
  expect(toHex(bytes)).toBe('02000000' + '01000134');
  expect(itemLength(bytes, 4)).toBe(0x134);
});

test('numbers on the wire do not change', () => {
  expect(items).toEqual({ mapping: 1, confirmation: 2, needMapping: 3, declaration: 4, transportMapping: 5 });
  expect(declaredSuites).toEqual({ 'aes-128-gcm': 1, 'aes-256-gcm': 2, 'chacha20-poly1305': 3 });
  expect(declaredModes).toEqual({ lan: 1, vpn: 2, n2n: 3, tcpsec: 4 });
});

/** `findItem` over the octets alone: what stands behind them would be a confirmation. */
function find(hex: string, type: number): number {
  const run = fromHex(hex);
  const bytes = Uint8Array.from([0xee, 0xee, 0xee, ...run, 2, 0, 0, 0, 2, 0, 0, 0]);
  const found = findItem(bytes, 3, 3 + run.length, type);
  return found < 0 ? found : found - 3;
}

test.each([
  ['a lone item', '02000000', items.confirmation, 0],
  ['behind a mapping', '01000004 aabbccdd 02000000', items.confirmation, 8],
  ['behind an unknown item', '7f000008 0200000002000000 04000000', items.declaration, 12],
  ['inside a value, which does not count', '01000004 02000000', items.confirmation, -1],
  ['the first of two', '02000000 02000000', items.confirmation, 0],
  ['an empty run', '', items.confirmation, -1],
  ['a cut off header', '020000', items.confirmation, -1],
  ['a value of one octet too many', '02000004 aabbcc', items.confirmation, -1],
  ['a length far beyond the end', '0200fffc', items.confirmation, -1],
  ['behind an item that is too long', '0100ffff 02000000', items.confirmation, -1],
  ['behind an item that ends just behind the run', '01000008 02000000', items.confirmation, -1],
  ['an item whose length is no multiple of 4', '02000001 00000000', items.confirmation, -1],
  ['behind such an item', '01000002 0000 02000000', items.confirmation, -1],
  ['behind octets that are too few for an item', '7f000000 0102', items.confirmation, -1],
])('#93 finds %s', (_, hex, type, expected) => {
  expect(find(hex, type)).toBe(expected);
});

/** The octets, watched: the highest index read and how many reads there were. */
function watched(octets: Uint8Array): { bytes: Uint8Array; reads: { highest: number; count: number } } {
  const reads = { highest: -1, count: 0 };
  const bytes = new Proxy(octets, {
    get: (target, property) => {
      const index = Number(property);
      reads.highest = Math.max(reads.highest, index);
      reads.count += 1;
      return target[index];
    },
  });
  return { bytes, reads };
}

test('property: any octets end the search, without a read beyond the end', () => {
  // Small numbers are lengths that lead on.
  const noise = fc.array(fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 4, 8), fc.integer({ min: 0, max: 255 })), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(noise, fc.nat(12), fc.nat(5), (octets, at, type) => {
      const { bytes, reads } = watched(Uint8Array.from([...octets, 9, 9, 9, 9]));
      const end = octets.length;
      const found = findItem(bytes, at, end, type);
      expect(reads.highest).toBeLessThan(end);
      expect(reads.count).toBeLessThanOrEqual(3 * Math.ceil(end / 4));
      if (found < 0) return;
      expect(found % 4).toBe(at % 4);
      expect(octets[found]).toBe(type);
      expect(found + 4 + itemLength(Uint8Array.from(octets), found)).toBeLessThanOrEqual(end);
    }),
    { numRuns: 1000 },
  );
});

test('property: every item written is found, the first of its type', () => {
  const item = fc.record({
    type: fc.integer({ min: 0, max: 8 }),
    value: fc
      .array(fc.integer({ min: 0, max: 255 }), { maxLength: 10 })
      .map((value) => value.flatMap((octet) => [octet, 0, octet, 255])),
  });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 12 }), fc.nat(9), (written, at) => {
      const bytes = new Uint8Array(600).fill(0xa5);
      const places: { type: number; at: number }[] = [];
      let end = at;
      for (const { type, value } of written) {
        places.push({ type, at: end });
        const start = writeItemHeader(bytes, end, type, value.length);
        bytes.set(value, start);
        end = start + value.length;
      }
      for (let type = 0; type <= 9; type += 1) {
        const expected = places.find((place) => place.type === type)?.at ?? -1;
        expect(findItem(bytes, at, end, type)).toBe(expected);
      }
      for (const [index, place] of places.entries()) {
        expect(itemType(bytes, place.at)).toBe(written[index]!.type);
        expect(itemLength(bytes, place.at)).toBe(written[index]!.value.length);
      }
    }),
    { numRuns: 200 },
  );
});
