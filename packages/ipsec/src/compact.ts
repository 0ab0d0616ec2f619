import { copy, esp, read32, write32 } from '@ngisec/wire';
import { ICV_BYTES, IV_AT, IV_BYTES, LOW_AT } from './crypto/aead.ts';
import { writeImageOf } from './header-image.ts';
import type { Profile } from './profile.ts';

/**
 * The `compact` profile: ESP alone, the header image as associated data.
 *
 *     | IP | T | SPI, sequence | ciphertext(payload, padding, pad length, next header) | ICV |
 *                            8                         0 to 3,          1,           1    16    = 26 to 29 octets
 *
 * The IV is the sequence number, implicit in the packet (RFC 8750). Associated data: SPI and 64-bit sequence number as
 * RFC 4106 section 5 has them, then the header image.
 */
const SEQUENCE_AT = 4;
const IMAGE_AT = 12;

export const compact: Profile = {
  tailBytes: ICV_BYTES,
  sequenceAt: SEQUENCE_AT,

  headBytes: () => esp.HEADER_BYTES,

  writeHead(bytes, at, sa) {
    esp.writeHeader(bytes, at, sa.spi, read32(sa.aead.nonce, LOW_AT));
  },

  isHead: (bytes, at, sa) => esp.spi(bytes, at) === sa.spi,

  icvAt: (_, __, end) => end,

  associate(pool, packet, { aead, spi, scope }) {
    const { associated, nonce } = aead;
    write32(associated, 0, spi);
    copy(nonce, IV_AT, associated, SEQUENCE_AT, IV_BYTES);
    aead.associatedLength = IMAGE_AT + writeImageOf(pool, packet, scope, associated, IMAGE_AT);
  },
};
