import fc from 'fast-check';
import {
  destinationAddressOf,
  destinationPortOf,
  familyOf,
  flowKey,
  FlowTable,
  protocolOf,
  reverseFlowKey,
  setDestination,
  setPorts,
  setSource,
  sourceAddressOf,
  sourcePortOf,
  writeFlowKey,
  type FlowKey,
} from './flow-table.ts';
import { seededRandom, type Random } from './random.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

const keyOf = (
  bytes: Uint8Array,
  at: number,
  transport: number,
  family: number,
  protocol: number,
): FlowKey => {
  const key = flowKey().fill(0xdeadbeef);
  writeFlowKey(key, bytes, at, transport, family, protocol);
  return key;
};

const describeKey = (key: FlowKey) => ({
  family: familyOf(key),
  protocol: protocolOf(key),
  source: Buffer.from(sourceAddressOf(key)).toString('hex'),
  destination: Buffer.from(destinationAddressOf(key)).toString('hex'),
  ports: [sourcePortOf(key), destinationPortOf(key)],
});

describe('flow keys', () => {
  const v4 = hex('ff 4500001c000100004011 0000 0a010002 cb007105  ffff 0035 0008 0000');
  const v6 = hex(`60000000 0008 11 40 fd010000000000000000000000000002 20010db8000000000000000000000035
    e000 01bb 0008 0000`);
  const echo = hex('4500001c000100004001 0000 0a010002 cb007105 0800 0000 beef 0001');

  test('IPv4 and UDP, at an odd offset', () => {
    expect(describeKey(keyOf(v4, 1, 21, 4, 17))).toEqual({
      family: 4,
      protocol: 17,
      source: '0a010002',
      destination: 'cb007105',
      ports: [0xffff, 53],
    });
  });

  test('IPv6 and TCP', () => {
    expect(describeKey(keyOf(v6, 0, 40, 6, 6))).toEqual({
      family: 6,
      protocol: 6,
      source: 'fd010000000000000000000000000002',
      destination: '20010db8000000000000000000000035',
      ports: [0xe000, 443],
    });
  });

  test.each([
    ['ICMP', echo, 20, 4, 1],
    ['ICMPv6', Uint8Array.of(...v6.subarray(0, 40), ...echo.subarray(20)), 40, 6, 58],
  ])(
    '%s: the identifier of an echo stands for both ports, in request and reply',
    (_, bytes, transport, family, protocol) => {
      const key = keyOf(bytes, 0, transport, family, protocol);
      expect([sourcePortOf(key), destinationPortOf(key)]).toEqual([0xbeef, 0xbeef]);
      const back = flowKey();
      reverseFlowKey(key, back);
      const reply = bytes.slice();
      const [half, width] = family === 4 ? [12, 4] : [8, 16];
      reply.copyWithin(half, half + width, half + 2 * width);
      reply.set(bytes.subarray(half, half + width), half + width);
      reply[transport] = family === 4 ? 0 : 129;
      expect(keyOf(reply, 0, transport, family, protocol)).toEqual(back);
    },
  );

  test('reversing swaps addresses and ports, and twice is nothing', () => {
    fc.assert(
      fc.property(fc.constantFrom(4, 6), fc.uint8Array({ minLength: 44, maxLength: 44 }), (family, bytes) => {
        const key = keyOf(bytes, 0, 40, family, 6);
        const [back, again] = [flowKey(), flowKey()];
        reverseFlowKey(key, back);
        reverseFlowKey(back, again);
        const { source, destination, ports, ...rest } = describeKey(key);
        const reversed = { source: destination, destination: source, ports: ports.toReversed(), ...rest };
        expect(describeKey(back)).toEqual(reversed);
        expect(again).toEqual(key);
      }),
    );
  });

  test('the setters replace one part each', () => {
    const key = keyOf(v4, 1, 21, 4, 17);
    setSource(key, hex('00c0000201'), 1, 4);
    setPorts(key, 0xfffe, 0x8000);
    expect(describeKey(key)).toMatchObject({
      source: 'c0000201',
      destination: 'cb007105',
      ports: [0xfffe, 0x8000],
    });
    setDestination(key, hex('c6336401'), 0, 4);
    expect(describeKey(key)).toMatchObject({
      source: 'c0000201',
      destination: 'c6336401',
      family: 4,
      protocol: 17,
    });
  });
});

