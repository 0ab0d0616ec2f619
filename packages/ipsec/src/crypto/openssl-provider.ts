import { createRequire } from 'node:module';
import { checkKey, type CryptoProvider } from './aead.ts';
import { loadLibcrypto, type Koffi } from './libcrypto.ts';
import { OpensslAead } from './openssl-aead.ts';
import { OpensslCipher } from './openssl-cipher.ts';
import { OpensslHmac } from './openssl-hmac.ts';

/**
 * OpenSSL called through koffi: no allocation per packet but boxed numbers. Throws where koffi has no binary for this
 * machine or no OpenSSL is found.
 */
export function createOpensslProvider(): CryptoProvider {
  const libcrypto = loadLibcrypto(createRequire(import.meta.url)('koffi') as Koffi);
  return {
    name: 'openssl',
    aead(algorithm, key) {
      checkKey(algorithm, key);
      return new OpensslAead(libcrypto, algorithm, key, false);
    },
    mac(algorithm, key) {
      checkKey(algorithm, key);
      return algorithm === 'aes-128-gmac'
        ? new OpensslAead(libcrypto, algorithm, key, true)
        : new OpensslHmac(libcrypto, key);
    },
    cipher(algorithm, key) {
      checkKey(algorithm, key);
      return new OpensslCipher(libcrypto, algorithm, key);
    },
  };
}
