import { createHash } from 'node:crypto';
import { workingProviders } from './choose-provider.ts';
import {
  cipherAnswers,
  fromHex,
  knownAnswers,
  toHex,
  tryCipherAnswer,
  tryKnownAnswer,
  type CipherAnswer,
  type KnownAnswer,
} from './known-answers.ts';

const gcm = 'McGrew and Viega, The Galois/Counter Mode of Operation';
const key128 = 'feffe9928665731c6d6a8f9467308308';
const fourBlocks =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
  '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const chachaKey = '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f';

const vectors: readonly KnownAnswer[] = [
  ...knownAnswers,
  {
    source: `${gcm}, test case 1 (nothing to encrypt, nothing associated)`,
    kind: 'aead',
    algorithm: 'aes-128-gcm',
    key: '00'.repeat(16),
    nonce: '00'.repeat(12),
    associated: '',
    plaintext: '',
    sealed: '58e2fccefa7e3061367f1d57a4e7455a',
  },
  {
    source: `${gcm}, test case 2`,
    kind: 'aead',
    algorithm: 'aes-128-gcm',
    key: '00'.repeat(16),
    nonce: '00'.repeat(12),
    associated: '',
    plaintext: '00'.repeat(16),
    sealed: '0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf',
  },
  {
    source: `${gcm}, test case 3`,
    kind: 'aead',
    algorithm: 'aes-128-gcm',
    key: key128,
    nonce: 'cafebabefacedbaddecaf888',
    associated: '',
    plaintext: fourBlocks,
    sealed:
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
      '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985' +
      '4d5c2af327cd64a62cf35abd2ba6fab4',
  },
  {
    source: `${gcm}, test case 13`,
    kind: 'aead',
    algorithm: 'aes-256-gcm',
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    associated: '',
    plaintext: '',
    sealed: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    source: `${gcm}, test case 14`,
    kind: 'aead',
    algorithm: 'aes-256-gcm',
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    associated: '',
    plaintext: '00'.repeat(16),
    sealed: 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    source: `${gcm}, test case 15`,
    kind: 'aead',
    algorithm: 'aes-256-gcm',
    key: key128 + key128,
    nonce: 'cafebabefacedbaddecaf888',
    associated: '',
    plaintext: fourBlocks,
    sealed:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
      '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad' +
      'b094dac5d93471bdec1a502270e3cc6c',
  },
  {
    source: 'draft-mcgrew-gcm-test-01 section 4, RFC 4106 packet with ESN (SPI 00004321)',
    kind: 'aead',
    algorithm: 'aes-128-gcm',
    key: '4c80cdefbb5d10da906ac73c3613a634',
    nonce: '2e443b684956ed7e3b244cfe',
    associated: '000043218765432100000000',
    plaintext:
      '45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000' +
      '00000000045f736970045f756470037369700963796265726369747902646b00' +
      '0021000101020201',
    sealed:
      'fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34' +
      'cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce' +
      '61bc17d768fd9732459018148f6cbe722fd04796562dfdb4',
  },
  {
    source: 'draft-mcgrew-gcm-test-01 section 4, RFC 4106 packet (SPI 4a2cbfe3)',
    kind: 'aead',
    algorithm: 'aes-256-gcm',
    key: 'abbccddef00112233445566778899aababbccddef00112233445566778899aab',
    nonce: '112233440102030405060708',
    associated: '4a2cbfe300000002',
    plaintext:
      '4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000' +
      '7002400020bf0000020405b40101040201020201',
    sealed:
      'ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763' +
      '748a637985771d347f0545659f14e99def842d8eb335f4eecfdbf831824b4c49' +
      '15956c96',
  },
  {
    source: 'RFC 7634 appendix A, ESP packet (SPI 01020304)',
    kind: 'aead',
    algorithm: 'chacha20-poly1305',
    key: chachaKey,
    nonce: 'a0a1a2a31011121314151617',
    associated: '0102030400000005',
    plaintext:
      '45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10' +
      '0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223' +
      '2425262728292a2b2c2d2e2f303132333435363701020204',
    sealed:
      '24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6' +
      '14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3' +
      'cbec163fac469b502773f6fb94e664da9165b82829f641e0' +
      '76aaa8266b7fb0f7b11b369907e1ad43',
  },
  {
    source: 'RFC 7634 appendix B, IKE payload',
    kind: 'aead',
    algorithm: 'chacha20-poly1305',
    key: chachaKey,
    nonce: 'a0a1a2a31011121314151617',
    associated: 'c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029',
    plaintext: '0000000c000040010000000a00',
    sealed: '610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2',
  },
];

