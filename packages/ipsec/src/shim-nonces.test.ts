/** What nonces sealing uses, as the algorithms see them. */
import fc from 'fast-check';
import { PacketPool } from '@ngisec/core';
import { buildUdp, preparePacket } from '@ngisec/testkit';
import { countingKey, fromHex, saPair, toHex } from '../test/sa-pair.ts';
import type { CryptoProvider } from './crypto/aead.ts';
import { nodeProvider } from './crypto/node-provider.ts';
import * as shim from './shim.ts';

const v4 = { src: '10.1.0.5', dst: '10.2.0.7' };
const ports = { sport: 40000, dport: 443 };
const pool = new PacketPool({ packets: 4 });

function load(octets: Uint8Array): number {
  const packet = pool.allocateCopy(octets);
  expect(preparePacket(pool, packet)).toBe(true);
  return packet;
}

afterEach(() => expect(pool.available).toBe(pool.capacity));

/** Notes key and nonce of everything sealed. */
function recordingProvider(sealed: string[]): CryptoProvider {
  return {
    ...nodeProvider,
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
    shim.seal(pool, packet, outbound);
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
        const result = shim.seal(pool, packet, outbound);
        expect(result).toBe(isTooLong ? shim.SEAL_TOO_LONG : shim.SEAL_OK);
        if (isOpened && !isTooLong) expect(shim.open(pool, packet, inbound)).toBe(shim.OPEN_OK);
        pool.release(packet);
      }
      expect(sealed).toHaveLength(steps.filter(({ isTooLong }) => !isTooLong).length);
      expect(new Set(sealed).size).toBe(sealed.length);
    }),
    { numRuns: 30 },
  );
});

test('#98 ah-esp: no AES key meets a nonce twice, cipher and GMAC together; the IV is the sequence number', () => {
  const used: string[] = [];
  const provider: CryptoProvider = {
    ...nodeProvider,
    mac(algorithm, key) {
      const mac = nodeProvider.mac(algorithm, key);
      const seal = mac.seal.bind(mac);
      mac.seal = (...range) => {
        used.push(`${toHex(key)} ${toHex(mac.nonce)}`);
        seal(...range);
      };
      return mac;
    },
    cipher(algorithm, key) {
      const cipher = nodeProvider.cipher(algorithm, key);
      const apply = cipher.apply.bind(cipher);
      cipher.apply = (...range) => {
        used.push(`${toHex(key)} ${toHex(cipher.nonce)}`);
        apply(...range);
      };
      return cipher;
    },
  };
  // The second has the first's cipher key as its MAC's, under another salt.
  const keys = [0, 20].map((first) => countingKey('aes-128-ctr-gmac', first));
  keys[1]![19]! ^= 1;
  const sas = keys.map(
    (keyMaterial) => saPair({ suite: 'aes-128-ctr-gmac', keyMaterial, provider }).outbound,
  );
  for (let count = 1; count <= 200; count += 1) {
    for (const sa of sas) {
      const packet = load(buildUdp({ ...v4, ...ports, payload: fromHex('00') }));
      shim.seal(pool, packet, sa);
      const iv = count.toString(16).padStart(16, '0');
      const octets = toHex(pool.octets(packet)).slice(2 * 28);
      expect([octets.slice(24, 40), octets.slice(88, 104)]).toEqual([iv, iv]);
      pool.release(packet);
    }
  }
  expect(used).toHaveLength(800);
  expect(new Set(used).size).toBe(800);
});
