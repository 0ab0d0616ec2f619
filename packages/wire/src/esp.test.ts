import * as esp from './esp.ts';

const LENGTHS = Array.from({ length: 65 }, (_, length) => length);

describe('esp trailer', () => {
  test.each(LENGTHS)('RFC 4303 section 2.4: %i octets of payload', (length) => {
    const padding = esp.paddingBytes(length);
    expect(padding).toBeLessThan(esp.ALIGNMENT_BYTES);
    expect((length + padding + esp.TRAILER_BYTES) % esp.ALIGNMENT_BYTES).toBe(0);

    const bytes = new Uint8Array(80).fill(0xee);
    const end = esp.writeTrailer(bytes, length, padding, 254);
    expect(end).toBe(length + padding + esp.TRAILER_BYTES);
    expect([...bytes.subarray(length, end)]).toEqual([...[1, 2, 3].slice(0, padding), padding, 254]);
    expect(bytes.subarray(end).every((octet) => octet === 0xee)).toBe(true);
    expect(bytes.subarray(0, length).every((octet) => octet === 0xee)).toBe(true);
    expect(esp.hasValidPadding(bytes, 0, end)).toBe(true);
  });

  test.each([0, 1, 2, 3, 17, 255])('%i octets of padding, each one changed', (padding) => {
    const bytes = new Uint8Array(300);
    const end = esp.writeTrailer(bytes, 4, padding, 6);
    expect(esp.hasValidPadding(bytes, 4, end)).toBe(true);
    for (let at = 4; at < 4 + padding; at += 1) {
      bytes[at]! ^= 0x80;
      expect(esp.hasValidPadding(bytes, 4, end)).toBe(false);
      bytes[at]! ^= 0x80;
    }
    // Padding that claims to begin before the payload does.
    expect(esp.hasValidPadding(bytes, 5, end)).toBe(false);
  });
});

test('esp header', () => {
  const bytes = new Uint8Array(16);
  esp.writeHeader(bytes, 3, 0xdeadbeef, 0xfffffffe);
  expect([...bytes.subarray(3, 11)]).toEqual([0xde, 0xad, 0xbe, 0xef, 0xff, 0xff, 0xff, 0xfe]);
  expect(esp.spi(bytes, 3)).toBe(0xdeadbeef);
  expect(esp.sequenceLow(bytes, 3)).toBe(0xfffffffe);
});
