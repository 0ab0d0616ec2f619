import type { PacketPool } from '@ngisec/core';
import type { ExplicitIvs } from './crypto/suites.ts';
import type { SecurityAssociation } from './security-association.ts';

/**
 * What tells one profile from another: the octets around the ciphertext, and what of a packet is authenticated. All
 * else is common (`shim.ts`). `at` is where the shim starts, `end` where the ciphertext ends.
 */
export interface Profile {
  /** Octets from the shim's start to the ciphertext. */
  headBytes(ivs: ExplicitIvs, family: number): number;
  /** Octets behind the ciphertext. */
  readonly tailBytes: number;
  /** Octets from the shim's start to the low half of the sequence number. */
  readonly sequenceAt: number;

  /** Writes the head for the sequence number that is in the nonce; an ICV in it is zero. */
  writeHead(bytes: Uint8Array, at: number, sa: SecurityAssociation, family: number): void;
  /** True where the head is what a sender writes for the sequence number in the nonce; the ICV aside. */
  isHead(bytes: Uint8Array, at: number, sa: SecurityAssociation, family: number): boolean;
  icvAt(sa: SecurityAssociation, at: number, end: number): number;

  /** Writes what is authenticated before the ciphertext to the associated data. The shim starts at the payload. */
  associate(pool: PacketPool, packet: number, sa: SecurityAssociation): void;
}
