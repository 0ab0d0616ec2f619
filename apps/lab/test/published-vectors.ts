/** Vectors for the ciphers of the dissector, in hexadecimal; their sources are those of the primitives. */
const fourBlocksLessFour =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
  '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39';
const key128 = 'feffe9928665731c6d6a8f9467308308';
const gcmInput = {
  nonce: 'cafebabefacedbaddecaf888',
  associated: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
  plaintext: fourBlocksLessFour,
};

export const aeadVectors = [
  {
    // McGrew and Viega, The Galois/Counter Mode of Operation, test case 4.
    ...{ algorithm: 'aes.gcm', key: key128, ...gcmInput },
    ciphertext:
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
      '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
    icv: '5bc94fbc3221a5db94fae95ae7121a47',
  },
  {
    // The same, test case 16.
    ...{ algorithm: 'aes.gcm', key: key128 + key128, ...gcmInput },
    ciphertext:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
      '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
    icv: '76fc6ece0f4e1768cddf8853bb2d551b',
  },
  {
    // RFC 8439 section 2.8.2.
    algorithm: 'chacha.chacha20_poly1305',
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    nonce: '070000004041424344454647',
    associated: '50515253c0c1c2c3c4c5c6c7',
    plaintext: Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    ).toString('hex'),
    ciphertext:
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
      '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
      '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
      '3ff4def08e4b7a9de576d26586cec64b6116',
    icv: '1ae10b594f09e26a7e902ecbd0600691',
  },
] as const;

const zeros = (octets: number): string => '00'.repeat(octets);
const ones = (octets: number): string => 'ff'.repeat(octets);

/** RFC 8439 section 2.5.2, and section A.3 from test vector 7 on. */
export const poly1305Vectors = [
  {
    key: '85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b',
    text: Buffer.from('Cryptographic Forum Research Group').toString('hex'),
    tag: 'a8061dc1305136c6c22b8baf0c0127a9',
  },
  { key: `02${zeros(31)}`, text: ones(16), tag: `03${zeros(15)}` },
  { key: `02${zeros(15)}${ones(16)}`, text: `02${zeros(15)}`, tag: `03${zeros(15)}` },
  { key: `01${zeros(31)}`, text: `${ones(16)}f0${ones(15)}11${zeros(15)}`, tag: `05${zeros(15)}` },
  { key: `01${zeros(31)}`, text: `${ones(16)}fb${'fe'.repeat(15)}${'01'.repeat(16)}`, tag: zeros(16) },
  { key: `02${zeros(31)}`, text: `fd${ones(15)}`, tag: `fa${ones(15)}` },
  {
    key: `01${zeros(7)}04${zeros(23)}`,
    text: `e33594d7505e43b9${zeros(8)}3394d7505e4379cd01${zeros(7)}${zeros(16)}01${zeros(15)}`,
    tag: `14${zeros(7)}55${zeros(7)}`,
  },
  {
    key: `01${zeros(7)}04${zeros(23)}`,
    text: `e33594d7505e43b9${zeros(8)}3394d7505e4379cd01${zeros(7)}${zeros(16)}`,
    tag: `13${zeros(15)}`,
  },
] as const;

/** FIPS 180-4's examples, and RFC 4231 test cases 2 and 3, cut to 128 bits (RFC 4868). */
export const hashVectors = [
  {
    call: ['sha.sha_256', '', Buffer.from('abc').toString('hex')],
    result: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  },
  {
    call: [
      'sha.sha_256',
      '',
      Buffer.from('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq').toString('hex'),
    ],
    result: '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  },
  {
    call: [
      'sha.hmac_sha_256_128',
      Buffer.from('Jefe').toString('hex'),
      Buffer.from('what do ya want for nothing?').toString('hex'),
    ],
    result: '5bdcc146bf60754e6a042426089575c7',
  },
  {
    call: ['sha.hmac_sha_256_128', 'aa'.repeat(20), 'dd'.repeat(50)],
    result: '773ea91e36800e46854db8ebd09181a7',
  },
] as const;

/** RFC 3686 section 6, test vectors 2 and 3: the nonce is the RFC's with its IV. */
export const counterVectors = [
  {
    key: '7e24067817fae0d743d6ce1f32539163',
    nonce: '006cb6dbc0543b59da48d90b',
    plaintext: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    ciphertext: '5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28',
  },
  {
    key: '7691be035e5020a8ac6e618529f9a0dc',
    nonce: '00e0017b27777f3f4a1786f0',
    plaintext: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223',
    ciphertext: 'c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f',
  },
] as const;
