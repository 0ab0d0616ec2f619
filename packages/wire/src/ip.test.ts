import fc from 'fast-check';
import * as icmp from './icmp.ts';
import * as ip from './ip.ts';
import * as ipv4 from './ipv4.ts';
import * as ipv6 from './ipv6.ts';
import * as tcp from './tcp.ts';
import * as udp from './udp.ts';
import { read16, write16 } from './bytes.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

/** A UDP packet with `data` behind its header; checksums are not set. */
function datagram(
  family: number,
  addresses: Uint8Array,
  data: Uint8Array,
): { bytes: Uint8Array; transport: number } {
  const transport = family === 4 ? ipv4.HEADER_BYTES_MIN : ipv6.HEADER_BYTES;
  const bytes = new Uint8Array(transport + udp.HEADER_BYTES + data.length);
  bytes[0] = family === 4 ? 0x45 : 0x60;
  bytes[family === 4 ? 9 : 6] = ip.UDP;
  ip.setLength(bytes, 0, family, bytes.length);
  bytes.set(addresses.subarray(0, 2 * ip.addressBytes(family)), ip.sourceOffset(family));
  write16(bytes, transport, 1000);
  write16(bytes, transport + 2, 4242);
  udp.setLength(bytes, transport, udp.HEADER_BYTES + data.length);
  bytes.set(data, transport + udp.HEADER_BYTES);
  return { bytes, transport };
}

const families = fc.constantFrom(4, 6);
const addresses = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('transport headers', () => {
  test('fields of known TCP, UDP and ICMP headers', () => {
    const segment = hex('00 c350 01bb 12345678 9abcdef0 8012 ffff 0000 0000 020405b4 01010402 01030307');
    expect(tcp.sourcePort(segment, 1)).toBe(50_000);
    expect(tcp.destinationPort(segment, 1)).toBe(443);
    expect(tcp.sequence(segment, 1)).toBe(0x12345678);
    expect(tcp.acknowledgment(segment, 1)).toBe(0x9abcdef0);
    expect(tcp.headerBytes(segment, 1)).toBe(32);
    expect(tcp.flags(segment, 1)).toBe(tcp.SYN | tcp.ACK);
    expect(tcp.window(segment, 1)).toBe(0xffff);
    const header = hex('00 14e9 0035 0010 beef');
    expect([udp.sourcePort(header, 1), udp.destinationPort(header, 1), udp.length(header, 1)]).toEqual([
      5353, 53, 16,
    ]);
    const echo = hex('00 08 00 abcd 1234 8001');
    expect([icmp.type(echo, 1), icmp.identifier(echo, 1), icmp.sequence(echo, 1)]).toEqual([
      8, 0x1234, 0x8001,
    ]);
  });

  test('echo messages of each version', () => {
    const echoes = (family: number): number[] =>
      Array.from({ length: 256 }, (_, type) => type).filter((type) =>
        icmp.isEcho(Uint8Array.of(0, type), 1, family),
      );
    expect(echoes(4)).toEqual([0, 8]);
    expect(echoes(6)).toEqual([128, 129]);
  });

  test('length: 0 where the header does not fit, is too short or is of another protocol', () => {
    const bytes = new Uint8Array(80);
    for (let words = 0; words < 16; words += 1) {
      bytes[4 + 12] = words << 4;
      for (let end = 4; end <= 80; end += 1) {
        const fits = words >= 5 && 4 + 4 * words <= end;
        expect(ip.transportHeaderBytes(bytes, 4, end, ip.TCP)).toBe(fits ? 4 * words : 0);
      }
    }
    for (const protocol of [ip.UDP, ip.ICMP, ip.ICMPV6]) {
      expect(ip.transportHeaderBytes(bytes, 4, 12, protocol)).toBe(8);
      expect(ip.transportHeaderBytes(bytes, 4, 11, protocol)).toBe(0);
    }
    expect(ip.transportHeaderBytes(bytes, 4, 80, 132)).toBe(0);
  });
});

