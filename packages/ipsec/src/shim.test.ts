import fc from 'fast-check';
import { PacketPool } from '@ngisec/core';
import {
  buildEcho,
  buildTcp,
  buildUdp,
  preparePacket,
  type EchoFields,
  type TcpFields,
} from '@ngisec/testkit';
import { ip, ipv4, ipv6, read32 } from '@ngisec/wire';
import { fromHex, onTheWire, saPair, suiteNames, toHex } from '../test/sa-pair.ts';
import * as shim from './shim.ts';
import type { SuiteName } from './crypto/suites.ts';
import { isSpi } from './security-association.ts';
import { workingProviders } from './crypto/choose-provider.ts';
import { nextHeaders } from './next-header.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const v6 = { src: 'fd01::5', dst: 'fd02::7' };
const ports = { sport: 40000, dport: 443 };
const pool = new PacketPool({ packets: 4 });

function load(octets: Uint8Array, from = pool): number {
  const packet = from.allocateCopy(octets);
  expect(preparePacket(from, packet)).toBe(true);
  return packet;
}

afterEach(() => expect(pool.available).toBe(pool.capacity));

/** Sealed by test/peer.py, with keying material 00 01 02 ... */
const goldenPackets = [
  {
    name: 'IPv4 TCP, aes-128-gcm, scope full, sequence number 1',
    setting: { suite: 'aes-128-gcm', scope: 'full', spi: 0x1122_3344 },
    sequence: 1,
    emitted: `4500 0039 0007 4000 4006 26aa 0a010005 0a020007
      9c40 01bb 01020304 0a0b0c0d 8018 01f6 536b 0000 01 01 080a 11223344 55667788
      68656c6c6f`,
    sealed: `4500 0054 0007 4000 4006 268f 0a010005 0a020007
      9c40 01bb 01020304 0a0b0c0d 8018 01f6 508d 0000 01 01 080a 11223344 55667788
      11223344 00000001 362396fdd4152fe8 813279374b3c4b3654bdcb8010046ff0`,
  },
  {
    name: 'IPv6 UDP, chacha20-poly1305, scope ports, sequence number 2^32 + 1',
    setting: { suite: 'chacha20-poly1305', scope: 'ports', spi: 0xfedc_ba98 },
    sequence: 2 ** 32 + 1,
    emitted: `60000000 000e 11 40 fd010000000000000000000000000005 fd020000000000000000000000000007
      14e9 0035 000e a09a 717565727921`,
    sealed: `60000000 0028 11 40 fd010000000000000000000000000005 fd020000000000000000000000000007
      14e9 0035 0028 bac6 fedcba98 00000001 ba3398a9be646aab adf314ae75604aa72e2f1af555f8de7e`,
  },
  {
    name: 'the worked example of docs/protocol.md in the ah-esp profile',
    setting: { suite: 'aes-128-ctr-hmac-sha-256-128', scope: 'full', spi: 0x1122_3344 },
    sequence: 1,
    emitted: `4500002d 00014000 400626c4 0a010002 0a020002
      9c400050 01020304 05060708 50180200 a94a0000 68656c6c6f`,
    sealed: `4500005c 00014000 40062695 0a010002 0a020002
      9c400050 01020304 05060708 50180200 250b0000
      32 05 0000 11223344 00000001 e1abfd89e7fa2fe9c4cc77222eb441d7
      11223344 00000001 0000000000000001 33c84e7eb1223610`,
  },
  {
    name: 'IPv4 TCP, aes-128-ctr-hmac-sha-256-128, scope full, sequence number 1',
    setting: { suite: 'aes-128-ctr-hmac-sha-256-128', scope: 'full', spi: 0x1122_3344 },
    sequence: 1,
    emitted: `4500 0039 0007 4000 4006 26aa 0a010005 0a020007
      9c40 01bb 01020304 0a0b0c0d 8018 01f6 536b 0000 01 01 080a 11223344 55667788
      68656c6c6f`,
    sealed: `4500 0068 0007 4000 4006 267b 0a010005 0a020007
      9c40 01bb 01020304 0a0b0c0d 8018 01f6 4819 0000 01 01 080a 11223344 55667788
      32 05 0000 11223344 00000001 f9c20d68ba886a1be5318d6443be4883
      11223344 00000001 0000000000000001 33c84e7eb1223610`,
  },
  {
    name: 'IPv6 UDP, aes-128-ctr-gmac, scope ports, sequence number 2^32 + 1',
    setting: { suite: 'aes-128-ctr-gmac', scope: 'ports', spi: 0xfedc_ba98 },
    sequence: 2 ** 32 + 1,
    emitted: `60000000 000e 11 40 fd010000000000000000000000000005 fd020000000000000000000000000007
      14e9 0035 000e a09a 717565727921`,
    sealed: `60000000 0048 11 40 fd010000000000000000000000000005 fd020000000000000000000000000007
      14e9 0035 0048 f6ba
      32 08 0000 fedcba98 00000001 0000000100000001 c2cb708cdae36436701a6e16c77e53b3 00000000
      fedcba98 00000001 0000000100000001 c2614e516ba86c4a`,
  },
  {
    name: 'IPv6 UDP, null-hmac-sha-256-128, scope none, sequence number 7',
    setting: { suite: 'null-hmac-sha-256-128', scope: 'none', spi: 0x1000 },
    sequence: 7,
    emitted: `60000000 000e 11 40 fd010000000000000000000000000005 fd020000000000000000000000000007
      14e9 0035 000e a09a 717565727921`,
    sealed: `60000000 0038 11 40 fd010000000000000000000000000005 fd020000000000000000000000000007
      14e9 0035 0038 15b6
      32 06 0000 00001000 00000007 02d59c85a6a25eb858d83cff2db8cf38 00000000
      00001000 00000007 717565727921 00 fe`,
  },
  {
    name: 'IPv4 TCP, aes-128-gmac, scope full, sequence number 7',
    setting: { suite: 'aes-128-gmac', scope: 'full', spi: 0x1000 },
    sequence: 7,
    emitted: `4500 0039 0007 4000 4006 26aa 0a010005 0a020007
      9c40 01bb 01020304 0a0b0c0d 8018 01f6 536b 0000 01 01 080a 11223344 55667788
      68656c6c6f`,
    sealed: `4500 0054 0007 4000 4006 268f 0a010005 0a020007
      9c40 01bb 01020304 0a0b0c0d 8018 01f6 f38b 0000 01 01 080a 11223344 55667788
      00001000 00000007 68656c6c6f 01 01 fe d2137947dba17c594594cf6caa54eb11`,
  },
] as const;

