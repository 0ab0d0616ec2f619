import fc from 'fast-check';
import { ASSOCIATED_BYTES_MAX, ICV_BYTES, NONCE_BYTES, type Aead } from './aead.ts';
import { workingProviders } from './choose-provider.ts';
import { createAead } from './create-aead.ts';
import { keyMaterialBytes, splitKeyMaterial, suites, type SuiteName } from './suites.ts';

const providers = workingProviders();
const suiteNames = Object.keys(suites) as SuiteName[];

interface Sample {
  /** Keying material. */
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly associated: Uint8Array;
  readonly plaintext: Uint8Array;
  /** Where the packet starts in its arena: any alignment must do. */
  readonly at: number;
}

const octets = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength, size: 'max' });

/** The same, but never one key for encryption and integrity. */
function differing(suite: SuiteName, key: Uint8Array): Uint8Array {
  const { encryption, integrity } = splitKeyMaterial(suite, key);
  if (encryption.length > 0 && integrity.length > 0) integrity[0] = ~encryption[0]!;
  return key;
}

const samples = (suite: SuiteName, lengthMax = 1500): fc.Arbitrary<Sample> =>
  fc.record({
    key: octets(keyMaterialBytes(suite), keyMaterialBytes(suite)).map((key) => differing(suite, key)),
    nonce: octets(NONCE_BYTES, NONCE_BYTES),
    associated: octets(0, ASSOCIATED_BYTES_MAX),
    plaintext: octets(0, lengthMax),
    at: fc.nat(40),
  });

const FILL = 0xa5;

/** The plaintext in an arena with room for the tag, and marked octets around both. */
function arenaOf({ plaintext, at }: Sample): Uint8Array {
  const bytes = new Uint8Array(at + plaintext.length + ICV_BYTES + 8).fill(FILL);
  bytes.set(plaintext, at);
  return bytes;
}

function address(aead: Aead, { nonce, associated }: Sample): Aead {
  aead.nonce.set(nonce);
  aead.associated.fill(FILL).set(associated);
  aead.associatedLength = associated.length;
  return aead;
}

/** What of the nonce is sure to be authenticated; of the rest AH's and ESP's headers have a copy. */
const coveredNonce = (suite: SuiteName, { nonce }: Aead): Uint8Array =>
  suites[suite].integrity === 'hmac-sha-256-128' ? nonce.subarray(4, 8) : nonce;

const small: Sample = {
  key: Uint8Array.from({ length: 64 }, (_, index) => 7 * index),
  nonce: Uint8Array.from({ length: NONCE_BYTES }, (_, index) => index),
  associated: Uint8Array.from({ length: 13 }, (_, index) => 100 + index),
  plaintext: Uint8Array.from({ length: 37 }, (_, index) => 200 - index),
  at: 5,
};
const smallFor = (suite: SuiteName): Sample => ({
  ...small,
  key: small.key.slice(0, keyMaterialBytes(suite)),
});

