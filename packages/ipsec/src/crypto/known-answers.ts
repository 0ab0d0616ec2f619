import { ICV_BYTES, type Aead, type CryptoProvider } from './aead.ts';
import type { AeadName, CipherName, MacName } from './suites.ts';

/**
 * A published test vector; all values in hex, `sealed` is ciphertext and tag. What a MAC authenticates is cut into
 * associated data, plaintext and the first half of the IV.
 */
export interface KnownAnswer {
  readonly source: string;
  readonly kind: 'aead' | 'mac';
  readonly algorithm: AeadName | MacName;
  readonly key: string;
  readonly nonce: string;
  readonly associated: string;
  readonly plaintext: string;
  readonly sealed: string;
}

/** A published test vector of CTR mode, in hex. */
export interface CipherAnswer {
  readonly source: string;
  readonly algorithm: CipherName;
  readonly key: string;
  readonly nonce: string;
  readonly plaintext: string;
  readonly ciphertext: string;
}

/** One vector an algorithm, small enough to be tried at every start. */
export const knownAnswers: readonly KnownAnswer[] = [
  {
    source: 'McGrew and Viega, The Galois/Counter Mode of Operation, test case 4',
    kind: 'aead',
    algorithm: 'aes-128-gcm',
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
    kind: 'aead',
    algorithm: 'aes-256-gcm',
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
    kind: 'aead',
    algorithm: 'chacha20-poly1305',
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
  {
    source: 'draft-mcgrew-gcm-test-01 section 5, RFC 4543 packet (SPI 00004321)',
    kind: 'aead',
    algorithm: 'aes-128-gmac',
    key: '4c80cdefbb5d10da906ac73c3613a634',
    nonce: '22433c640000000000000000',
    associated: '00004321000000070000000000000000',
    plaintext:
      '45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364' +
      '65666768696a6b6c6d6e6f707172737401020201',
    sealed:
      '45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364' +
      '65666768696a6b6c6d6e6f707172737401020201' +
      'f2a9a836e155106aa8dcd618e4099aaa',
  },
  {
    source: 'RFC 4868 section 2.7.2.1, AUTH256-4',
    kind: 'mac',
    algorithm: 'hmac-sha-256-128',
    key: '0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20',
    nonce: '00000000cdcdcdcd00000000',
    associated: 'cd'.repeat(6),
    plaintext: 'cd'.repeat(40),
    sealed: 'cd'.repeat(40) + '372efcf9b40b35c2115b1346903d2ef4',
  },
  {
    source: 'the packet of RFC 4543 above under another IV, by pyca/cryptography',
    kind: 'mac',
    algorithm: 'aes-128-gmac',
    key: '4c80cdefbb5d10da906ac73c3613a634',
    nonce: '22433c640000000700000001',
    associated: '00004321000000070000000000000000',
    plaintext:
      '45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364' +
      '65666768696a6b6c6d6e6f707172737401020201',
    sealed:
      '45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364' +
      '65666768696a6b6c6d6e6f707172737401020201' +
      '2f4cc0de87cb5624d1c60daf5da93e46',
  },
];

export const cipherAnswers: readonly CipherAnswer[] = [
  {
    source: 'RFC 3686 section 6, test vector 3',
    algorithm: 'aes-128-ctr',
    key: '7691be035e5020a8ac6e618529f9a0dc',
    nonce: '00e0017b27777f3f4a1786f0',
    plaintext: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223',
    ciphertext: 'c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f',
  },
];

export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
export const toHex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

/**
 * Tries one vector: seal, open, refuse a flipped tag and leave no plaintext then, seal once more. Returns what is
 * wrong, undefined where nothing is.
 */
export function tryKnownAnswer(provider: CryptoProvider, answer: KnownAnswer): string | undefined {
  const aead = aeadOf(provider, answer);
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
    if (toHex(bytes) !== answer.sealed) return `seals ${answer.algorithm} wrongly`;
    if (!aead.open(bytes, 0, length)) return `does not open ${answer.algorithm}`;
    if (toHex(bytes.subarray(0, length)) !== answer.plaintext) return `opens ${answer.algorithm} wrongly`;

    bytes.set(sealed);
    bytes[length]! ^= 1;
    if (aead.open(bytes, 0, length)) return `accepts a forged ${answer.algorithm} packet`;
    const left = toHex(bytes.subarray(0, length));
    if (!answer.sealed.startsWith(left) && !/^0*$/.test(left))
      return `decrypts a forged ${answer.algorithm} packet`;

    bytes.set(fromHex(answer.plaintext));
    aead.seal(bytes, 0, length);
    return toHex(bytes) === answer.sealed
      ? undefined
      : `seals ${answer.algorithm} wrongly after a forged packet`;
  } finally {
    aead.destroy();
  }
}

function aeadOf(provider: CryptoProvider, { kind, algorithm, key }: KnownAnswer): Aead {
  return kind === 'aead'
    ? provider.aead(algorithm as AeadName, fromHex(key))
    : provider.mac(algorithm as MacName, fromHex(key));
}

/** As `tryKnownAnswer`, for a cipher: encrypts, and decrypts with the same key afterwards. */
export function tryCipherAnswer(provider: CryptoProvider, answer: CipherAnswer): string | undefined {
  const cipher = provider.cipher(answer.algorithm, fromHex(answer.key));
  try {
    cipher.nonce.set(fromHex(answer.nonce));
    const bytes = fromHex(answer.plaintext);
    cipher.apply(bytes, 0, bytes.length);
    if (toHex(bytes) !== answer.ciphertext) return `encrypts ${answer.algorithm} wrongly`;
    cipher.apply(bytes, 0, bytes.length);
    return toHex(bytes) === answer.plaintext ? undefined : `decrypts ${answer.algorithm} wrongly`;
  } finally {
    cipher.destroy();
  }
}