describe.each(goldenPackets)('#22 #23 golden packet: $name', ({ setting, sequence, emitted, sealed }) => {
  test.each(workingProviders().map((provider) => [provider.name, provider] as const))('%s', (_, provider) => {
    const { outbound, inbound } = saPair({ ...setting, provider });
    outbound.nextSequence = () => sequence;
    if (sequence > 1) inbound.window.markAccepted(sequence - 1);

    const packet = load(fromHex(emitted));
    expect(shim.seal(pool, packet, outbound)).toBe(shim.SEAL_OK);
    expect(toHex(onTheWire(pool, packet))).toBe(toHex(fromHex(sealed)));
    pool.release(packet);

    const arrived = load(fromHex(sealed));
    expect(shim.open(pool, arrived, inbound)).toBe(shim.OPEN_OK);
    expect(pool.nextHeader[arrived]).toBe(nextHeaders.transportData);
    expect(pool.channel[arrived]).toBe(inbound.channel);
    expect(toHex(onTheWire(pool, arrived))).toBe(toHex(fromHex(emitted)));
    pool.release(arrived);
    outbound.destroy();
    inbound.destroy();
  });
});

/** Octets added to a payload of a multiple of 4 octets, which takes 2 of padding. */
const overheads: Readonly<Record<SuiteName, readonly [v4: number, v6: number]>> = {
  'aes-128-gcm': [28, 28],
  'aes-256-gcm': [28, 28],
  'chacha20-poly1305': [28, 28],
  'aes-128-gmac': [28, 28],
  // AH 28 (32 in IPv6), ESP 20.
  'aes-128-ctr-hmac-sha-256-128': [48, 52],
  // GMAC has an IV of 8 in AH.
  'aes-128-ctr-gmac': [56, 60],
  // Without an IV in ESP.
  'null-hmac-sha-256-128': [40, 44],
  'null-aes-128-gmac': [48, 52],
};