describe('N62 UDP checksum', () => {
  test('is never written as zero, though the sum be all ones', () => {
    fc.assert(
      fc.property(
        families,
        addresses,
        fc.uint8Array({ minLength: 2, maxLength: 40 }),
        (family, pair, data) => {
          const { bytes, transport } = datagram(family, pair, data);
          const complete = (): number => {
            ip.completeTransportChecksum(bytes, 0, transport, bytes.length, family, ip.UDP);
            return read16(bytes, transport + udp.CHECKSUM);
          };
          // Putting the checksum of the rest into the data brings the sum to all ones, its complement to zero.
          write16(bytes, transport + udp.HEADER_BYTES, 0);
          write16(bytes, transport + udp.HEADER_BYTES, complete());
          expect(complete()).toBe(0xffff);
          expect(ip.hasValidTransportChecksum(bytes, 0, transport, bytes.length, family, ip.UDP)).toBe(true);
        },
      ),
    );
  });

  test('zero is "no checksum" over IPv4 and refused over IPv6 (RFC 8200 section 8.1)', () => {
    fc.assert(
      fc.property(
        families,
        addresses,
        fc.uint8Array({ minLength: 2, maxLength: 40 }),
        (family, pair, data) => {
          const { bytes, transport } = datagram(family, pair, data);
          const isValid = (): boolean =>
            ip.hasValidTransportChecksum(bytes, 0, transport, bytes.length, family, ip.UDP);
          expect(isValid()).toBe(family === 4);
          write16(bytes, transport + udp.HEADER_BYTES, 0);
          ip.completeTransportChecksum(bytes, 0, transport, bytes.length, family, ip.UDP);
          write16(bytes, transport + udp.HEADER_BYTES, read16(bytes, transport + udp.CHECKSUM));
          // Now a zero would also come out as right.
          write16(bytes, transport + udp.CHECKSUM, 0);
          expect(isValid()).toBe(family === 4);
        },
      ),
    );
  });
});

describe('transport checksum', () => {
  test('what was completed is valid, and one changed bit is found', () => {
    fc.assert(
      fc.property(
        families,
        addresses,
        fc.uint8Array({ maxLength: 60 }),
        fc.nat(),
        (family, pair, data, pick) => {
          const { bytes, transport } = datagram(family, pair, data);
          const isValid = (): boolean =>
            ip.hasValidTransportChecksum(bytes, 0, transport, bytes.length, family, ip.UDP);
          ip.completeTransportChecksum(bytes, 0, transport, bytes.length, family, ip.UDP);
          expect(isValid()).toBe(true);
          const from = ip.sourceOffset(family);
          const bit = 8 * from + (pick % (8 * (bytes.length - from)));
          bytes[bit >>> 3]! ^= 1 << (bit & 7);
          // A checksum that becomes zero says over IPv4 that there is none.
          const absent = family === 4 && read16(bytes, transport + udp.CHECKSUM) === 0;
          expect(isValid()).toBe(absent);
        },
      ),
    );
  });

  test('other protocols have none: nothing is written, anything is valid', () => {
    const bytes = new Uint8Array(40).fill(0x45);
    ip.completeTransportChecksum(bytes, 0, 20, 40, 4, 132);
    expect(bytes.every((octet) => octet === 0x45)).toBe(true);
    expect(ip.hasValidTransportChecksum(bytes, 0, 20, 40, 4, 132)).toBe(true);
  });

  test('setLength writes what each version counts', () => {
    const four = datagram(4, new Uint8Array(32), new Uint8Array(4)).bytes;
    ipv4.completeChecksum(four, 0);
    ip.setLength(four, 0, 4, 1400);
    expect(ipv4.totalLength(four, 0)).toBe(1400);
    expect(ipv4.hasValidChecksum(four, 0)).toBe(true);
    const six = datagram(6, new Uint8Array(32), new Uint8Array(4)).bytes;
    ip.setLength(six, 0, 6, 1400);
    expect(ipv6.payloadLength(six, 0)).toBe(1360);
  });
});
