/** What an attacker on the path can send, against one inbound SA. */
import fc from 'fast-check';
import { PacketPool } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { ip } from '@ngisec/wire';
import { countingKey, onTheWire, saPair, suiteNames, toHex } from '../test/sa-pair.ts';
import * as compact from './compact.ts';
import { workingProviders } from './crypto/choose-provider.ts';
import type { InboundSa, OutboundSa } from './security-association.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const v6 = { src: 'fd01::5', dst: 'fd02::7' };
const ports = { sport: 40000, dport: 443 };
const payload = Uint8Array.from([1, 2, 3, 4, 5]);
const pool = new PacketPool({ packets: 4 });

function sealed(octets: Uint8Array, outbound: OutboundSa): Uint8Array {
  const packet = pool.allocateCopy(octets);
  expect(preparePacket(pool, packet)).toBe(true);
  expect(compact.seal(pool, packet, outbound)).toBe(compact.SEAL_OK);
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
  const result = compact.open(pool, packet, inbound);
  pool.release(packet);
  return result;
}

type Ranges = readonly (readonly [from: number, to: number])[];
const isWithin = (ranges: Ranges, at: number): boolean => ranges.some(([from, to]) => at >= from && at < to);

const subjects: readonly (readonly [string, Uint8Array, covered: Ranges, ofTheLookup: Ranges])[] = [
  // Addresses and T header without its checksum, then sequence number to ICV; the SPI is what the SA is found by.
  [
    'IPv4 TCP',
    buildTcp({ ...v4, ...ports, payload }),
    [
      [12, 36],
      [38, 40],
      [44, 72],
    ],
    [[40, 44]],
  ],
  [
    'IPv4 UDP',
    buildUdp({ ...v4, ...ports, payload }),
    [
      [12, 24],
      [32, 60],
    ],
    [[28, 32]],
  ],
  [
    'IPv4 ICMP',
    buildEcho({ ...v4, payload }),
    [
      [12, 22],
      [24, 28],
      [32, 60],
    ],
    [[28, 32]],
  ],
  [
    'IPv6 TCP',
    buildTcp({ ...v6, ...ports, payload }),
    [
      [8, 56],
      [58, 60],
      [64, 92],
    ],
    [[60, 64]],
  ],
  [
    'IPv6 UDP',
    buildUdp({ ...v6, ...ports, payload }),
    [
      [8, 44],
      [52, 80],
    ],
    [[48, 52]],
  ],
  [
    'IPv6 ICMP',
    buildEcho({ ...v6, payload }),
    [
      [8, 42],
      [44, 48],
      [52, 80],
    ],
    [[48, 52]],
  ],
];

describe.each(suiteNames)('%s', (suite) => {
  test.each(subjects)(
    '#90 #91 #92 each flipped bit of %s: covered ones are refused and change nothing, others do not matter',
    (_, octets, covered, ofTheLookup) => {
      const keyMaterial = countingKey(suite, 7);
      const { outbound, inbound } = saPair({ suite, keyMaterial });
      sealed(octets, outbound);
      const wire = sealed(octets, outbound);
      inbound.window.markAccepted(1);
      let refused = 0;
      for (let bit = 0; bit < 8 * wire.length; bit += 1) {
        const at = bit >>> 3;
        if (isWithin(ofTheLookup, at)) continue;
        const flip = (start: number): void => void (pool.bytes[start + at]! ^= 1 << (bit & 7));
        if (isWithin(covered, at)) {
          const result = openResult(wire, inbound, flip);
          expect([bit, [compact.OPEN_FORGED, compact.OPEN_REPLAYED].includes(result)]).toEqual([bit, true]);
          expect(inbound.window.top).toBe(1);
          refused += 1;
        } else {
          // A fresh window, for the packet is genuine.
          const fresh = saPair({ suite, keyMaterial }).inbound;
          expect([bit, openResult(wire, fresh, flip)]).toEqual([bit, compact.OPEN_OK]);
        }
      }
      expect(refused).toBe(8 * covered.reduce((sum, [from, to]) => sum + to - from, 0));
      expect(openResult(wire, inbound)).toBe(compact.OPEN_OK);
    },
  );
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
      expect(openResult(wire, inbound, flip)).not.toBe(compact.OPEN_OK);
      expect(inbound.window.top).toBe(0);
      expect(openResult(wire, inbound)).toBe(compact.OPEN_OK);
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
    expect(openResult(swapped, inbound)).toBe(compact.OPEN_FORGED);
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
    expect(openResult(wire, other.inbound)).toBe(compact.OPEN_FORGED);
    expect(other.inbound.window.top).toBe(0);
  }
  expect(openResult(wire, inbound)).toBe(compact.OPEN_OK);
});

