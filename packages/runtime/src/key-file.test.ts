import { chmodSync, existsSync, rmSync } from 'node:fs';
import { complaintOf, exchange, KEYS, Workbench } from '../test/workbench.ts';
import { ConfigurationError } from './configuration.ts';
import { KeyFile } from './key-file.ts';

const INBOUND_KEY = '00112233445566778899aabbccddeeff01020304';
const OUTBOUND_KEY = 'ffeeddccbbaa9988776655443322110005060708';

/** Lines 8 to 13. */
const SECOND = `  - name: carol
    role: both
    suite: chacha20-poly1305
    peers: ['2001:db8::/32']
    inbound: { spi: 0x2000, key: ${'0a'.repeat(36)} }
    outbound: { spi: 0x2001, key: ${'0b'.repeat(36)} }
`;

describe('a mistake in the key file is named in its place, with a way out', () => {
  test.each([
    [
      'a key too short',
      '0011',
      '',
      '6:32: aes-128-gcm takes 40 hexadecimal digits (encryption key 32, salt 8), not 36',
    ],
    [
      'a key of another suite',
      'aes-128-gcm',
      'aes-256-gcm',
      '6:32: aes-256-gcm takes 72 hexadecimal digits (encryption key 64, salt 8), not 40\n' +
        'alice.keys.yaml:7:33: aes-256-gcm takes 72 hexadecimal digits (encryption key 64, salt 8), not 40',
    ],
    [
      'a key that is not hexadecimal',
      '0011',
      '00g1',
      '6:32: channels[0].inbound.key: a key is an even number of hexadecimal digits',
    ],
    [
      'a key that YAML reads as a number',
      INBOUND_KEY,
      '12'.repeat(20),
      '6:32: channels[0].inbound.key: must be text; put it in quotes',
    ],
    [
      'the same key both ways, however it is written',
      OUTBOUND_KEY,
      INBOUND_KEY.toUpperCase(),
      '7:33: both directions have the same key; each needs its own',
    ],
    [
      'a reserved SPI',
      '4096',
      '255',
      '6:21: channels[0].inbound.spi: an SPI is at least 256; those below are reserved (RFC 4303 section 2.1)',
    ],
    [
      '#105 an SPI that looks like an AH',
      '4096',
      '0x32050000',
      '6:21: channels[0].inbound.spi: an SPI does not begin with 0x32: that octet marks an AH',
    ],
    ['an SPI too large', '4096', '0x100000000', '6:21: channels[0].inbound.spi: an SPI has 32 bits'],
    ['an unknown role', 'both', 'all', '3:11: channels[0].role: "all" is not one of control, data, both'],
    [
      'an unknown suite',
      'aes-128-gcm',
      'aes-128-gmc',
      '4:12: channels[0].suite: "aes-128-gmc" is not one of aes-128-gcm, aes-256-gcm, chacha20-poly1305, aes-128-gmac, ' +
        'aes-128-ctr-hmac-sha-256-128, aes-128-ctr-gmac, null-hmac-sha-256-128, null-aes-128-gmac ' +
        '(did you mean "aes-128-gmac"?)',
    ],
    [
      'a window no SA can have',
      'spi: 4096',
      'spi: 4096, windowPackets: 1000',
      '6:42: channels[0].inbound.windowPackets: a replay window is a power of two from 32 to 8192',
    ],
    [
      'no prefix',
      '198.51.100.0/24',
      'gateway-b',
      '5:13: channels[0].peers[0]: "gateway-b" is no address or prefix; write 10.2.0.0/24 or fd02::/64',
    ],
    ['a key of the map that is missing', '    role: both\n', '', '2:5: "role" is missing in channels[0]'],
    [
      'an unknown key of the map',
      'outbound: { spi',
      'outbound: { window: 64, spi',
      '7:17: unknown key "window" (known: spi, key, windowPackets)',
    ],
  ])('%s', async (_, passage, other, said) => {
    expect(await complaintOf({ keys: exchange(KEYS, passage, other) })).toBe(
      `exit 2\nalice.keys.yaml:${said}`,
    );
  });

  test.each([
    ['two channels of one name', 'carol', 'bob', '8:11: two channels are named "bob"'],
    [
      'two inbound SAs of one SPI',
      '0x2000',
      '4096',
      '12:21: inbound SPI 4096 is taken; each channel needs its own',
    ],
    [
      '#98 one key on two channels',
      `0x2001, key: ${'0b'.repeat(36)}`,
      `0x2001, key: ${'0c'.repeat(36)} }\n  - name: dave\n    role: data\n    peers: [192.0.2.9]\n` +
        `    inbound: { spi: 300, key: ${INBOUND_KEY} }\n    outbound: { spi: 301, key: ${'0d'.repeat(20)}`,
      '17:31: channel "bob" has the same key; each direction of each channel needs its own',
    ],
  ])('%s', async (_, passage, other, said) => {
    expect(await complaintOf({ keys: KEYS + SECOND })).toBe('exit 0\nalice.yaml: ok');
    expect(await complaintOf({ keys: KEYS + exchange(SECOND, passage, other) })).toBe(
      `exit 2\nalice.keys.yaml:${said}`,
    );
  });
});

