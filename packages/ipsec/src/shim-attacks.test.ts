/** What an attacker on the path can send, against one inbound SA. */
import fc from 'fast-check';
import { PacketPool } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { ip } from '@ngisec/wire';
import { countingKey, fromHex, onTheWire, saPair, suiteNames, toHex } from '../test/sa-pair.ts';
import * as shim from './shim.ts';
import { suites } from './crypto/suites.ts';
import { workingProviders } from './crypto/choose-provider.ts';
import type { InboundSa, OutboundSa } from './security-association.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const v6 = { src: 'fd01::5', dst: 'fd02::7' };
const ports = { sport: 40000, dport: 443 };
const payload = Uint8Array.from([1, 2, 3, 4, 5]);
const pool = new PacketPool({ packets: 4 });

afterEach(() => expect(pool.available).toBe(pool.capacity));

function sealed(octets: Uint8Array, outbound: OutboundSa): Uint8Array {
  const packet = pool.allocateCopy(octets);
  expect(preparePacket(pool, packet)).toBe(true);
  expect(shim.seal(pool, packet, outbound)).toBe(shim.SEAL_OK);
  const wire = onTheWire(pool, packet);
  pool.release(packet);
  return wire;
}

/** Opens a packet; `change` sees it between the check of its headers and the SA. */
function openResult(
  wire: Uint8Array,
  inbound: InboundSa,
  change: (at: number) => void = () => undefined,
): number {
  const packet = pool.allocateCopy(wire);
  expect(preparePacket(pool, packet)).toBe(true);
  change(pool.start[packet]!);
  const result = shim.open(pool, packet, inbound);
  pool.release(packet);
  return result;
}

type Ranges = readonly (readonly [from: number, to: number])[];
const isWithin = (ranges: Ranges, at: number): boolean => ranges.some(([from, to]) => at >= from && at < to);

/** Addresses and T header without its checksum (for UDP without its length too) are covered, and all of the shim. */
const subjects: readonly (readonly [string, Uint8Array, covered: Ranges, shimAt: number])[] = [
  [
    'IPv4 TCP',
    buildTcp({ ...v4, ...ports, payload }),
    [
      [12, 36],
      [38, 40],
    ],
    40,
  ],
  ['IPv4 UDP', buildUdp({ ...v4, ...ports, payload }), [[12, 24]], 28],
  [
    'IPv4 ICMP',
    buildEcho({ ...v4, payload }),
    [
      [12, 22],
      [24, 28],
    ],
    28,
  ],
  [
    'IPv6 TCP',
    buildTcp({ ...v6, ...ports, payload }),
    [
      [8, 56],
      [58, 60],
    ],
    60,
  ],
  ['IPv6 UDP', buildUdp({ ...v6, ...ports, payload }), [[8, 44]], 48],
  [
    'IPv6 ICMP',
    buildEcho({ ...v6, payload }),
    [
      [8, 42],
      [44, 48],
    ],
    48,
  ],
];

describe.each(suiteNames)('%s', (suite) => {
  test.each(subjects)(
    '#90 #91 #92 each flipped bit of %s: covered ones are refused and change nothing, others do not matter',
    (_, octets, ofHeaders, shimAt) => {
      const keyMaterial = countingKey(suite, 7);
      const { outbound, inbound } = saPair({ suite, keyMaterial });
      sealed(octets, outbound);
      const wire = sealed(octets, outbound);
      const covered = [...ofHeaders, [shimAt, wire.length] as const];
      inbound.window.markAccepted(1);
      let refused = 0;
      for (let bit = 0; bit < 8 * wire.length; bit += 1) {
        const at = bit >>> 3;
        const flip = (start: number): void => void (pool.bytes[start + at]! ^= 1 << (bit & 7));
        if (isWithin(covered, at)) {
          const result = openResult(wire, inbound, flip);
          expect([bit, [shim.OPEN_FORGED, shim.OPEN_REPLAYED].includes(result)]).toEqual([bit, true]);
          expect(inbound.window.top).toBe(1);
          refused += 1;
        } else {
          // A fresh window, for the packet is genuine.
          const fresh = saPair({ suite, keyMaterial }).inbound;
          expect([bit, openResult(wire, fresh, flip)]).toEqual([bit, shim.OPEN_OK]);
        }
      }
      expect(refused).toBe(8 * covered.reduce((sum, [from, to]) => sum + to - from, 0));
      expect(openResult(wire, inbound)).toBe(shim.OPEN_OK);
    },
  );

  test('#105 a shim of another profile under the same SPI is refused', () => {
    for (const other of suiteNames) {
      if (suites[other].profile === suites[suite].profile) continue;
      const wire = sealed(
        buildUdp({ ...v4, ...ports, payload: new Uint8Array(80) }),
        saPair({ suite: other }).outbound,
      );
      const { inbound } = saPair({ suite });
      expect(openResult(wire, inbound)).toBe(shim.OPEN_FORGED);
      expect(inbound.window.top).toBe(0);
    }
  });
});

