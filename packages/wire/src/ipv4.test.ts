import fc from 'fast-check';
import * as ipv4 from './ipv4.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

/** 172.16.10.99 -> 172.16.10.12, TCP; its checksum is the one Wikipedia's article on IPv4 headers works out. */
const header = hex('4500 003c 1c46 4000 4006 b1e6 ac10 0a63 ac10 0a0c');

describe('ipv4', () => {
  test('fields of a known header, wherever it stands', () => {
    const bytes = Uint8Array.of(9, 9, 9, ...header);
    expect(ipv4.headerBytes(bytes, 3)).toBe(20);
    expect(ipv4.totalLength(bytes, 3)).toBe(60);
    expect(ipv4.identification(bytes, 3)).toBe(0x1c46);
    expect(ipv4.timeToLive(bytes, 3)).toBe(64);
    expect(ipv4.protocol(bytes, 3)).toBe(6);
    expect(ipv4.checksum(bytes, 3)).toBe(0xb1e6);
    expect(ipv4.hasValidChecksum(bytes, 3)).toBe(true);
    expect(ipv4.isFragment(bytes, 3)).toBe(false);
  });

  test.each([
    ['2000', true],
    ['0001', true],
    ['3fff', true],
    ['4000', false],
    ['8000', false],
    ['0000', false],
  ])('flags and offset %s: fragment %s', (word, expected) => {
    const bytes = header.slice();
    bytes.set(hex(word), 6);
    expect(ipv4.isFragment(bytes, 0)).toBe(expected);
  });

  test('completeChecksum covers options and ignores the value that stood there', () => {
    const bytes = hex('4600 0018 0000 0000 0111 ffff 0a000001 e0000001 94040000 ee');
    ipv4.completeChecksum(bytes, 0);
    expect(ipv4.checksum(bytes, 0)).toBe(0x3acf);
  });

  test('one bit changed anywhere in the header is found', () => {
    for (let bit = 8; bit < 160; bit += 1) {
      const bytes = header.slice();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      expect(ipv4.hasValidChecksum(bytes, 0)).toBe(false);
    }
  });

  test('#97 setting DSCP leaves ECN alone; DSCP, TTL and length keep the checksum right (10,000 headers)', () => {
    const headers = fc.tuple(
      fc.integer({ min: 5, max: 15 }),
      fc.uint8Array({ minLength: 60, maxLength: 60 }),
    );
    const values = fc.tuple(fc.nat(63), fc.nat(255), fc.nat(65_535));
    fc.assert(
      fc.property(headers, values, ([words, octets], [dscp, timeToLive, length]) => {
        const bytes = octets.slice();
        bytes[0] = 0x40 | words;
        ipv4.completeChecksum(bytes, 0);
        const expected = bytes.slice();
        const changes = ipv4.dscp(bytes, 0) !== dscp;
        expected[1] = (dscp << 2) | (bytes[1]! & 0b11);
        expected[2] = length >>> 8;
        expected[3] = length;
        expected[8] = timeToLive;
        ipv4.completeChecksum(expected, 0);

        const held = [ipv4.setDscpWithChecksum(bytes, 0, dscp) === changes, ipv4.hasValidChecksum(bytes, 0)];
        ipv4.setTimeToLiveWithChecksum(bytes, 0, timeToLive);
        held.push(ipv4.hasValidChecksum(bytes, 0));
        ipv4.setTotalLengthWithChecksum(bytes, 0, length);
        held.push(Buffer.compare(bytes, expected) === 0);
        held.push(ipv4.dscp(bytes, 0) === dscp, ipv4.ecn(bytes, 0) === (octets[1]! & 0b11));
        return held.every(Boolean);
      }),
      { numRuns: 10_000 },
    );
  });
});
