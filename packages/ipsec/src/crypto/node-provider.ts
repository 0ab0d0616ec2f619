import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  timingSafeEqual,
  type CipherGCMTypes,
} from 'node:crypto';
import { checkKey, ICV_BYTES, type CryptoProvider } from './aead.ts';
import {
  AllocatingAead,
  AllocatingCipher,
  tagOnly,
  type PacketFunctions,
  type TagFunction,
} from './allocating-aead.ts';
import type { AeadName, MacName } from './suites.ts';

const options = { authTagLength: ICV_BYTES };

/** The types know ChaCha20-Poly1305 by an overload of its own, with the same methods. */
const combined = (name: AeadName): PacketFunctions => ({
  seal(key, nonce, associated, plaintext) {
    const cipher = createCipheriv(name as CipherGCMTypes, key, nonce, options);
    cipher.setAAD(associated);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return [ciphertext, cipher.getAuthTag()];
  },
  open(key, nonce, associated, ciphertext, icv) {
    const decipher = createDecipheriv(name as CipherGCMTypes, key, nonce, options);
    decipher.setAAD(associated);
    decipher.setAuthTag(icv);
    const unverified = decipher.update(ciphertext);
    try {
      decipher.final();
      return unverified;
    } catch {
      unverified.fill(0);
      return undefined;
    }
  },
});

/** GCM with nothing to encrypt (RFC 4543 section 2). */
const gmac: TagFunction = (key, nonce, pieces) => {
  const cipher = createCipheriv('aes-128-gcm', key, nonce, options);
  cipher.setAAD(Buffer.concat(pieces));
  cipher.final();
  return cipher.getAuthTag();
};

const hmacSha256: TagFunction = (key, _, pieces) => {
  const hmac = createHmac('sha256', key);
  for (const piece of pieces) hmac.update(piece);
  return hmac.digest().subarray(0, ICV_BYTES);
};

const aeads: Readonly<Record<AeadName, PacketFunctions>> = {
  'aes-128-gcm': combined('aes-128-gcm'),
  'aes-256-gcm': combined('aes-256-gcm'),
  'chacha20-poly1305': combined('chacha20-poly1305'),
  'aes-128-gmac': tagOnly(gmac, timingSafeEqual, false),
};
const macs: Readonly<Record<MacName, PacketFunctions>> = {
  'hmac-sha-256-128': tagOnly(hmacSha256, timingSafeEqual, true),
  'aes-128-gmac': tagOnly(gmac, timingSafeEqual, true),
};

/** `node:crypto`: OpenSSL without native code of our own, at 4 to 9 us a packet; it cannot give a key another nonce. */
export const nodeProvider: CryptoProvider = {
  name: 'node',
  aead(algorithm, key) {
    checkKey(algorithm, key);
    return new AllocatingAead(key, aeads[algorithm]);
  },
  mac(algorithm, key) {
    checkKey(algorithm, key);
    return new AllocatingAead(key, macs[algorithm]);
  },
  cipher(algorithm, key) {
    checkKey(algorithm, key);
    return new AllocatingCipher(key, (octets, counterBlock, input) =>
      createCipheriv(algorithm, octets, counterBlock).update(input),
    );
  },
};
