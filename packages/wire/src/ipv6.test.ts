import fc from 'fast-check';
import * as ipv6 from './ipv6.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const [HOP_BY_HOP, UDP, ROUTING, FRAGMENT, DESTINATION_OPTIONS] = [0, 17, 43, 44, 60];

interface Extension {
  readonly type: number;
  /** 8-octet units behind the first 8 octets. */
  readonly units: number;
}

/** A fixed header, the extension headers given, and `payload` octets of `protocol`. */
function packet(extensions: readonly Extension[], protocol: number, payload = 8): Uint8Array {
  const types = [...extensions.map(({ type }) => type), protocol];
  const headers = extensions.flatMap(({ units }, index) => {
    return [types[index + 1]!, units, ...Array<number>(6 + 8 * units).fill(0xee)];
  });
  const body = [...headers, ...Array<number>(payload).fill(0xaa)];
  const fixed = [0x60, 0, 0, 0, body.length >>> 8, body.length & 0xff, types[0]!, 64];
  return Uint8Array.from([...fixed, ...Array<number>(32).fill(1), ...body]);
}

const walked = fc.record({
  type: fc.constantFrom(HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS),
  units: fc.integer({ min: 0, max: 5 }),
});
const bytesOf = (extensions: readonly Extension[]): number =>
  extensions.reduce((sum, { units }) => sum + 8 + 8 * units, ipv6.HEADER_BYTES);

describe('ipv6 extension headers', () => {
  test('the transport header is found behind up to eight of them', () => {
    fc.assert(
      fc.property(
        fc.array(walked, { maxLength: 8 }),
        fc.constantFrom(6, UDP, 58, 50, 51, 59),
        (extensions, protocol) => {
          const bytes = packet(extensions, protocol);
          expect(ipv6.findTransport(bytes, 0, bytes.length)).toBe((bytesOf(extensions) << 8) | protocol);
          const shifted = Uint8Array.of(7, 7, 7, ...bytes);
          expect(ipv6.findTransport(shifted, 3, shifted.length)).toBe((bytesOf(extensions) << 8) | protocol);
          expect(ipv6.isFragment(bytes, 0, bytes.length)).toBe(false);
        },
      ),
    );
  });

  test('a chain cut off anywhere is refused, though octets of another packet follow', () => {
    fc.assert(
      fc.property(fc.array(walked, { minLength: 1, maxLength: 4 }), (extensions) => {
        const bytes = packet(extensions, UDP);
        for (let end = ipv6.HEADER_BYTES; end < bytesOf(extensions); end += 1) {
          expect(ipv6.findTransport(bytes, 0, end)).toBe(-1);
          expect(ipv6.isFragment(bytes, 0, end)).toBe(false);
        }
      }),
    );
  });

  test('nine are too many', () => {
    const bytes = packet(Array<Extension>(9).fill({ type: DESTINATION_OPTIONS, units: 0 }), UDP);
    expect(ipv6.findTransport(bytes, 0, bytes.length)).toBe(-1);
  });

  test('a fragment is refused and told, also behind other headers', () => {
    fc.assert(
      fc.property(fc.array(walked, { maxLength: 4 }), (extensions) => {
        const bytes = packet([...extensions, { type: FRAGMENT, units: 0 }], UDP);
        expect(ipv6.findTransport(bytes, 0, bytes.length)).toBe(-1);
        expect(ipv6.isFragment(bytes, 0, bytes.length)).toBe(true);
      }),
    );
  });
});

describe('ipv6 fields', () => {
  test('of a known header', () => {
    const bytes = packet([], UDP, 12);
    bytes.set([0x6b, 0x8f, 0xff, 0xff]);
    expect(ipv6.trafficClass(bytes, 0)).toBe(0xb8);
    expect(ipv6.dscp(bytes, 0)).toBe(46);
    expect(ipv6.ecn(bytes, 0)).toBe(0);
    expect(ipv6.payloadLength(bytes, 0)).toBe(12);
    expect(ipv6.nextHeader(bytes, 0)).toBe(UDP);
    expect(ipv6.hopLimit(bytes, 0)).toBe(64);
  });

  test('#97 setting DSCP leaves version, ECN and flow label alone', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 40 }), fc.nat(63), (octets, dscp) => {
        const bytes = octets.slice();
        expect(ipv6.setDscp(bytes, 0, dscp)).toBe(ipv6.dscp(octets, 0) !== dscp);
        expect(ipv6.dscp(bytes, 0)).toBe(dscp);
        expect(ipv6.ecn(bytes, 0)).toBe(ipv6.ecn(octets, 0));
        expect(bytes[0]! >>> 4).toBe(octets[0]! >>> 4);
        expect(bytes[1]! & 0x0f).toBe(octets[1]! & 0x0f);
        expect(bytes.subarray(2)).toEqual(octets.subarray(2));
      }),
      { numRuns: 2000 },
    );
  });

  test('hop limit and payload length are set alone', () => {
    const bytes = packet([], UDP);
    const expected = bytes.slice();
    expected.set([0x12, 0x34, UDP, 3], 4);
    ipv6.setPayloadLength(bytes, 0, 0x1234);
    ipv6.setHopLimit(bytes, 0, 3);
    expect(bytes).toEqual(expected);
  });
});