test('#90 property: a flipped bit of the covered octets of any packet is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1400 }), fc.nat(), fc.boolean(), (data, where, isV6) => {
      const { outbound, inbound } = saPair();
      const wire = sealed(buildTcp({ ...(isV6 ? v6 : v4), ...ports, payload: data }), outbound);
      // From the first port on, past checksum and SPI.
      const transport = isV6 ? 40 : 20;
      const places = wire.length - transport - 6;
      let at = where % places;
      if (at >= 16) at += 2;
      if (at >= 20) at += 4;
      const bit = 1 << (where & 7);
      const flip = (start: number): void => void (pool.bytes[start + transport + at]! ^= bit);
      expect(openResult(wire, inbound, flip)).not.toBe(shim.OPEN_OK);
      expect(inbound.window.top).toBe(0);
      expect(openResult(wire, inbound)).toBe(shim.OPEN_OK);
    }),
    { numRuns: 200 },
  );
});

test.each([v4, v6])(
  '#91 two swapped addresses leave the TCP checksum right, yet are refused',
  (addresses) => {
    const { outbound, inbound } = saPair();
    const wire = sealed(buildTcp({ ...addresses, ...ports, payload }), outbound);
    const family = addresses === v4 ? 4 : 6;
    const [at, width] = [ip.sourceOffset(family), ip.addressBytes(family)];
    const swapped = wire.slice();
    swapped.copyWithin(at, at + width, at + 2 * width);
    swapped.set(wire.subarray(at, at + width), at + width);
    const transport = family === 4 ? 20 : 40;
    expect(ip.hasValidTransportChecksum(swapped, 0, transport, swapped.length, family, ip.TCP)).toBe(true);
    expect(openResult(swapped, inbound)).toBe(shim.OPEN_FORGED);
  },
);

test('#43 neither another key, nor another salt, scope or SPI opens a packet', () => {
  const { outbound, inbound } = saPair();
  const wire = sealed(buildUdp({ ...v4, ...ports, payload }), outbound);
  const otherSalt = countingKey('aes-128-gcm');
  otherSalt[16]! ^= 1;
  for (const other of [
    saPair({ keyMaterial: countingKey('aes-128-gcm', 1) }),
    saPair({ keyMaterial: otherSalt }),
    saPair({ scope: 'ports' }),
    saPair({ spi: outbound.spi + 1 }),
  ]) {
    expect(openResult(wire, other.inbound)).toBe(shim.OPEN_FORGED);
    expect(other.inbound.window.top).toBe(0);
  }
  expect(openResult(wire, inbound)).toBe(shim.OPEN_OK);
});

test('#90 one flow’s ciphertext does not open behind the headers of another', () => {
  const { outbound, inbound } = saPair();
  const first = sealed(buildUdp({ ...v4, ...ports, payload }), outbound);
  const other = sealed(buildUdp({ ...v4, ...ports, dport: 80, payload }), outbound);
  const spliced = Uint8Array.from([...other.subarray(0, 28), ...first.subarray(28)]);
  expect(openResult(spliced, inbound)).toBe(shim.OPEN_FORGED);
  expect([openResult(first, inbound), openResult(other, inbound)]).toEqual([shim.OPEN_OK, shim.OPEN_OK]);
});

