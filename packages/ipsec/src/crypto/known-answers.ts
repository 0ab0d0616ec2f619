import { ICV_BYTES, type CryptoProvider } from './aead.ts';
import type { SuiteName } from './suites.ts';

/** A published test vector; all values in hex, `sealed` is ciphertext and tag. */
export interface KnownAnswer {
  readonly source: string;
  readonly suite: SuiteName;
  readonly key: string;
  readonly nonce: string;
  readonly associated: string;
  readonly plaintext: string;
  readonly sealed: string;
}

/** One vector a suite, small enough to be tried at every start. */
export const knownAnswers: readonly KnownAnswer[] = [
  {
    source: 'McGrew and Viega, The Galois/Counter Mode of Operation, test case 4',
    suite: 'aes-128-gcm',
    key: 'feffe9928665731c6d6a8f9467308308',
    nonce: 'cafebabefacedbaddecaf888',
    associated: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext:
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
      '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    sealed:
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
      '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091' +
      '5bc94fbc3221a5db94fae95ae7121a47',
  },
  {
    source: 'McGrew and Viega, The Galois/Counter Mode of Operation, test case 16',
    suite: 'aes-256-gcm',
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
    nonce: 'cafebabefacedbaddecaf888',
    associated: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plaintext:
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
      '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    sealed:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
      '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
      '76fc6ece0f4e1768cddf8853bb2d551b',
  },
  {
    source: 'RFC 8439 section 2.8.2',
    suite: 'chacha20-poly1305',
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    nonce: '070000004041424344454647',
    associated: '50515253c0c1c2c3c4c5c6c7',
    plaintext:
      '4c616469657320616e642047656e746c656d656e206f662074686520636c6173' +
      '73206f66202739393a204966204920636f756c64206f6666657220796f75206f' +
      '6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73' +
      '637265656e20776f756c642062652069742e',
    sealed:
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
      '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
      '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
      '3ff4def08e4b7a9de576d26586cec64b6116' +
      '1ae10b594f09e26a7e902ecbd0600691',
  },
];

export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
export const toHex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

/**
 * Tries one vector: seal, open, refuse a flipped tag and leave no plaintext then, seal once more. Returns what is
 * wrong, undefined where nothing is.
 */
export function tryKnownAnswer(provider: CryptoProvider, answer: KnownAnswer): string | undefined {
  const aead = provider.aead(answer.suite, fromHex(answer.key));
  try {
    aead.nonce.set(fromHex(answer.nonce));
    const associated = fromHex(answer.associated);
    aead.associated.set(associated);
    aead.associatedLength = associated.length;
    const sealed = fromHex(answer.sealed);
    const length = sealed.length - ICV_BYTES;
    const bytes = new Uint8Array(sealed.length);
    bytes.set(fromHex(answer.plaintext));

    aead.seal(bytes, 0, length);
    if (toHex(bytes) !== answer.sealed) return `seals ${answer.suite} wrongly`;
    if (!aead.open(bytes, 0, length)) return `does not open ${answer.suite}`;
    if (toHex(bytes.subarray(0, length)) !== answer.plaintext) return `opens ${answer.suite} wrongly`;

    bytes.set(sealed);
    bytes[length]! ^= 1;
    if (aead.open(bytes, 0, length)) return `accepts a forged ${answer.suite} packet`;
    const left = toHex(bytes.subarray(0, length));
    if (!answer.sealed.startsWith(left) && !/^0*$/.test(left))
      return `decrypts a forged ${answer.suite} packet`;

    bytes.set(fromHex(answer.plaintext));
    aead.seal(bytes, 0, length);
    return toHex(bytes) === answer.sealed ? undefined : `seals ${answer.suite} wrongly after a forged packet`;
  } finally {
    aead.destroy();
  }
}