/** Ten words that differ by little, in one word or another. */
const numbered = (number: number): FlowKey =>
  flowKey()
    .fill(number & 3, 0, 9)
    .fill(number >>> 2, 9);

/** That the table finds every key it should hold, with its entry, and none else. */
function expectSame(table: FlowTable, model: ReadonlyMap<number, number>, keys: number): void {
  const read = flowKey();
  const wrong = Array.from({ length: keys }, (_, number) => number).filter((number) => {
    const key = numbered(number);
    const entry = table.find(key);
    if (entry !== (model.get(number) ?? -1)) return true;
    if (entry >= 0) table.readKey(entry, read);
    return entry >= 0 && key.some((word, index) => word !== read[index]);
  });
  expect([wrong, table.size, new Set(model.values()).size]).toEqual([[], model.size, model.size]);
}

describe('FlowTable', () => {
  const KEYS = 24;
  // With at most 16 buckets, keys clash and probe runs wrap around in nearly every sequence.
  const capacities = fc.integer({ min: 1, max: 8 });
  const steps = fc.array(fc.nat(KEYS - 1), { maxLength: 60 });

  test('behaves as a map over random insertions and removals, full tables included', () => {
    fc.assert(
      fc.property(capacities, fc.nat(), steps, (capacity, seed, numbers) => {
        const table = new FlowTable(seededRandom(seed), capacity);
        const model = new Map<number, number>();
        for (const number of numbers) {
          const known = model.get(number);
          if (known !== undefined) {
            table.remove(known);
            model.delete(number);
          } else {
            const entry = table.insert(numbered(number));
            expect(entry >= 0 && entry < capacity).toBe(model.size < capacity);
            if (entry >= 0) model.set(number, entry);
          }
          expectSame(table, model, KEYS);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a run of clashes stays whole whichever of it is removed', () => {
    const random: Random = { fill: () => undefined, integer: () => 0 };
    // Four keys in eight buckets: which of them clash is hidden, so many sets are tried.
    for (let first = 0; first < KEYS; first += 1) {
      for (let removed = 0; removed < 4; removed += 1) {
        const table = new FlowTable(random, 4);
        const model = new Map<number, number>();
        for (let step = 0; step < 4; step += 1) {
          const number = (first + 5 * step) % KEYS;
          model.set(number, table.insert(numbered(number)));
        }
        expect(table.insert(numbered(KEYS))).toBe(-1);
        const number = (first + 5 * removed) % KEYS;
        table.remove(model.get(number)!);
        model.delete(number);
        expectSame(table, model, KEYS);
        model.set(KEYS, table.insert(numbered(KEYS)));
        expectSame(table, model, KEYS + 1);
      }
    }
  });

  test('holds exactly its capacity, finds all of it, and half of it once the other half is gone', () => {
    const table = new FlowTable(seededRandom(3), 5000);
    const entries = Array.from({ length: 5000 }, (_, number) => table.insert(numbered(number)));
    expect(new Set(entries).size).toBe(5000);
    expect(table.insert(numbered(5000))).toBe(-1);
    entries.forEach((entry, number) => {
      if (number % 2 === 0) table.remove(entry);
    });
    const wrong = entries.filter(
      (entry, number) => table.find(numbered(number)) !== (number % 2 === 0 ? -1 : entry),
    );
    expect(wrong).toEqual([]);
    expect(table.size).toBe(2500);
  });

  test('tells keys of one hash apart', () => {
    const flows = 200_000;
    const random = seededRandom(4);
    const table = new FlowTable(random, flows);
    const key = flowKey();
    // Of 200,000 known and 200,000 unknown keys about nine pairs share all 32 bits of their hash.
    const draw = (side: number): FlowKey => {
      key[0] = random.integer(2 ** 32);
      key[7] = random.integer(2 ** 32);
      key[9] = side;
      return key;
    };
    for (let flow = 0; flow < flows; flow += 1) table.insert(draw(0));
    let found = 0;
    for (let flow = 0; flow < flows; flow += 1) if (table.find(draw(1)) >= 0) found += 1;
    expect(found).toBe(0);
  });
});
