import { ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { concatBytes, equalBytes } from '@noble/ciphers/utils.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { checkKey, ICV_BYTES, type CryptoProvider } from './aead.ts';
import {
  AllocatingAead,
  AllocatingCipher,
  tagOnly,
  type PacketFunctions,
  type TagFunction,
} from './allocating-aead.ts';
import type { AeadName, MacName } from './suites.ts';

const combined = (algorithm: typeof gcm | typeof chacha20poly1305): PacketFunctions => ({
  seal(key, nonce, associated, plaintext) {
    const sealed = algorithm(key, nonce, associated).encrypt(plaintext);
    return [sealed.subarray(0, plaintext.length), sealed.subarray(plaintext.length)];
  },
  open(key, nonce, associated, ciphertext, icv) {
    const cipher = algorithm(key, nonce, associated);
    try {
      return cipher.decrypt(concatBytes(ciphertext, icv));
    } catch {
      return undefined;
    }
  },
});

/** GCM with nothing to encrypt (RFC 4543 section 2). */
const gmac: TagFunction = (key, nonce, pieces) =>
  gcm(key, nonce, concatBytes(...pieces)).encrypt(new Uint8Array());
const hmacSha256: TagFunction = (key, _, pieces) =>
  hmac(sha256, key, concatBytes(...pieces)).subarray(0, ICV_BYTES);

const aeads: Readonly<Record<AeadName, PacketFunctions>> = {
  'aes-128-gcm': combined(gcm),
  'aes-256-gcm': combined(gcm),
  'chacha20-poly1305': combined(chacha20poly1305),
  'aes-128-gmac': tagOnly(gmac, equalBytes, false),
};
const macs: Readonly<Record<MacName, PacketFunctions>> = {
  'hmac-sha-256-128': tagOnly(hmacSha256, equalBytes, true),
  'aes-128-gmac': tagOnly(gmac, equalBytes, true),
};

/** Plain JavaScript, at 10 to 90 us a packet, without a promise of constant time: runs everywhere. */
export const nobleProvider: CryptoProvider = {
  name: 'noble',
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
      ctr(octets, counterBlock).encrypt(input),
    );
  },
};
