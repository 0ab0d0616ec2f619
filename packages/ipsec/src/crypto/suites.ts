/** The AEAD algorithms an SA may use, by the names OpenSSL gives them. */
export type SuiteName = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';

/** Sizes of a suite, in octets. A nonce is always the salt and then the 8 octets of the IV: 12. */
export interface Suite {
  readonly keyBytes: number;
  /** Taken from the keying material right behind the key (RFC 4106 section 8.1, RFC 7634 section 2). */
  readonly saltBytes: 4;
  readonly icvBytes: 16;
}

/**
 * AES-GCM with a 16-octet ICV: RFC 4106 sections 4, 6 and 8.1. ChaCha20-Poly1305: RFC 8439 section 2.8 and RFC 7634
 * section 2. With an implicit IV, RFC 8750, all three keep these sizes; the IV is then the sequence number.
 */
export const suites: Readonly<Record<SuiteName, Suite>> = {
  'aes-128-gcm': { keyBytes: 16, saltBytes: 4, icvBytes: 16 },
  'aes-256-gcm': { keyBytes: 32, saltBytes: 4, icvBytes: 16 },
  'chacha20-poly1305': { keyBytes: 32, saltBytes: 4, icvBytes: 16 },
};
