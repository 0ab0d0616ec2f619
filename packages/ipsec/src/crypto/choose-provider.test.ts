import type { Aead, CryptoProvider } from './aead.ts';
import { chooseAmong, chooseProvider, workingProviders, type ProviderCandidate } from './choose-provider.ts';
import { nobleProvider } from './noble-provider.ts';
import { nodeProvider } from './node-provider.ts';

const node: ProviderCandidate = { name: 'node', create: () => nodeProvider };

/** A provider that works but for what `change` puts in place. */
const changed = (change: Partial<CryptoProvider>): ProviderCandidate => ({
  name: 'noble',
  create: () => ({ ...nobleProvider, ...change }),
});

/** A provider that works but for what `change` does to its AEADs. */
const broken = (change: (aead: Aead) => Partial<Aead>): ProviderCandidate => ({
  name: 'noble',
  create: (): CryptoProvider => ({
    ...nobleProvider,
    aead: (suite, key) => {
      const aead = nobleProvider.aead(suite, key);
      return Object.assign(aead, change(aead));
    },
  }),
});

test('all three providers reproduce the published vectors on this machine', () => {
  const names = workingProviders().map(({ name }) => name);
  if (names.length < 3 && process.env['CI'] === undefined) {
    console.warn(`Skipped: only ${names.join(', ')} can be tested here.`);
    return;
  }
  expect(names).toEqual(['openssl', 'node', 'noble']);
});

test('chooses the fastest provider and says so', () => {
  const { provider, why } = chooseProvider();
  expect(provider.name).toBe(workingProviders()[0]!.name);
  expect(why).toContain(`Crypto provider ${provider.name} is used`);
});

test.each(workingProviders().map(({ name }) => name))('takes %s where it is preferred', (name) => {
  expect(chooseProvider(name).provider.name).toBe(name);
});

test('passes over a provider that cannot be made', () => {
  const missing: ProviderCandidate = {
    name: 'openssl',
    create: () => {
      throw new Error('Cannot find the native Koffi module\nand more');
    },
  };
  const { provider, why } = chooseAmong([missing, node]);
  expect(provider).toBe(nodeProvider);
  expect(why).toBe(
    'Crypto provider node is used, it reproduces the published test vectors; ' +
      'openssl cannot be used (Cannot find the native Koffi module).',
  );
});

test.each<[string, ProviderCandidate, string]>([
  [
    'whose MAC does not verify',
    changed({
      mac: (...given) => Object.assign(nobleProvider.mac(...given), { open: () => true }),
    }),
    'noble accepts a forged hmac-sha-256-128 packet',
  ],
  [
    'whose MAC appends nothing',
    changed({ mac: (_, key) => nobleProvider.aead('aes-128-gmac', key.slice(0, 16)) }),
    'noble seals hmac-sha-256-128 wrongly',
  ],
  [
    'whose cipher does nothing',
    changed({
      cipher: (...given) => Object.assign(nobleProvider.cipher(...given), { apply: () => undefined }),
    }),
    'noble encrypts aes-128-ctr wrongly',
  ],
  ['that seals nothing', broken(() => ({ seal: () => undefined })), 'noble seals aes-128-gcm wrongly'],
  ['that accepts anything', broken(() => ({ open: () => true })), 'noble opens aes-128-gcm wrongly'],
  ['that opens nothing', broken(() => ({ open: () => false })), 'noble does not open aes-128-gcm'],
  [
    'that does not verify',
    broken((aead) => {
      const open = aead.open.bind(aead);
      return { open: (bytes, at, length) => (open(bytes, at, length), true) };
    }),
    'noble accepts a forged aes-128-gcm packet',
  ],
  [
    'that leaves plaintext behind',
    broken((aead) => {
      const open = aead.open.bind(aead);
      return {
        open(bytes, at, length) {
          if (open(bytes, at, length)) return true;
          bytes[at + length]! ^= 1;
          open(bytes, at, length);
          return false;
        },
      };
    }),
    'noble decrypts a forged aes-128-gcm packet',
  ],
])('passes over a provider %s, and throws where nothing else is left', (_what, candidate, problem) => {
  expect(chooseAmong([candidate, node]).why).toContain(problem);
  expect(() => chooseAmong([candidate])).toThrow(`No crypto provider works: ${problem}.`);
});