test('#90 one flow’s ciphertext does not open behind the headers of another', () => {
  const { outbound, inbound } = saPair();
  const first = sealed(buildUdp({ ...v4, ...ports, payload }), outbound);
  const other = sealed(buildUdp({ ...v4, ...ports, dport: 80, payload }), outbound);
  const spliced = Uint8Array.from([...other.subarray(0, 28), ...first.subarray(28)]);
  expect(openResult(spliced, inbound)).toBe(compact.OPEN_FORGED);
  expect([openResult(first, inbound), openResult(other, inbound)]).toEqual([
    compact.OPEN_OK,
    compact.OPEN_OK,
  ]);
});

test('#97 replays and packets from behind the window are refused before any cryptography', () => {
  const { outbound, inbound } = saPair({ windowPackets: 32 });
  const wires = Array.from({ length: 40 }, () => sealed(buildUdp({ ...v4, ...ports, payload }), outbound));
  expect(openResult(wires[39]!, inbound)).toBe(compact.OPEN_OK);
  inbound.aead.open = () => {
    throw new Error('the AEAD was asked');
  };
  expect(openResult(wires[39]!, inbound)).toBe(compact.OPEN_REPLAYED);
  // Number 8, the last behind a window of 32 that ends at 40, means 2^32 + 8 by now: that the ICV denies.
  expect(() => openResult(wires[8]!, inbound)).toThrow('the AEAD was asked');
  pool.release(0);
  expect(inbound.window.top).toBe(40);
});

test('#92 forged packets far ahead do not push the window away from honest ones', () => {
  const { outbound, inbound } = saPair({ windowPackets: 32 });
  const wires = Array.from({ length: 10 }, () => sealed(buildUdp({ ...v4, ...ports, payload }), outbound));
  for (const wire of wires) {
    for (const ahead of [0x40, 0x80, 0xff]) {
      const jump = (start: number): void => void (pool.bytes[start + 32] = ahead);
      expect(openResult(wire, inbound, jump)).toBe(compact.OPEN_FORGED);
    }
    expect(openResult(wire, inbound)).toBe(compact.OPEN_OK);
  }
  expect(inbound.window.top).toBe(10);
});

describe.each(workingProviders().map((provider) => [provider.name, provider] as const))(
  '%s',
  (_, provider) => {
    test.each<[string, number, number[], number]>([
      ['as RFC 4303 section 2.4 has it', 5, [1, 1, 254], compact.OPEN_OK],
      ['three octets instead of one fewer', 1, [1, 2, 3, 3, 254, 0, 0].slice(0, 5), compact.OPEN_OK],
      ['more than alignment needs', 0, [1, 2, 3, 4, 5, 6, 6, 254], compact.OPEN_OK],
      ['zeros', 1, [0, 0, 0, 3, 254], compact.OPEN_BAD_PADDING],
      ['from 0 on', 2, [0, 1, 2, 3, 3, 254].slice(0, 6), compact.OPEN_BAD_PADDING],
      ['the last octet wrong', 3, [1, 2, 4, 3, 254], compact.OPEN_BAD_PADDING],
      ['a pad length beyond the ciphertext', 2, [7, 254], compact.OPEN_BAD_PADDING],
      ['a pad length of 255', 2, [255, 254], compact.OPEN_BAD_PADDING],
    ])('a valid ICV over padding %s', (__, data, trailer, expected) => {
      const { outbound, inbound } = saPair({ provider });
      // The plaintext is written over between the shim's layout and the AEAD.
      const plaintext = [...new Array<number>(data).fill(0xdd), ...trailer];
      const length = Math.ceil(plaintext.length / 4) * 4;
      const { aead } = outbound;
      const seal = aead.seal.bind(aead);
      aead.seal = (bytes, at, sealedLength) => {
        expect(sealedLength).toBe(length);
        bytes.set([...new Array<number>(length - plaintext.length).fill(0xdd), ...plaintext], at);
        seal(bytes, at, sealedLength);
      };
      const wire = sealed(buildUdp({ ...v4, ...ports, payload: new Uint8Array(length - 2) }), outbound);
      expect(openResult(wire, inbound)).toBe(expected);
      // The packet is genuine, if odd: its number is spent.
      expect(openResult(wire, inbound)).toBe(compact.OPEN_REPLAYED);
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
    if (result !== compact.OPEN_TOO_SHORT) seen.push(length);
  }
  expect(seen).toEqual([28, 32, 36, 40]);
});

test('a refused replay leaves the packet as it came', () => {
  const { outbound, inbound } = saPair();
  const wire = sealed(buildUdp({ ...v4, ...ports, payload }), outbound);
  expect(openResult(wire, inbound)).toBe(compact.OPEN_OK);
  const packet = pool.allocateCopy(wire);
  preparePacket(pool, packet);
  expect(compact.open(pool, packet, inbound)).toBe(compact.OPEN_REPLAYED);
  expect(toHex(pool.octets(packet))).toBe(toHex(wire));
  pool.release(packet);
});
