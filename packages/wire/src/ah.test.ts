import * as ah from './ah.ts';

test.each([
  // HMAC-SHA-256-128: RFC 4868 section 2.1; GMAC with its IV: RFC 4543 section 4, erratum 3643.
  [16, 4, 28],
  [16, 6, 32],
  [24, 4, 36],
  [24, 6, 40],
  [12, 4, 24],
  [12, 6, 24],
])(
  '#121 RFC 4302 section 2.6: an ICV of %i octets in IPv%i makes an AH of %i',
  (icvBytes, family, octets) => {
    expect(ah.length(icvBytes, family)).toBe(octets);
    expect(octets % (family === 4 ? 4 : 8)).toBe(0);

    const bytes = new Uint8Array(64).fill(0xee);
    ah.writeHeader(bytes, 3, octets, 0xdeadbeef, 0xfffffffe);
    const words = octets / 4 - 2;
    const written = [50, words, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xff, 0xff, 0xfe];
    expect([...bytes.subarray(3, 15)]).toEqual(written);
    expect(bytes.subarray(15, 3 + octets).every((octet) => octet === 0)).toBe(true);
    expect([bytes[2], bytes[3 + octets]]).toEqual([0xee, 0xee]);
    expect(ah.lengthAt(bytes, 3)).toBe(octets);
    expect([ah.spi(bytes, 3), ah.sequenceLow(bytes, 3)]).toEqual([0xdeadbeef, 0xfffffffe]);
  },
);