describe.each(suiteNames)('%s', (suite) => {
  test('all providers seal alike, open what any sealed, and touch nothing around it', () => {
    fc.assert(
      fc.property(samples(suite), (sample) => {
        const { at, plaintext } = sample;
        const aeads = providers.map((provider) => address(createAead(provider, suite, sample.key), sample));
        const sealed = aeads.map((aead) => {
          const bytes = arenaOf(sample);
          aead.seal(bytes, at, plaintext.length);
          return bytes;
        });
        for (const bytes of sealed) expect(bytes).toEqual(sealed[0]);
        const around = [
          ...sealed[0]!.subarray(0, at),
          ...sealed[0]!.subarray(at + plaintext.length + ICV_BYTES),
        ];
        expect(around.every((octet) => octet === FILL)).toBe(true);

        for (const [index, aead] of aeads.entries()) {
          const bytes = sealed[(index + 1) % sealed.length]!.slice();
          expect(aead.open(bytes, at, plaintext.length)).toBe(true);
          expect(bytes.subarray(at, at + plaintext.length)).toEqual(plaintext);
          aead.destroy();
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(providers)('$name', (provider) => {
  test.each(suiteNames)('%s refuses any single flipped bit, and shows no plaintext then', (suite) => {
    const sample = smallFor(suite);
    const { at } = sample;
    const length = sample.plaintext.length;
    const aead = address(createAead(provider, suite, sample.key), sample);
    const sealed = arenaOf(sample);
    aead.seal(sealed, at, length);

    const refuses = (bytes: Uint8Array): void => {
      const ciphertext = bytes.slice(at, at + length);
      const tag = bytes.slice(at + length);
      expect(aead.open(bytes, at, length)).toBe(false);
      const left = bytes.subarray(at, at + length);
      expect([ciphertext, new Uint8Array(length)]).toContainEqual(left);
      expect(bytes.subarray(at + length)).toEqual(tag);
      expect(bytes.subarray(0, at).every((octet) => octet === FILL)).toBe(true);
    };
    for (let bit = 0; bit < 8 * (length + ICV_BYTES); bit += 1) {
      const bytes = sealed.slice();
      bytes[at + (bit >>> 3)]! ^= 1 << (bit & 7);
      refuses(bytes);
    }
    for (const field of [coveredNonce(suite, aead), aead.associated.subarray(0, aead.associatedLength)]) {
      for (let bit = 0; bit < 8 * field.length; bit += 1) {
        field[bit >>> 3]! ^= 1 << (bit & 7);
        refuses(sealed.slice());
        field[bit >>> 3]! ^= 1 << (bit & 7);
      }
    }
    aead.associatedLength -= 1;
    refuses(sealed.slice());
    aead.associatedLength += 1;
    expect(aead.open(sealed, at, length)).toBe(true);
    aead.destroy();
  });

  test.each(suiteNames)('%s refuses a flipped bit anywhere in packets of any size', (suite) => {
    fc.assert(
      fc.property(samples(suite), fc.nat(), (sample, where) => {
        const aead = address(createAead(provider, suite, sample.key), sample);
        const length = sample.plaintext.length;
        const bytes = arenaOf(sample);
        aead.seal(bytes, sample.at, length);
        const bit = where % (8 * (length + ICV_BYTES));
        bytes[sample.at + (bit >>> 3)]! ^= 1 << (bit & 7);
        expect(aead.open(bytes, sample.at, length)).toBe(false);
        aead.destroy();
      }),
      { numRuns: 20 },
    );
  });

  test.each(suiteNames)('%s refuses a key of a wrong length', (suite) => {
    const right = keyMaterialBytes(suite);
    for (const length of [0, 1, 16, 24, right - 1, right + 1, right + 4, 64]) {
      if (length === right) continue;
      expect(() => createAead(provider, suite, new Uint8Array(length))).toThrow(RangeError);
    }
  });

  test.each(suiteNames)('%s throws on a range outside the arena and changes nothing', (suite) => {
    const sample = smallFor(suite);
    const aead = address(createAead(provider, suite, sample.key), sample);
    const bytes = new Uint8Array(64).fill(FILL);
    for (const [at, length] of [
      [-1, 4],
      [49, 0],
      [0, 49],
      [0, -1],
      [64, 0],
      [NaN, 1],
      [0, NaN],
    ] as const) {
      expect(() => aead.seal(bytes, at, length)).toThrow(RangeError);
      expect(() => aead.open(bytes, at, length)).toThrow(RangeError);
    }
    for (const length of [-1, ASSOCIATED_BYTES_MAX + 1, NaN]) {
      aead.associatedLength = length;
      expect(() => aead.seal(bytes, 0, 8)).toThrow(RangeError);
    }
    expect(bytes.every((octet) => octet === FILL)).toBe(true);
    aead.destroy();
  });

  test.each(suiteNames)('%s keeps its own copy of the key, and works no more once destroyed', (suite) => {
    const sample = smallFor(suite);
    const key = sample.key.slice();
    const aead = address(createAead(provider, suite, key), sample);
    key.fill(0);
    const [bytes, expected] = [arenaOf(sample), arenaOf(sample)];
    aead.seal(bytes, sample.at, sample.plaintext.length);
    const fresh = address(createAead(provider, suite, sample.key), sample);
    fresh.seal(expected, sample.at, sample.plaintext.length);
    expect(bytes).toEqual(expected);

    for (const destroyed of [aead, fresh]) {
      destroyed.destroy();
      destroyed.destroy();
      expect(() => destroyed.seal(bytes, 0, 8)).toThrow('destroyed');
      expect(() => destroyed.open(bytes, 0, 8)).toThrow('destroyed');
    }
  });
});

test.each(suiteNames)('%s of every provider stays right over 1,000 seals and opens in any order', (suite) => {
  const key = smallFor(suite).key;
  const packets = samples(suite, 300).map((sample) => ({ ...sample, key }));
  const aeads = providers.map((provider) => createAead(provider, suite, key));
  const reference = aeads.at(-1)!;
  // Two arenas in turn, so that a remembered address would show.
  const arenas = [new Uint8Array(4096), new Uint8Array(4096)] as const;
  const steps = fc.sample(fc.tuple(packets, fc.constantFrom('seal', 'open', 'forged')), {
    numRuns: 1000,
    seed: 20,
  });
  for (const [index, [sample, step]] of steps.entries()) {
    const { at, plaintext } = sample;
    const sealed = arenaOf(sample);
    address(reference, sample).seal(sealed, at, plaintext.length);
    const arena = arenas[index & 1]!;
    const end = at + plaintext.length + ICV_BYTES;
    for (const aead of aeads) {
      address(aead, sample);
      arena.set(step === 'seal' ? arenaOf(sample) : sealed);
      if (step === 'seal') {
        aead.seal(arena, at, plaintext.length);
        expect(arena.subarray(at, end)).toEqual(sealed.subarray(at, end));
        continue;
      }
      if (step === 'forged') arena[end - 1 - (index % (plaintext.length + ICV_BYTES))]! ^= 1 << (index & 7);
      expect(aead.open(arena, at, plaintext.length)).toBe(step === 'open');
      if (step === 'open') expect(arena.subarray(at, at + plaintext.length)).toEqual(plaintext);
    }
  }
  for (const aead of aeads) aead.destroy();
});
