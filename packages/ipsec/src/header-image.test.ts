import { buildEcho, buildTcp, buildUdp, parseIp, type IpPacket } from '@ngisec/testkit';
import { ip } from '@ngisec/wire';
import { fromHex, toHex } from '../test/sa-pair.ts';
import { ASSOCIATED_BYTES_MAX } from './crypto/aead.ts';
import { IMAGE_BYTES_MAX, scopes, writeHeaderImage, type Scope } from './header-image.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const v6 = { src: 'fd01::5', dst: 'fd02::7' };
const payload = fromHex('68656c6c6f');
const tcpFields = {
  sport: 40000,
  dport: 443,
  seq: 0x01020304,
  ack: 0x0a0b0c0d,
  flags: 0x18,
  window: 502,
  // No-operation twice, then a timestamp.
  options: fromHex('01 01 080a 11223344 55667788'),
  payload,
};
const udpFields = { sport: 5353, dport: 53, payload };
const echoFields = { identifier: 0xbeef, sequence: 2, payload };

/** Image of a packet between two marks, which must still stand. */
function imageOf(octets: Uint8Array, scope: Scope): string {
  const { transport, payload: behind, family, protocol } = parseIp(octets) as IpPacket;
  // Away from 0 on both sides, to tell offsets from lengths.
  const bytes = new Uint8Array(octets.length + 40).fill(0xee);
  bytes.set(octets, 20);
  return writeImage(bytes, 20, 20 + transport, behind - transport, family, protocol, scope);
}

function writeImage(
  bytes: Uint8Array,
  at: number,
  transport: number,
  transportBytes: number,
  family: number,
  protocol: number,
  scope: Scope,
): string {
  const to = new Uint8Array(160).fill(0xa5);
  const length = writeHeaderImage(
    bytes,
    at,
    transport,
    transportBytes,
    family,
    protocol,
    scopes[scope],
    to,
    12,
  );
  expect(to.subarray(0, 12).every((octet) => octet === 0xa5)).toBe(true);
  expect(to.subarray(12 + length).every((octet) => octet === 0xa5)).toBe(true);
  return toHex(to.subarray(12, 12 + length));
}

const addresses4 = '0a010005 0a020007';
const addresses6 = 'fd010000000000000000000000000005 fd020000000000000000000000000007';
//                ports     sequence ack      8<<4,flags window check urgent options
const tcpHeader = '9c4001bb 01020304 0a0b0c0d 8018 01f6 0000 0000 0101080a1122334455667788';
//                ports     length check
const udpHeader = '14e90035 0000 0000';

test.each<[string, Scope, Uint8Array, string]>([
  ['IPv4 TCP', 'full', buildTcp({ ...v4, ...tcpFields }), `01 06 0020 ${addresses4} ${tcpHeader}`],
  ['IPv4 TCP', 'ports', buildTcp({ ...v4, ...tcpFields }), `02 06 0020 ${tcpHeader}`],
  ['IPv4 TCP', 'none', buildTcp({ ...v4, ...tcpFields }), '03 06 0020'],
  ['IPv4 UDP', 'full', buildUdp({ ...v4, ...udpFields }), `01 11 0008 ${addresses4} ${udpHeader}`],
  ['IPv4 UDP', 'ports', buildUdp({ ...v4, ...udpFields }), `02 11 0008 ${udpHeader}`],
  ['IPv4 UDP', 'none', buildUdp({ ...v4, ...udpFields }), '03 11 0008'],
  ['IPv4 ICMP', 'full', buildEcho({ ...v4, ...echoFields }), `01 01 0008 ${addresses4} 08000000beef0002`],
  ['IPv4 ICMP', 'ports', buildEcho({ ...v4, ...echoFields }), '02 01 0008 08000000beef0002'],
  ['IPv4 ICMP', 'none', buildEcho({ ...v4, ...echoFields }), '03 01 0008'],
  ['IPv6 TCP', 'full', buildTcp({ ...v6, ...tcpFields }), `01 06 0020 ${addresses6} ${tcpHeader}`],
  ['IPv6 TCP', 'ports', buildTcp({ ...v6, ...tcpFields }), `02 06 0020 ${tcpHeader}`],
  ['IPv6 TCP', 'none', buildTcp({ ...v6, ...tcpFields }), '03 06 0020'],
  ['IPv6 UDP', 'full', buildUdp({ ...v6, ...udpFields }), `01 11 0008 ${addresses6} ${udpHeader}`],
  ['IPv6 UDP', 'ports', buildUdp({ ...v6, ...udpFields }), `02 11 0008 ${udpHeader}`],
  ['IPv6 UDP', 'none', buildUdp({ ...v6, ...udpFields }), '03 11 0008'],
  ['IPv6 ICMP', 'full', buildEcho({ ...v6, ...echoFields }), `01 3a 0008 ${addresses6} 80000000beef0002`],
  ['IPv6 ICMP', 'ports', buildEcho({ ...v6, ...echoFields }), '02 3a 0008 80000000beef0002'],
  ['IPv6 ICMP', 'none', buildEcho({ ...v6, ...echoFields }), '03 3a 0008'],
])('#91 the image of %s under scope %s', (_, scope, octets, expected) => {
  expect(imageOf(octets, scope)).toBe(expected.replaceAll(' ', ''));
});

