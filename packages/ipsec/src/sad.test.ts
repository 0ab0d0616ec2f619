import fc from 'fast-check';
import { parseAddress, parsePrefix, type Prefix } from '@ngisec/wire';
import { countingKey, saParameters } from '../test/sa-pair.ts';
import type { Aead, Cipher, CryptoProvider } from './crypto/aead.ts';
import { nodeProvider } from './crypto/node-provider.ts';
import { suites, type SuiteName } from './crypto/suites.ts';
import { scopes } from './header-image.ts';
import { Sad, type ChannelParameters } from './sad.ts';
import { InboundSa, isSpi, OutboundSa, SPI_MIN } from './security-association.ts';

const prefixes = (...texts: string[]): Prefix[] => texts.map((text) => parsePrefix(text)!);

function channel(name: string, spi: number, change: Partial<ChannelParameters> = {}): ChannelParameters {
  const keyMaterial = countingKey('aes-128-gcm', 1);
  const inbound = saParameters({ spi });
  const outbound = saParameters({ spi: 0xaaaa_0000, keyMaterial });
  return { name, role: 'both', peers: prefixes('10.2.0.0/24'), inbound, outbound, ...change };
}

/** Keys alive, by reference. */
function countingProvider(): CryptoProvider & { readonly live: Set<object> } {
  const live = new Set<object>();
  const counted = <K extends Aead | Cipher>(keyed: K): K => {
    const destroy = keyed.destroy.bind(keyed);
    live.add(keyed);
    keyed.destroy = () => {
      live.delete(keyed);
      destroy();
    };
    return keyed;
  };
  return {
    name: 'node',
    live,
    aead: (...given) => counted(nodeProvider.aead(...given)),
    mac: (...given) => counted(nodeProvider.mac(...given)),
    cipher: (...given) => counted(nodeProvider.cipher(...given)),
  };
}