describe.each(Object.entries(overheads))('#37 what %s adds', (name, [inV4, inV6]) => {
  const suite = name as SuiteName;
  test.each([
    ['IPv4 TCP', inV4, (payload: Uint8Array) => buildTcp({ ...v4, ...ports, payload })],
    ['IPv4 UDP', inV4, (payload: Uint8Array) => buildUdp({ ...v4, ...ports, payload })],
    ['IPv4 ICMP', inV4, (payload: Uint8Array) => buildEcho({ ...v4, payload })],
    ['IPv6 TCP', inV6, (payload: Uint8Array) => buildTcp({ ...v6, ...ports, payload })],
    ['IPv6 UDP', inV6, (payload: Uint8Array) => buildUdp({ ...v6, ...ports, payload })],
    ['IPv6 ICMP', inV6, (payload: Uint8Array) => buildEcho({ ...v6, payload })],
  ])('to %s', (_, atFour, build) => {
    const { outbound } = saPair({ suite });
    for (const length of [...Array(65).keys(), 128, 576, 1500]) {
      const packet = load(build(new Uint8Array(length)));
      const before = pool.end[packet]! - pool.start[packet]!;
      expect(shim.seal(pool, packet, outbound)).toBe(shim.SEAL_OK);
      const overhead = pool.end[packet]! - pool.start[packet]! - before;
      expect([length, overhead]).toEqual([length, atFour + [0, -1, -2, 1][length % 4]!]);
      pool.release(packet);
    }
  });

  test('at most', () => {
    expect([shim.bytesMax(suite, 4), shim.bytesMax(suite, 6)]).toEqual([inV4 + 1, inV6 + 1]);
  });
});

describe('#105 a shim is recognised', () => {
  /** What `findSpi` says of a UDP payload. */
  const found = (payload: Uint8Array, addresses: typeof v4 = v4): number => {
    const packet = load(buildUdp({ ...addresses, ...ports, payload }));
    const spi = shim.findSpi(pool, packet);
    pool.release(packet);
    return spi;
  };
  const ahOf = (payloadLength: number, octets: number): Uint8Array => {
    const bytes = new Uint8Array(octets);
    bytes.set([50, payloadLength, 0, 0, 0x11, 0x22, 0x33, 0x44]);
    return bytes;
  };

  test.each(suiteNames)('of %s, by its SPI', (suite) => {
    for (const addresses of [v4, v6]) {
      const { outbound } = saPair({ suite });
      const packet = load(buildUdp({ ...addresses, ...ports }));
      shim.seal(pool, packet, outbound);
      expect(shim.findSpi(pool, packet)).toBe(0x1122_3344);
      pool.release(packet);
    }
  });

  test('not in lengths it cannot have', () => {
    for (let length = 0; length <= 100; length += 1) {
      expect(found(new Uint8Array(length).fill(7))).toBe(
        length >= 28 && length % 4 === 0 ? 0x0707_0707 : shim.NO_SPI,
      );
    }
  });

  test('as AH in its two lengths for the IP version, otherwise as ESP under an SPI that no SA has', () => {
    for (let payloadLength = 0; payloadLength < 256; payloadLength += 1) {
      const word = (0x3200_0000 | (payloadLength << 16)) >>> 0;
      const isAhIn4 = payloadLength === 5 || payloadLength === 7;
      const isAhIn6 = payloadLength === 6 || payloadLength === 8;
      expect(found(ahOf(payloadLength, 1200))).toBe(isAhIn4 ? 0x1122_3344 : word);
      expect(found(ahOf(payloadLength, 1200), v6)).toBe(isAhIn6 ? 0x1122_3344 : word);
      expect(isSpi(word)).toBe(false);
    }
  });

  test('as AH only where ESP still fits behind it', () => {
    expect(found(ahOf(5, 28 + 12))).toBe(0x1122_3344);
    expect(found(ahOf(5, 28 + 8))).toBe(0x3205_0000);
    expect(found(ahOf(8, 40 + 12), v6)).toBe(0x1122_3344);
    expect(found(ahOf(8, 40 + 8), v6)).toBe(0x3208_0000);
  });
});

/** The packet with an IPv4 router alert or an IPv6 destination options header before its transport header. */
function withIpOptions(octets: Uint8Array): Uint8Array {
  const isV4 = octets[0]! >>> 4 === 4;
  const headers = isV4 ? ipv4.HEADER_BYTES_MIN : ipv6.HEADER_BYTES;
  const extra = isV4 ? [0x94, 4, 0, 0] : [octets[6]!, 0, 1, 4, 0, 0, 0, 0];
  const longer = Uint8Array.from([...octets.subarray(0, headers), ...extra, ...octets.subarray(headers)]);
  if (isV4) longer[0] = 0x46;
  else longer[6] = 60;
  ip.setLength(longer, 0, isV4 ? 4 : 6, longer.length);
  if (isV4) ipv4.completeChecksum(longer, 0);
  return longer;
}

