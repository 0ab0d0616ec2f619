import type { LibraryHandle } from 'koffi';
import type { AeadName, CipherName } from './suites.ts';

/** The few functions of koffi used here; it is loaded late, so that this package works without its binary. */
export interface Koffi {
  load(path: string | null): LibraryHandle;
  address(value: Uint8Array): bigint;
}

/**
 * OpenSSL's EVP_CIPHER and HMAC functions (EVP_EncryptInit(3), HMAC(3)). All pointers are plain numbers, 0 is NULL; 1
 * means success.
 */
export interface Libcrypto {
  readonly ciphers: Readonly<Record<AeadName | CipherName, number>>;
  newContext(): number;
  freeContext(context: number): void;
  /** Changes what is given: `cipher`, `key` and `nonce` may be 0. `direction` is 1 to encrypt, 0 to decrypt. */
  init(
    context: number,
    cipher: number,
    engine: number,
    key: number,
    nonce: number,
    direction: number,
  ): number;
  /** With an `out` of 0 the input is associated data. */
  update(context: number, out: number, outLength: number, input: number, inputLength: number): number;
  finish(context: number, out: number, outLength: number): number;
  control(context: number, type: number, argument: number, pointer: number): number;

  readonly sha256: number;
  newHmac(): number;
  freeHmac(context: number): void;
  /** With a `key` of 0 and a `digest` of 0 it starts anew with those it has. */
  initHmac(context: number, key: number, keyLength: number, digest: number, engine: number): number;
  updateHmac(context: number, input: number, inputLength: number): number;
  finishHmac(context: number, out: number, outLength: number): number;

  /** 0 where the octets are the same, found out in constant time. */
  compare(left: number, right: number, length: number): number;
  /** Where `bytes` starts. Valid while `bytes` is reachable and its buffer is neither detached nor resized. */
  addressOf(bytes: Uint8Array): number;
}

/** Node's own OpenSSL where it exports its symbols, as official builds do, else the system's. Throws if neither. */
export function loadLibcrypto(koffi: Koffi): Libcrypto {
  try {
    return bindFunctions(koffi, koffi.load(null));
  } catch {
    return bindFunctions(koffi, koffi.load('libcrypto.so.3'));
  }
}

function bindFunctions(koffi: Koffi, library: LibraryHandle): Libcrypto {
  const newContext = library.func('uintptr_t EVP_CIPHER_CTX_new()');
  const newHmac = library.func('uintptr_t HMAC_CTX_new()');
  const constant = (name: string): number => pointer(library.func(`uintptr_t ${name}()`)());
  return {
    ciphers: {
      'aes-128-gcm': constant('EVP_aes_128_gcm'),
      'aes-256-gcm': constant('EVP_aes_256_gcm'),
      'chacha20-poly1305': constant('EVP_chacha20_poly1305'),
      'aes-128-gmac': constant('EVP_aes_128_gcm'),
      'aes-128-ctr': constant('EVP_aes_128_ctr'),
    },
    newContext: () => pointer(newContext()),
    freeContext: library.func('void EVP_CIPHER_CTX_free(uintptr_t context)'),
    init: library.func(
      'int EVP_CipherInit_ex(uintptr_t context, uintptr_t cipher, uintptr_t engine, uintptr_t key, uintptr_t nonce, int direction)',
    ),
    update: library.func(
      'int EVP_CipherUpdate(uintptr_t context, uintptr_t out, uintptr_t outLength, uintptr_t input, int inputLength)',
    ),
    finish: library.func('int EVP_CipherFinal_ex(uintptr_t context, uintptr_t out, uintptr_t outLength)'),
    control: library.func(
      'int EVP_CIPHER_CTX_ctrl(uintptr_t context, int type, int argument, uintptr_t pointer)',
    ),
    sha256: constant('EVP_sha256'),
    newHmac: () => pointer(newHmac()),
    freeHmac: library.func('void HMAC_CTX_free(uintptr_t context)'),
    initHmac: library.func(
      'int HMAC_Init_ex(uintptr_t context, uintptr_t key, int keyLength, uintptr_t digest, uintptr_t engine)',
    ),
    updateHmac: library.func('int HMAC_Update(uintptr_t context, uintptr_t input, size_t inputLength)'),
    finishHmac: library.func('int HMAC_Final(uintptr_t context, uintptr_t out, uintptr_t outLength)'),
    compare: library.func('int CRYPTO_memcmp(uintptr_t left, uintptr_t right, size_t length)'),
    addressOf: (bytes) => pointer(koffi.address(bytes)),
  };
}

/** Arithmetic on addresses is exact only as long as they are safe integers. */
function pointer(value: unknown): number {
  const address = Number(value);
  if (Number.isSafeInteger(address) && address > 0) return address;
  throw new Error(`OpenSSL or koffi returned ${String(value)} instead of an address.`);
}
