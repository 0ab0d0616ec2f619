import type { Aead, Cipher, CryptoProvider } from './aead.ts';
import { EncryptThenMac } from './encrypt-then-mac.ts';
import { algorithms, keyMaterialBytes, splitKeyMaterial, suites, type SuiteName } from './suites.ts';

/**
 * A suite's keying material made ready for use, salts in their nonces. RangeError where its length is not that of the
 * suite, or encryption and integrity would share key and salt.
 */
export function createAead(provider: CryptoProvider, name: SuiteName, material: Uint8Array): Aead {
  const octets = keyMaterialBytes(name);
  if (material.length !== octets)
    throw new RangeError(`${name} takes ${octets} octets of keying material, not ${material.length}`);
  const suite = suites[name];
  const parts = splitKeyMaterial(name, material);
  if (suite.profile === 'compact') {
    const { encryption } = suite;
    return ready(encryption, parts.encryption, (key) => provider.aead(encryption, key));
  }
  const { encryption, integrity } = suite;
  const macOf = (): Aead => ready(integrity, parts.integrity, (key) => provider.mac(integrity, key));
  if (encryption === 'null') return macOf();
  // Under one key and salt GMAC would mask its tag with the block that CTR mode encrypts the first octets with.
  if (isEqual(parts.encryption, parts.integrity)) throw new RangeError(`${name} takes two different keys`);
  const cipher = ready(encryption, parts.encryption, (key) => provider.cipher(encryption, key));
  return new EncryptThenMac(cipher, macOf());
}

function ready<K extends Aead | Cipher>(
  algorithm: keyof typeof algorithms,
  material: Uint8Array,
  make: (key: Uint8Array) => K,
): K {
  const { keyBytes } = algorithms[algorithm];
  const keyed = make(material.subarray(0, keyBytes));
  keyed.nonce.set(material.subarray(keyBytes));
  return keyed;
}

const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((octet, index) => octet === right[index]);