/** `count` octets that count upwards from `first`, in hexadecimal. */
const counting = (count: number, first: number): string =>
  Buffer.from(Array.from({ length: count }, (_, index) => first + index)).toString('hex');

/** The key file with another suite, and keys for it. */
function keysFor(suite: string, inbound: string, outbound: string): string {
  const withSuite = exchange(KEYS, 'aes-128-gcm', suite);
  return exchange(exchange(withSuite, INBOUND_KEY, `'${inbound}'`), OUTBOUND_KEY, `'${outbound}'`);
}

describe('every suite', () => {
  test.each([
    ['aes-128-gcm', 20, 'encryption key 32, salt 8'],
    ['aes-256-gcm', 36, 'encryption key 64, salt 8'],
    ['chacha20-poly1305', 36, 'encryption key 64, salt 8'],
    ['aes-128-gmac', 20, 'encryption key 32, salt 8'],
    ['aes-128-ctr-hmac-sha-256-128', 52, 'encryption key 32, salt 8, integrity key 64'],
    ['aes-128-ctr-gmac', 40, 'encryption key 32, salt 8, integrity key 32, salt 8'],
    ['null-hmac-sha-256-128', 32, 'integrity key 64'],
    ['null-aes-128-gmac', 20, 'integrity key 32, salt 8'],
  ] as const)('%s takes %i octets', async (suite, octets, parts) => {
    const right = keysFor(suite, counting(octets, 0), counting(octets, 100));
    expect(await complaintOf({ keys: right })).toBe('exit 0\nalice.yaml: ok');
    const wrong = keysFor(suite, counting(octets, 0), counting(octets - 1, 100));
    expect(await complaintOf({ keys: wrong })).toBe(
      `exit 2\nalice.keys.yaml:7:33: ${suite} takes ${2 * octets} hexadecimal digits (${parts}), ` +
        `not ${2 * octets - 2}`,
    );
  });

  test('#98 no key and salt twice: neither within an SA, nor in two with other integrity keys', async () => {
    const twice = counting(20, 0) + counting(20, 0);
    expect(await complaintOf({ keys: keysFor('aes-128-ctr-gmac', counting(40, 50), twice) })).toBe(
      'exit 2\nalice.keys.yaml:7:33: encryption and integrity have the same key; each needs its own',
    );
    const [one, other] = [counting(52, 0), counting(20, 0) + counting(32, 99)];
    expect(await complaintOf({ keys: keysFor('aes-128-ctr-hmac-sha-256-128', one, other) })).toBe(
      'exit 2\nalice.keys.yaml:7:33: both directions have the same key; each needs its own',
    );
  });
});

describe('the key file itself', () => {
  let bench: Workbench;
  beforeEach(() => (bench = new Workbench()));
  afterEach(() => bench.close());

  test('is not there: said where the configuration names it', async () => {
    rmSync(bench.keys);
    const { code, err } = await bench.run(['check', bench.node]);
    expect([code, err]).toEqual([
      2,
      `${bench.node}:3:7: keys: there is no file ${bench.keys}; ` +
        'a start takes the keys away, so that each start needs new ones',
    ]);
  });

  test.each([0o640, 0o604, 0o620])('is open to others: mode %o', async (mode) => {
    chmodSync(bench.keys, mode);
    const { code, err } = await bench.run(['check', bench.node]);
    expect([code, err]).toEqual([
      2,
      `${bench.keys}:1:1: only its owner may have access to a key file; run: chmod 600 ${bench.keys}`,
    ]);
  });

  test('#98 check leaves it; no second start can take it', async () => {
    expect((await bench.run(['check', bench.node])).code).toBe(0);
    expect(existsSync(bench.keys)).toBe(true);
    const [first, second] = [new KeyFile(bench.keys), new KeyFile(bench.keys)];
    first.consume();
    expect(existsSync(bench.keys)).toBe(false);
    expect(() => second.consume()).toThrow(
      new ConfigurationError([
        { file: bench.keys, line: 1, column: 1, message: 'another start took these keys; make new ones' },
      ]),
    );
    const { code, err } = await bench.run(['run', bench.node]);
    expect(code).toBe(2);
    expect(err).toContain(`3:7: keys: there is no file ${bench.keys}`);
  });

  test('holds channels as they are added to a SAD', () => {
    const [channel] = new KeyFile(bench.keys).channels;
    expect(channel).toEqual({
      name: 'bob',
      role: 'both',
      peers: [{ address: Uint8Array.of(198, 51, 100, 0), bits: 24 }],
      inbound: { spi: 4096, suite: 'aes-128-gcm', scope: 'full', keyMaterial: octets(INBOUND_KEY) },
      outbound: { spi: 4097, suite: 'aes-128-gcm', scope: 'full', keyMaterial: octets(OUTBOUND_KEY) },
    });
  });
});

const octets = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