const text = (octets: string): string => Buffer.from(octets, 'latin1').toString('hex');

/** HMAC takes zeros behind a short key, and the hash in place of a key longer than a block (RFC 2104 section 2). */
function keyOf32(hex: string): string {
  const key = fromHex(hex);
  return key.length > 64 ? createHash('sha256').update(key).digest('hex') : hex.padEnd(64, '0');
}

/** The data cut in three as a MAC takes it: associated data, the range, 4 octets that a sequence number has. */
function hmac(source: string, key: string, data: string, tag: string): KnownAnswer {
  const third = 2 * Math.floor(data.length / 6);
  const [associated, plaintext, high] = [data.slice(0, third), data.slice(third, -8), data.slice(-8)];
  return {
    ...{ source, kind: 'mac', algorithm: 'hmac-sha-256-128', key: keyOf32(key) },
    ...{ nonce: `00000000${high}00000000`, associated, plaintext },
    sealed: plaintext + tag.slice(0, 32),
  };
}

const longKey = 'aa'.repeat(131);
const hmacs: readonly KnownAnswer[] = [
  hmac(
    'RFC 4231 test case 1',
    '0b'.repeat(20),
    text('Hi There'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ),
  hmac(
    'RFC 4231 test case 2',
    text('Jefe'),
    text('what do ya want for nothing?'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ),
  hmac(
    'RFC 4231 test case 3',
    'aa'.repeat(20),
    'dd'.repeat(50),
    '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
  ),
  hmac(
    'RFC 4231 test case 4',
    '0102030405060708090a0b0c0d0e0f10111213141516171819',
    'cd'.repeat(50),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  ),
  hmac(
    'RFC 4231 test case 5, cut to 128 bits',
    '0c'.repeat(20),
    text('Test With Truncation'),
    'a3b6167473100ee06e0c796c2955552b',
  ),
  hmac(
    'RFC 4231 test case 6',
    longKey,
    text('Test Using Larger Than Block-Size Key - Hash Key First'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ),
  hmac(
    'RFC 4231 test case 7',
    longKey,
    text(
      'This is a test using a larger than block-size key and a larger than block-size data. ' +
        'The key needs to be hashed before being used by the HMAC algorithm.',
    ),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ),
  hmac(
    'RFC 4868 section 2.7.2.1, AUTH256-1',
    '0b'.repeat(32),
    text('Hi There'),
    '198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7',
  ),
  hmac(
    'RFC 4868 section 2.7.2.1, AUTH256-2',
    text('JefeJefeJefeJefeJefeJefeJefeJefe'),
    text('what do ya want for nothing?'),
    '167f928588c5cc2eef8e3093caa0e87c9ff566a14794aa61648d81621a2a40c6',
  ),
  hmac(
    'RFC 4868 section 2.7.2.1, AUTH256-3',
    'aa'.repeat(32),
    'dd'.repeat(50),
    'cdcb1220d1ecccea91e53aba3092f962e549fe6ce9ed7fdc43191fbde45c30b0',
  ),
];

const ciphers: readonly CipherAnswer[] = [
  ...cipherAnswers,
  {
    source: 'RFC 3686 section 6, test vector 1',
    algorithm: 'aes-128-ctr',
    key: 'ae6852f8121067cc4bf7a5765577f39e',
    nonce: '000000300000000000000000',
    plaintext: text('Single block msg'),
    ciphertext: 'e4095d4fb7a7b3792d6175a3261311b8',
  },
  {
    source: 'RFC 3686 section 6, test vector 2',
    algorithm: 'aes-128-ctr',
    key: '7e24067817fae0d743d6ce1f32539163',
    nonce: '006cb6dbc0543b59da48d90b',
    plaintext: toHex(Uint8Array.from({ length: 32 }, (_, index) => index)),
    ciphertext: '5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28',
  },
];

describe.each(workingProviders())('$name gives the published results', (provider) => {
  test.each([...vectors, ...hmacs])('$algorithm: $source', (vector) => {
    expect(tryKnownAnswer(provider, vector)).toBeUndefined();
  });

  test.each(ciphers)('$algorithm: $source', (vector) => {
    expect(tryCipherAnswer(provider, vector)).toBeUndefined();
  });
});
