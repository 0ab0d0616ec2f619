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
import { esp, ip, ipv4, ipv6 } from '@ngisec/wire';
import { countingKey, fromHex, onTheWire, saPair, suiteNames, toHex } from '../test/sa-pair.ts';
import * as compact from './compact.ts';
import type { CryptoProvider } from './crypto/aead.ts';
import { workingProviders } from './crypto/choose-provider.ts';
import { nodeProvider } from './crypto/node-provider.ts';
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

/** Sealed by test/compact.py, with the key and salt 00 01 02 ... */
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
] as const;

describe.each(goldenPackets)('#22 #23 golden packet: $name', ({ setting, sequence, emitted, sealed }) => {
  test.each(workingProviders().map((provider) => [provider.name, provider] as const))('%s', (_, provider) => {
    const { outbound, inbound } = saPair({ ...setting, provider });
    outbound.nextSequence = () => sequence;
    if (sequence > 1) inbound.window.markAccepted(sequence - 1);

    const packet = load(fromHex(emitted));
    expect(compact.seal(pool, packet, outbound)).toBe(compact.SEAL_OK);
    expect(toHex(onTheWire(pool, packet))).toBe(toHex(fromHex(sealed)));
    pool.release(packet);

    const arrived = load(fromHex(sealed));
    expect(compact.open(pool, arrived, inbound)).toBe(compact.OPEN_OK);
    expect(pool.nextHeader[arrived]).toBe(nextHeaders.transportData);
    expect(pool.channel[arrived]).toBe(inbound.channel);
    expect(toHex(onTheWire(pool, arrived))).toBe(toHex(fromHex(emitted)));
    pool.release(arrived);
    outbound.destroy();
    inbound.destroy();
  });
});

describe.each(suiteNames)('#37 %s adds 26 to 29 octets, whatever the protocol', (suite) => {
  test.each([
    ['IPv4 TCP', (payload: Uint8Array) => buildTcp({ ...v4, ...ports, payload })],
    ['IPv4 UDP', (payload: Uint8Array) => buildUdp({ ...v4, ...ports, payload })],
    ['IPv4 ICMP', (payload: Uint8Array) => buildEcho({ ...v4, payload })],
    ['IPv6 TCP', (payload: Uint8Array) => buildTcp({ ...v6, ...ports, payload })],
    ['IPv6 UDP', (payload: Uint8Array) => buildUdp({ ...v6, ...ports, payload })],
    ['IPv6 ICMP', (payload: Uint8Array) => buildEcho({ ...v6, payload })],
  ])('%s', (_, build) => {
    const { outbound } = saPair({ suite });
    for (let length = 0; length <= 64; length += 1) {
      const packet = load(build(new Uint8Array(length)));
      const before = pool.end[packet]! - pool.start[packet]!;
      expect(compact.seal(pool, packet, outbound)).toBe(compact.SEAL_OK);
      const overhead = pool.end[packet]! - pool.start[packet]! - before;
      expect([length, overhead]).toEqual([length, [28, 27, 26, 29][length % 4]]);
      pool.release(packet);
    }
    expect([compact.SHIM_BYTES_MIN, compact.SHIM_BYTES_MAX]).toEqual([26, 29]);
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
        expect(compact.seal(pool, packet, outbound)).toBe(compact.SEAL_OK);
        expect(esp.spi(pool.bytes, pool.payload[packet]!)).toBe(outbound.spi);
        expect(esp.sequenceLow(pool.bytes, pool.payload[packet]!)).toBe(index + 1);
        // Through the device and the other end's check, which refuses wrong lengths and IP checksums.
        const wire = onTheWire(pool, packet);
        pool.release(packet);
        const arrived = load(wire);
        expect(compact.open(pool, arrived, inbound)).toBe(compact.OPEN_OK);
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
    ['no headroom', { slotBytes: 256, headroomBytes: 4 }, 72, compact.SEAL_TOO_LONG],
    ['just enough tailroom', { slotBytes: 128, headroomBytes: 8 }, 72, compact.SEAL_OK],
    ['too little tailroom', { slotBytes: 128, headroomBytes: 8 }, 76, compact.SEAL_TOO_LONG],
    // 28 octets of headers, 65,478 of payload, 26 of shim: 65,532; the next size needs 65,536.
    ['the longest IP packet', { slotBytes: 65792, headroomBytes: 128 }, 65478, compact.SEAL_OK],
    ['beyond the longest IP packet', { slotBytes: 65792, headroomBytes: 128 }, 65479, compact.SEAL_TOO_LONG],
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
    expect(compact.seal(small, packet, outbound)).toBe(expected);
    if (expected !== compact.SEAL_OK) expect(toHex(small.octets(packet))).toBe(toHex(octets));
    expect(outbound.nextSequence()).toBe(expected === compact.SEAL_OK ? 2 : 1);
  });
});

/** Notes key and nonce of everything sealed. */
function recordingProvider(sealed: string[]): CryptoProvider {
  return {
    name: 'node',
    aead(suite, key) {
      const aead = nodeProvider.aead(suite, key);
      const keyHex = toHex(key);
      const seal = aead.seal.bind(aead);
      aead.seal = (bytes, at, length) => {
        sealed.push(`${keyHex} ${toHex(aead.nonce)}`);
        seal(bytes, at, length);
      };
      return aead;
    },
  };
}

test('#98 the nonce is salt and 64-bit sequence number, from 1 on', () => {
  const sealed: string[] = [];
  const { outbound } = saPair({ provider: recordingProvider(sealed) });
  const key = countingKey('aes-128-gcm');
  for (let count = 1; count <= 300; count += 1) {
    const packet = load(buildUdp({ ...v4, ...ports }));
    compact.seal(pool, packet, outbound);
    pool.release(packet);
    const nonce = `${toHex(key.subarray(16))}${count.toString(16).padStart(16, '0')}`;
    expect(sealed.at(-1)).toBe(`${toHex(key.subarray(0, 16))} ${nonce}`);
  }
});

test('#98 property: no key meets a nonce twice, over SAs with like keys, refused seals and opened packets', () => {
  const step = fc.record({ sa: fc.nat(3), isTooLong: fc.boolean(), isOpened: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 150 }), (steps) => {
      const sealed: string[] = [];
      const provider = recordingProvider(sealed);
      // SA 1 has SA 0's key under another salt, SA 2 its salt under another key.
      const keys = [0, 0, 1, 50].map((first) => countingKey('aes-256-gcm', first));
      keys[1]![35]! ^= 1;
      keys[2]!.set(keys[0]!.subarray(32), 32);
      const pairs = keys.map((keyMaterial) => saPair({ suite: 'aes-256-gcm', keyMaterial, provider }));
      for (const { sa, isTooLong, isOpened } of steps) {
        const packet = load(buildUdp({ ...v4, ...ports, payload: new Uint8Array(sa) }));
        const { outbound, inbound } = pairs[sa]!;
        if (isTooLong) pool.end[packet] = (packet + 1) * pool.slotBytes - 4;
        const result = compact.seal(pool, packet, outbound);
        expect(result).toBe(isTooLong ? compact.SEAL_TOO_LONG : compact.SEAL_OK);
        if (isOpened && !isTooLong) expect(compact.open(pool, packet, inbound)).toBe(compact.OPEN_OK);
        pool.release(packet);
      }
      expect(sealed).toHaveLength(steps.filter(({ isTooLong }) => !isTooLong).length);
      expect(new Set(sealed).size).toBe(sealed.length);
    }),
    { numRuns: 30 },
  );
});
