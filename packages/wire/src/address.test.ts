import { isIP } from 'node:net';
import fc from 'fast-check';
import {
  anyPrefixContains,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  prefixContains,
} from './address.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Eight groups, zero more often than not. */
const ipv6 = fc
  .array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff])));

describe('addresses', () => {
  test.each([
    ['RFC 5952 section 4.1', '2001:0db8::0001', '2001:db8::1'],
    ['section 4.2.1', '2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['section 4.2.2: one group is not shortened', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['section 4.2.3: the longest run', '2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['section 4.2.3: the first of equals', '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['section 4.3', '2001:DB8::AAAA', '2001:db8::aaaa'],
    ['unspecified', '0:0:0:0:0:0:0:0', '::'],
    ['loopback', '::1', '::1'],
    ['a run at the end', 'fd02:0:0:0:0:0:0:0', 'fd02::'],
    ['a run of two at the beginning', '0:0:1:1:1:1:1:1', '::1:1:1:1:1:1'],
    ['RFC 4291 section 2.2, form 3', '::ffff:192.0.2.33', '::ffff:c000:221'],
    ['form 3 without a run', '64:ff9b:1:2:3:4:10.0.0.1', '64:ff9b:1:2:3:4:a00:1'],
    ['IPv4', '10.0.255.1', '10.0.255.1'],
  ])('%s: %s is %s', (_, given, expected) => {
    expect(formatAddress(parseAddress(given)!)).toBe(expected);
  });

  test('text and octets go round, and the text of IPv6 is what a URL makes of it', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), (address) => {
        const text = formatAddress(address);
        expect(parseAddress(text)).toEqual(address);
        if (address.length === 4) return;
        const full = Buffer.from(address).toString('hex').match(/.{4}/g)!.join(':');
        expect(parseAddress(full)).toEqual(address);
        expect(`[${text}]`).toBe(new URL(`http://[${full}]`).hostname);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ...[
      '',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.-4',
      '1.2.3.4 ',
      '1..3.4',
      '0x1.2.3.4',
      '1.2.3.4/8',
    ],
    ...[
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '12345::',
      'g::',
      '::1%lo',
      ' ::1',
    ],
    ...['::1.2.3', '1.2.3.4::', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', '::ffff:1.2.3.256', ':1.2.3.4'],
  ])('"%s" is no address', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test('agrees with node:net on which texts are addresses', () => {
    const pieces = fc.constantFrom(
      '0',
      '1',
      '25',
      '255',
      '256',
      '09',
      'ab',
      'FFFF',
      '1.2.3.4',
      ':',
      ':',
      '::',
      '.',
      '.',
      'g',
    );
    const near = fc.array(pieces, { maxLength: 17 }).map((parts) => parts.join(''));
    const broken = fc
      .tuple(fc.oneof(ipv4, ipv6), fc.nat(39), fc.constantFrom('', ':', '::', '.', '0', 'f', '.1.2.3'))
      .map(([address, at, piece]) => {
        const text = formatAddress(address);
        return text.slice(0, at) + piece + text.slice(at + 1);
      });
    fc.assert(
      fc.property(fc.oneof(near, broken), (text) => {
        expect(parseAddress(text)?.length ?? 0).toBe({ 0: 0, 4: 4, 6: 16 }[isIP(text)]);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('prefixes', () => {
  test.each([
    ['10.2.0.0/24', '10.2.0.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.2.0.1', '10.2.0.1/32'],
    ['fd02::/64', 'fd02::/64'],
    ['FD02::1', 'fd02::1/128'],
  ])('%s is %s', (given, expected) => {
    expect(formatPrefix(parsePrefix(given)!)).toBe(expected);
  });

  test.each([
    '10.2.0.0/33',
    'fd02::/129',
    '10.2.0.0/',
    '10.2.0.0/-1',
    '10.2.0.0/8/8',
    '10.2.0.0/ 8',
    '/8',
    'x/8',
  ])('"%s" is no prefix', (text) => expect(parsePrefix(text)).toBeUndefined());

  test('contains exactly the addresses that share its leading bits', () => {
    const bitsOf = (octets: Uint8Array): string =>
      Array.from(octets, (octet) => octet.toString(2).padStart(8, '0')).join('');
    const pairs = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6));
    fc.assert(
      fc.property(pairs, fc.nat(128), fc.nat(128), ([base, noise], prefixBits, sharedBits) => {
        const bits = Math.min(prefixBits, base.length * 8);
        // An address that shares its first bits with the prefix more often than chance would have it.
        const mixed = bitsOf(base).slice(0, sharedBits) + bitsOf(noise).slice(sharedBits);
        const address = Uint8Array.from(mixed.match(/.{8}/g)!, (octet) => parseInt(octet, 2));
        const expected = mixed.slice(0, bits) === bitsOf(base).slice(0, bits);
        const bytes = Uint8Array.of(9, ...address);
        const prefix = { address: base, bits };
        expect(prefixContains(prefix, bytes, 1)).toBe(expected);
        expect(anyPrefixContains([prefix], bytes, 1, base.length === 4 ? 4 : 6)).toBe(expected);
        expect(anyPrefixContains([prefix], bytes, 1, base.length === 4 ? 6 : 4)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
