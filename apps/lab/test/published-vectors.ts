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
    ...{ suite: 'aes-128-gcm', key: key128, ...gcmInput },
    ciphertext:
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
      '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091',
    icv: '5bc94fbc3221a5db94fae95ae7121a47',
  },
  {
    // The same, test case 16.
    ...{ suite: 'aes-256-gcm', key: key128 + key128, ...gcmInput },
    ciphertext:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
      '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
    icv: '76fc6ece0f4e1768cddf8853bb2d551b',
  },
  {
    // RFC 8439 section 2.8.2.
    suite: 'chacha20-poly1305',
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