const builders: readonly ((fields: TcpFields & EchoFields) => Uint8Array)[] = [buildTcp, buildUdp, buildEcho];

const emittedPackets = fc
  .record({
    addresses: fc.constantFrom(v4, v6),
    build: fc.constantFrom(...builders),
    payload: fc.uint8Array({ maxLength: 1400 }),
    tcpOptions: fc.integer({ min: 0, max: 10 }),
    hasIpOptions: fc.boolean(),
    dscp: fc.integer({ min: 0, max: 63 }),
  })
  .map(({ addresses, build, payload, tcpOptions, hasIpOptions, dscp }) => {
    const options = new Uint8Array(4 * tcpOptions).fill(1);
    const octets = build({
      ...addresses,
      ...ports,
      dscp,
      payload,
      ...(build === buildTcp ? { options } : {}),
    });
    return hasIpOptions ? withIpOptions(octets) : octets;
  });

test('#22 #23 property: what is opened is what was sealed, valid IP in between', () => {
  const setting = fc.record({
    suite: fc.constantFrom(...suiteNames),
    scope: fc.constantFrom('full', 'ports', 'none'),
  });
  fc.assert(
    fc.property(setting, fc.array(emittedPackets, { minLength: 1, maxLength: 5 }), (each, emitted) => {
      const { outbound, inbound } = saPair(each);
      for (const [index, octets] of emitted.entries()) {
        const packet = load(octets);
        expect(shim.seal(pool, packet, outbound)).toBe(shim.SEAL_OK);
        expect(shim.findSpi(pool, packet)).toBe(outbound.spi);
        const numberAt = pool.payload[packet]! + outbound.profile.sequenceAt;
        expect(read32(pool.bytes, numberAt)).toBe(index + 1);
        // Through the device and the other end's check, which refuses wrong lengths and IP checksums.
        const wire = onTheWire(pool, packet);
        pool.release(packet);
        const arrived = load(wire);
        expect(shim.open(pool, arrived, inbound)).toBe(shim.OPEN_OK);
        expect(pool.checksumPending[arrived]).toBe(1);
        expect(toHex(onTheWire(pool, arrived))).toBe(toHex(octets));
        pool.release(arrived);
      }
    }),
    { numRuns: 60 },
  );
});

describe('a shim that does not fit is refused: the packet stays, no sequence number is spent', () => {
  test.each([
    // Headroom below 8; a tailroom of 20 is what 72 octets of payload need, 16 is too little.
    ['no headroom', { slotBytes: 256, headroomBytes: 4 }, 72, shim.SEAL_TOO_LONG],
    ['just enough tailroom', { slotBytes: 128, headroomBytes: 8 }, 72, shim.SEAL_OK],
    ['too little tailroom', { slotBytes: 128, headroomBytes: 8 }, 76, shim.SEAL_TOO_LONG],
    // 28 octets of headers, 65,478 of payload, 26 of shim: 65,532; the next size needs 65,536.
    ['the longest IP packet', { slotBytes: 65792, headroomBytes: 128 }, 65478, shim.SEAL_OK],
    ['beyond the longest IP packet', { slotBytes: 65792, headroomBytes: 128 }, 65479, shim.SEAL_TOO_LONG],
  ])('%s', (_, setting, length, expected) => {
    const small = new PacketPool({ ...setting, packets: 3 });
    const { outbound } = saPair();
    small.release(small.allocate());
    // A packet may grow on its way, beyond what may enter.
    const octets = buildUdp({ ...v4, ...ports, payload: new Uint8Array(length) });
    const packet = small.allocate();
    small.bytes.set(octets, small.start[packet]);
    small.end[packet] = small.start[packet]! + octets.length;
    preparePacket(small, packet);
    expect(shim.seal(small, packet, outbound)).toBe(expected);
    if (expected !== shim.SEAL_OK) expect(toHex(small.octets(packet))).toBe(toHex(octets));
    expect(outbound.nextSequence()).toBe(expected === shim.SEAL_OK ? 2 : 1);
  });
});