test('the longest image and what stands before it fit the associated data', () => {
  const options = new Uint8Array(40).fill(1);
  const image = imageOf(buildTcp({ ...v6, ...tcpFields, options }), 'full');
  expect(image.length / 2).toBe(96);
  expect(IMAGE_BYTES_MAX).toBe(96);
  expect(12 + IMAGE_BYTES_MAX).toBeLessThanOrEqual(ASSOCIATED_BYTES_MAX);
});

/** Octet ranges `[from, to)` of a packet that its image covers, for scope full. */
type Ranges = readonly (readonly [from: number, to: number])[];

test.each<[string, Uint8Array, Ranges]>([
  [
    'IPv4 TCP',
    buildTcp({ ...v4, ...tcpFields }),
    [
      [12, 36],
      [38, 52],
    ],
  ],
  ['IPv4 UDP', buildUdp({ ...v4, ...udpFields }), [[12, 24]]],
  [
    'IPv4 ICMP',
    buildEcho({ ...v4, ...echoFields }),
    [
      [12, 22],
      [24, 28],
    ],
  ],
  [
    'IPv6 TCP',
    buildTcp({ ...v6, ...tcpFields }),
    [
      [8, 56],
      [58, 72],
    ],
  ],
  ['IPv6 UDP', buildUdp({ ...v6, ...udpFields }), [[8, 44]]],
  [
    'IPv6 ICMP',
    buildEcho({ ...v6, ...echoFields }),
    [
      [8, 42],
      [44, 48],
    ],
  ],
])('#91 #123 each bit of %s is in the image, or is one that networks change', (_, octets, covered) => {
  const { transport, payload: behind, family, protocol } = parseIp(octets) as IpPacket;
  const image = (bytes: Uint8Array): string =>
    writeImage(bytes, 0, transport, behind - transport, family, protocol, 'full');
  const expected = image(octets);
  for (let bit = 0; bit < 8 * octets.length; bit += 1) {
    const at = bit >>> 3;
    const flipped = octets.slice();
    flipped[at]! ^= 1 << (bit & 7);
    const isCovered = covered.some(([from, to]) => at >= from && at < to);
    expect([at, image(flipped) !== expected]).toEqual([at, isCovered]);
  }
});

test('#123 all 64 DSCP and 4 ECN values, TTLs, identifications, DF and flow labels give one image', () => {
  const reference4 = imageOf(buildTcp({ ...v4, ...tcpFields }), 'full');
  const reference6 = imageOf(buildUdp({ ...v6, ...udpFields }), 'full');
  for (let dscp = 0; dscp < 64; dscp += 1) {
    for (let ecn = 0; ecn < 4; ecn += 1) {
      const mutable = { dscp, ecn, ttl: 1 + 3 * dscp, identification: 1021 * dscp, dontFragment: ecn > 1 };
      expect(imageOf(buildTcp({ ...v4, ...tcpFields, ...mutable }), 'full')).toBe(reference4);
      const octets = buildUdp({ ...v6, ...udpFields, ...mutable });
      octets[1]! |= dscp & 0x0f;
      octets[2] = 4 * dscp;
      octets[3] = 255 - dscp;
      expect(imageOf(octets, 'full')).toBe(reference6);
    }
  }
});

test('#91 IPv4 options and IPv6 extension headers stand outside: routers may change them', () => {
  const plain = buildUdp({ ...v4, ...udpFields });
  const withOption = Uint8Array.from([0x46, ...plain.subarray(1, 20), 0x94, 4, 0, 0, ...plain.subarray(20)]);
  const arguments4 = [24, 8, 4, ip.UDP, 'full'] as const;
  expect(writeImage(withOption, 0, ...arguments4)).toBe(imageOf(plain, 'full'));
  const plain6 = buildUdp({ ...v6, ...udpFields });
  const extension = [ip.UDP, 0, 1, 4, 0, 0, 0, 0];
  const extended = Uint8Array.from([...plain6.subarray(0, 40), ...extension, ...plain6.subarray(40)]);
  expect(writeImage(extended, 0, 48, 8, 6, ip.UDP, 'full')).toBe(imageOf(plain6, 'full'));
});