test('#97 a replay is refused before any cryptography, a packet from behind the window by it', () => {
  const { outbound, inbound } = saPair({ windowPackets: 32 });
  const wires = Array.from({ length: 40 }, () => sealed(buildUdp({ ...v4, ...ports, payload }), outbound));
  expect(openResult(wires[39]!, inbound)).toBe(shim.OPEN_OK);
  let decryptions = 0;
  const open = inbound.aead.open.bind(inbound.aead);
  inbound.aead.open = (...range) => {
    decryptions += 1;
    return open(...range);
  };
  expect([openResult(wires[39]!, inbound), decryptions]).toEqual([shim.OPEN_REPLAYED, 0]);
  // Behind a window of 9 to 40 the low half 8 can only mean 2^32 + 8, and the ICV says it does not.
  expect([openResult(wires[7]!, inbound), decryptions]).toEqual([shim.OPEN_FORGED, 1]);
  expect([openResult(wires[8]!, inbound), decryptions]).toEqual([shim.OPEN_OK, 2]);
  expect(inbound.window.top).toBe(40);
});

test('#92 forged packets far ahead do not push the window away from honest ones', () => {
  const { outbound, inbound } = saPair({ windowPackets: 32 });
  const wires = Array.from({ length: 10 }, () => sealed(buildUdp({ ...v4, ...ports, payload }), outbound));
  for (const wire of wires) {
    for (const ahead of [0x40, 0x80, 0xff]) {
      const jump = (start: number): void => void (pool.bytes[start + 32] = ahead);
      expect(openResult(wire, inbound, jump)).toBe(shim.OPEN_FORGED);
    }
    expect(openResult(wire, inbound)).toBe(shim.OPEN_OK);
  }
  expect(inbound.window.top).toBe(10);
});

describe.each(workingProviders().map((provider) => [provider.name, provider] as const))(
  '%s',
  (_, provider) => {
    test.each([
      ['none', 'dddd 00fe', shim.OPEN_OK],
      ['1, 2', 'dddddddd 0102 02fe', shim.OPEN_OK],
      ['1 to 6, more than alignment needs', '010203040506 06fe', shim.OPEN_OK],
      ['zeros', 'dddddd 000000 03fe', shim.OPEN_BAD_PADDING],
      ['counted from 0', 'dddddddd 0001 02fe', shim.OPEN_BAD_PADDING],
      ['with a wrong last octet', 'dddddd 010204 03fe', shim.OPEN_BAD_PADDING],
      ['longer than the plaintext', '0102 03fe', shim.OPEN_BAD_PADDING],
      ['of 255 octets', 'dddddddddddd fffe', shim.OPEN_BAD_PADDING],
    ])('RFC 4303 section 2.4: a valid ICV over padding %s', (__, hex, expected) => {
      const { outbound, inbound } = saPair({ provider });
      const plaintext = fromHex(hex);
      const { aead } = outbound;
      const seal = aead.seal.bind(aead);
      aead.seal = (bytes, at, length) => {
        expect(length).toBe(plaintext.length);
        bytes.set(plaintext, at);
        seal(bytes, at, length);
      };
      const wire = sealed(
        buildUdp({ ...v4, ...ports, payload: new Uint8Array(plaintext.length - 2) }),
        outbound,
      );
      expect(openResult(wire, inbound)).toBe(expected);
      // The packet is genuine, if odd: its number is spent.
      expect(openResult(wire, inbound)).toBe(shim.OPEN_REPLAYED);
      outbound.destroy();
      inbound.destroy();
    });
  },
);

test('#105 lengths that no shim can have are refused unread', () => {
  const { inbound } = saPair();
  const seen: number[] = [];
  for (let length = 0; length <= 40; length += 1) {
    const result = openResult(buildUdp({ ...v4, ...ports, payload: new Uint8Array(length) }), inbound);
    if (result !== shim.OPEN_TOO_SHORT) seen.push(length);
  }
  expect(seen).toEqual([28, 32, 36, 40]);
});

test('a refused replay leaves the packet as it came', () => {
  const { outbound, inbound } = saPair();
  const wire = sealed(buildUdp({ ...v4, ...ports, payload }), outbound);
  expect(openResult(wire, inbound)).toBe(shim.OPEN_OK);
  const packet = pool.allocateCopy(wire);
  preparePacket(pool, packet);
  expect(shim.open(pool, packet, inbound)).toBe(shim.OPEN_REPLAYED);
  expect(toHex(pool.octets(packet))).toBe(toHex(wire));
  pool.release(packet);
});
