/** Algorithms that authenticate what they encrypt. `aes-128-gmac` encrypts nothing (RFC 4543 section 3). */
export type AeadName = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305' | 'aes-128-gmac';
/** Algorithms that only encrypt (RFC 3686). */
export type CipherName = 'aes-128-ctr';
/** Algorithms that only authenticate, in AH (RFC 4868, RFC 4543 section 4). */
export type MacName = 'hmac-sha-256-128' | 'aes-128-gmac';

interface KeySizes {
  readonly keyBytes: number;
  /** Octets of the nonce that come from the keying material, right behind the key; 0 where there is no nonce. */
  readonly saltBytes: 0 | 4;
}

/** RFC 4106 section 8.1, RFC 7634 section 2, RFC 4543 section 5.4, RFC 3686 section 5.1, RFC 4868 section 2.1. */
export const algorithms: Readonly<Record<AeadName | CipherName | MacName | 'null', KeySizes>> = {
  'aes-128-gcm': { keyBytes: 16, saltBytes: 4 },
  'aes-256-gcm': { keyBytes: 32, saltBytes: 4 },
  'chacha20-poly1305': { keyBytes: 32, saltBytes: 4 },
  'aes-128-gmac': { keyBytes: 16, saltBytes: 4 },
  'aes-128-ctr': { keyBytes: 16, saltBytes: 4 },
  'hmac-sha-256-128': { keyBytes: 32, saltBytes: 0 },
  null: { keyBytes: 0, saltBytes: 0 },
};

/** Octets of IV that stand in a packet. */
export interface ExplicitIvs {
  /** Before the ciphertext. */
  readonly ivBytes: number;
  /** Before the ICV. */
  readonly macIvBytes: number;
}

/** One algorithm for both. */
interface CompactSuite extends ExplicitIvs {
  readonly profile: 'compact';
  readonly encryption: AeadName;
  readonly integrity: 'null';
}

/** ESP encrypts, or not, and AH authenticates. */
interface AhEspSuite extends ExplicitIvs {
  readonly profile: 'ah-esp';
  readonly encryption: CipherName | 'null';
  readonly integrity: MacName;
}

export type Suite = CompactSuite | AhEspSuite;
export type ProfileName = Suite['profile'];

const compact = (encryption: AeadName): Suite => ({
  profile: 'compact',
  encryption,
  integrity: 'null',
  ivBytes: 0,
  macIvBytes: 0,
});

const ivBytes = (algorithm: keyof typeof algorithms): number => (algorithms[algorithm].saltBytes > 0 ? 8 : 0);
const ahEsp = (encryption: CipherName | 'null', integrity: MacName): Suite => ({
  profile: 'ah-esp',
  encryption,
  integrity,
  ivBytes: ivBytes(encryption),
  macIvBytes: ivBytes(integrity),
});

export type SuiteName =
  | AeadName
  | 'aes-128-ctr-hmac-sha-256-128'
  | 'aes-128-ctr-gmac'
  | 'null-hmac-sha-256-128'
  | 'null-aes-128-gmac';

/** What an SA protects packets with; the suite decides the profile (ADR 0020). */
export const suites: Readonly<Record<SuiteName, Suite>> = {
  'aes-128-gcm': compact('aes-128-gcm'),
  'aes-256-gcm': compact('aes-256-gcm'),
  'chacha20-poly1305': compact('chacha20-poly1305'),
  'aes-128-gmac': compact('aes-128-gmac'),
  'aes-128-ctr-hmac-sha-256-128': ahEsp('aes-128-ctr', 'hmac-sha-256-128'),
  'aes-128-ctr-gmac': ahEsp('aes-128-ctr', 'aes-128-gmac'),
  'null-hmac-sha-256-128': ahEsp('null', 'hmac-sha-256-128'),
  'null-aes-128-gmac': ahEsp('null', 'aes-128-gmac'),
};

/** What a suite's keying material consists of, in order, and the octets of each part. */
export function keyMaterialParts(name: SuiteName): readonly (readonly [part: string, octets: number])[] {
  const { encryption, integrity } = suites[name];
  const parts = [
    ['encryption key', algorithms[encryption].keyBytes],
    ['salt', algorithms[encryption].saltBytes],
    ['integrity key', algorithms[integrity].keyBytes],
    ['salt', algorithms[integrity].saltBytes],
  ] as const;
  return parts.filter(([, octets]) => octets > 0);
}

export const keyMaterialBytes = (name: SuiteName): number =>
  keyMaterialParts(name).reduce((sum, [, octets]) => sum + octets, 0);

/** Views of keying material: encryption key with its salt, integrity key with its salt; either may be empty. */
export function splitKeyMaterial(
  name: SuiteName,
  material: Uint8Array,
): { encryption: Uint8Array; integrity: Uint8Array } {
  const { keyBytes, saltBytes } = algorithms[suites[name].encryption];
  const at = keyBytes + saltBytes;
  return { encryption: material.subarray(0, at), integrity: material.subarray(at) };
}