test('property: the SPI table finds each of many SAs, and nothing else', () => {
  // Multiples of a large power of two have equal low bits: the worst for a table of a power of two.
  const spi = fc.oneof(
    fc.integer({ min: SPI_MIN, max: 0xffff_ffff }).filter(isSpi),
    fc.integer({ min: 1, max: 255 }).map((high) => (high === 50 ? 49 : high) * 2 ** 24),
    fc.integer({ min: SPI_MIN, max: SPI_MIN + 300 }),
  );
  const spis = fc.uniqueArray(spi, { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(spis, fc.array(spi, { maxLength: 50 }), (added, others) => {
      const sad = new Sad(nodeProvider);
      for (const [index, each] of added.entries()) {
        expect(sad.findInbound(each)).toBeUndefined();
        expect(sad.add(channel(`peer ${index}`, each)).index).toBe(index);
      }
      for (const [index, each] of added.entries()) {
        expect(sad.findInbound(each)).toMatchObject({ spi: each, channel: index });
      }
      for (const each of [0, 1, 255, ...others]) {
        if (!added.includes(each)) expect(sad.findInbound(each)).toBeUndefined();
      }
    }),
    { numRuns: 30 },
  );
});

test('an empty database finds nothing', () => {
  const sad = new Sad(nodeProvider);
  for (const spi of [0, 1, 256, 0xffff_ffff]) expect(sad.findInbound(spi)).toBeUndefined();
  expect(sad.named('a')).toBeUndefined();
  expect(sad.channelFor('data', parseAddress('10.2.0.1')!, 0, 4)).toBeUndefined();
  expect(sad.providerName).toBe('node');
});

test('an inbound SPI that is taken is refused; one SPI may be inbound here and outbound there', () => {
  const sad = new Sad(nodeProvider);
  const first = sad.add(channel('a', 1000));
  expect(() => sad.add(channel('b', 1000))).toThrow('channel "b": inbound SPI 1000 is taken');
  expect(sad.channels).toEqual([first]);
  const outbound = saParameters({ spi: 1000 });
  expect(sad.add(channel('b', 1001, { outbound })).outbound.spi).toBe(1000);
});

describe('an SA takes only', () => {
  test('#105 SPIs from 256 to 2^32 - 1 that do not begin as an AH does', () => {
    const ofAh = [0x3200_0000, 0x3204_0000, 0x32ff_ffff];
    for (const spi of [0, 1, 255, -1, 2 ** 32, 2 ** 32 + 256, 256.5, NaN, Infinity, ...ofAh]) {
      expect(() => new OutboundSa(saParameters({ spi }), nodeProvider)).toThrow(RangeError);
      expect(() => new Sad(nodeProvider).add(channel('a', spi))).toThrow(RangeError);
    }
    for (const spi of [256, 0x31ff_ffff, 0x3300_0000, 2 ** 32 - 1]) {
      expect(new Sad(nodeProvider).add(channel('a', spi)).index).toBe(0);
    }
  });

  test.each(Object.keys(suites) as SuiteName[])('keying material of the right length: %s', (suite) => {
    const right = countingKey(suite).length;
    for (const length of [0, 4, 16, 20, 32, 36, right - 1, right + 1, right + 4]) {
      const make = (): OutboundSa =>
        new OutboundSa(
          saParameters({ suite, keyMaterial: Uint8Array.from({ length }, (_, index) => index) }),
          nodeProvider,
        );
      if (length === right) expect(make().suite).toBe(suite);
      else expect(make).toThrow(`${suite} takes ${right} octets of keying material, not ${length}`);
    }
  });

  test('#98 different keys for encryption and integrity', () => {
    const keyMaterial = countingKey('aes-128-ctr-gmac');
    keyMaterial.copyWithin(20, 0, 20);
    const parameters = saParameters({ suite: 'aes-128-ctr-gmac', keyMaterial });
    expect(() => new OutboundSa(parameters, nodeProvider)).toThrow(
      'aes-128-ctr-gmac takes two different keys',
    );
    keyMaterial[39]! ^= 1;
    expect(new OutboundSa(parameters, nodeProvider).suite).toBe('aes-128-ctr-gmac');
  });

  test('windows of a fit size; scope and window come to it', () => {
    expect(() => new InboundSa(saParameters({ windowPackets: 100 }), nodeProvider, 0)).toThrow(RangeError);
    const sa = new InboundSa(saParameters({ windowPackets: 8192, scope: 'ports' }), nodeProvider, 5);
    expect([sa.window.size, sa.scope, sa.channel]).toEqual([8192, scopes.ports, 5]);
    const { windowPackets: _, ...withoutWindow } = saParameters();
    expect(new InboundSa(withoutWindow, nodeProvider, 0).window.size).toBe(1024);
  });

  test('sequence numbers from 1 on, one by one', () => {
    const sa = new OutboundSa(saParameters(), nodeProvider);
    expect([sa.nextSequence(), sa.nextSequence(), sa.nextSequence()]).toEqual([1, 2, 3]);
  });
});

test('a channel that is refused leaves no key and no trace behind', () => {
  const provider = countingProvider();
  const sad = new Sad(provider);
  const broken: Partial<ChannelParameters>[] = [
    { inbound: saParameters({ spi: 1000, windowPackets: 33 }) },
    { inbound: saParameters({ spi: 5 }) },
    { outbound: saParameters({ spi: 5 }) },
    { outbound: saParameters({ keyMaterial: new Uint8Array(3) }) },
  ];
  for (const change of broken) {
    expect(() => sad.add(channel('a', 1000, change))).toThrow(RangeError);
    expect([provider.live.size, sad.channels.length, sad.findInbound(1000)]).toEqual([0, 0, undefined]);
  }
  sad.add(channel('a', 1000));
  expect(provider.live.size).toBe(2);
  // A cipher and a MAC each way.
  const suite = 'aes-128-ctr-hmac-sha-256-128';
  const inbound = saParameters({ suite, spi: 1001 });
  sad.add(channel('b', 1001, { inbound, outbound: saParameters({ suite }) }));
  expect(provider.live.size).toBe(6);
  sad.clear();
  expect(provider.live.size).toBe(0);
});

test('#43 channels are found by what they carry and by the peer’s address, the first in order', () => {
  const sad = new Sad(nodeProvider);
  sad.add(channel('gateway', 1000, { role: 'control', peers: prefixes('0.0.0.0/0') }));
  sad.add(channel('b', 1001, { role: 'data', peers: prefixes('10.2.0.7', 'fd02::/64') }));
  sad.add(channel('b net', 1002, { role: 'data', peers: prefixes('10.2.0.0/24') }));
  sad.add(channel('lan', 1003, { role: 'both', peers: prefixes('192.168.1.0/25', 'fe80::/10') }));

  const found = (carries: 'data' | 'control', text: string): string | undefined => {
    const address = parseAddress(text)!;
    // At an odd place among other octets.
    const bytes = new Uint8Array(24).fill(0xff);
    bytes.set(address, 3);
    return sad.channelFor(carries, bytes, 3, address.length === 4 ? 4 : 6)?.name;
  };
  expect(found('data', '10.2.0.7')).toBe('b');
  expect(found('data', '10.2.0.8')).toBe('b net');
  expect(found('data', '10.3.0.8')).toBeUndefined();
  expect(found('control', '10.2.0.7')).toBe('gateway');
  expect(found('data', '192.168.1.127')).toBe('lan');
  expect(found('data', '192.168.1.128')).toBeUndefined();
  expect(found('control', '192.168.1.1')).toBe('gateway');
  expect(found('data', 'fd02::9')).toBe('b');
  expect(found('control', 'fd02::9')).toBeUndefined();
  expect(found('control', 'febf::1')).toBe('lan');

  expect(sad.named('b net')).toBe(sad.channels[2]);
  expect(sad.named('b ne')).toBeUndefined();
});

test('isPeer tells families apart: the first octets of an IPv6 address are no IPv4 address', () => {
  const sad = new Sad(nodeProvider);
  const peer = sad.add(channel('a', 1000, { peers: prefixes('10.2.0.0/16') }));
  const bytes = Uint8Array.from([10, 2, 9, 9, ...new Uint8Array(12)]);
  expect([peer.isPeer(bytes, 0, 4), peer.isPeer(bytes, 0, 6), peer.isPeer(bytes, 1, 4)]).toEqual([
    true,
    false,
    false,
  ]);
  const nobody = sad.add(channel('b', 1001, { peers: [] }));
  expect(nobody.isPeer(bytes, 0, 4)).toBe(false);
});

test('clear destroys every key, and the database can be filled again', () => {
  const provider = countingProvider();
  const sad = new Sad(provider);
  for (let index = 0; index < 20; index += 1) sad.add(channel(`peer ${index}`, 1000 + index));
  const [inbound, { outbound }] = [sad.findInbound(1005)!, sad.channels[5]!];
  expect(provider.live.size).toBe(40);
  sad.clear();
  expect(provider.live.size).toBe(0);
  expect([sad.channels.length, sad.findInbound(1005), sad.named('peer 5')]).toEqual([
    0,
    undefined,
    undefined,
  ]);
  for (const { aead } of [inbound, outbound]) {
    expect(() => aead.seal(new Uint8Array(32), 0, 8)).toThrow('destroyed');
    expect(aead.nonce.every((octet) => octet === 0)).toBe(true);
  }
  sad.clear();
  expect(sad.add(channel('again', 1005)).index).toBe(0);
  expect(sad.findInbound(1005)).toMatchObject({ channel: 0 });
});
