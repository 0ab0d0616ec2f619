import { ah, copy, esp, read32 } from '@ngisec/wire';
import { ICV_BYTES, IV_AT, LOW_AT } from './crypto/aead.ts';
import type { ExplicitIvs } from './crypto/suites.ts';
import { writeImageOf } from './header-image.ts';
import type { Profile } from './profile.ts';

/**
 * The `ah-esp` profile, the draft's figures to the letter: AH authenticates, ESP only encrypts and has no ICV.
 *
 *     | IP | T | AH: 50, SPI, sequence, [IV] ICV, [padding] | SPI, sequence, [IV] | ciphertext |
 *                    12                  8   16   4           8               8
 *
 * AH's IV is there with GMAC (RFC 4543 section 4), its padding in IPv6 (RFC 4302 section 2.6), ESP's IV with AES-CTR
 * (RFC 3686 section 3). SPI and sequence number stand twice, for there is one SA and one counter; both IVs are the
 * 64-bit sequence number. The ICV covers the header image, AH with its ICV zero, all of ESP, and the sequence number's
 * high half (RFC 4302 section 3.3.3).
 */
const ahBytes = ({ macIvBytes }: ExplicitIvs, family: number): number =>
  ah.length(macIvBytes + ICV_BYTES, family);

/** From AH's start to the ICV. */
const icvOffset = ({ macIvBytes }: ExplicitIvs): number => ah.HEADER_BYTES + macIvBytes;

function startsWithIv(bytes: Uint8Array, at: number, length: number, nonce: Uint8Array): boolean {
  for (let index = 0; index < length; index += 1)
    if (bytes[at + index] !== nonce[IV_AT + index]) return false;
  return true;
}

export const ahEsp: Profile = {
  tailBytes: 0,
  sequenceAt: ah.SEQUENCE_LOW,

  headBytes: (ivs, family) => ahBytes(ivs, family) + esp.HEADER_BYTES + ivs.ivBytes,

  writeHead(bytes, at, sa, family) {
    const { nonce } = sa.aead;
    const low = read32(nonce, LOW_AT);
    const espAt = at + ahBytes(sa, family);
    ah.writeHeader(bytes, at, espAt - at, sa.spi, low);
    copy(nonce, IV_AT, bytes, at + ah.HEADER_BYTES, sa.macIvBytes);
    esp.writeHeader(bytes, espAt, sa.spi, low);
    copy(nonce, IV_AT, bytes, espAt + esp.HEADER_BYTES, sa.ivBytes);
  },

  isHead(bytes, at, sa, family) {
    const { nonce } = sa.aead;
    const espAt = at + ahBytes(sa, family);
    return (
      bytes[at] === ah.ESP &&
      ah.lengthAt(bytes, at) === espAt - at &&
      ah.spi(bytes, at) === sa.spi &&
      startsWithIv(bytes, at + ah.HEADER_BYTES, sa.macIvBytes, nonce) &&
      esp.spi(bytes, espAt) === sa.spi &&
      esp.sequenceLow(bytes, espAt) === ah.sequenceLow(bytes, at) &&
      startsWithIv(bytes, espAt + esp.HEADER_BYTES, sa.ivBytes, nonce)
    );
  },

  icvAt: (sa, at) => at + icvOffset(sa),

  associate(pool, packet, sa) {
    const { aead } = sa;
    const headAt = writeImageOf(pool, packet, sa.scope, aead.associated, 0);
    const length = ahEsp.headBytes(sa, pool.family[packet]!);
    copy(pool.bytes, pool.payload[packet]!, aead.associated, headAt, length);
    const icvAt = headAt + icvOffset(sa);
    aead.associated.fill(0, icvAt, icvAt + ICV_BYTES);
    aead.associatedLength = headAt + length;
  },
};
