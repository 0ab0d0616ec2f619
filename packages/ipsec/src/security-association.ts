import { ah } from '@ngisec/wire';
import type { Aead, CryptoProvider } from './crypto/aead.ts';
import { createAead } from './crypto/create-aead.ts';
import { suites, type ExplicitIvs, type SuiteName } from './crypto/suites.ts';
import { scopes, type Scope } from './header-image.ts';
import type { Profile } from './profile.ts';
import { profiles } from './profiles.ts';
import { ReplayWindow, SEQUENCE_MAX, WINDOW_PACKETS_DEFAULT } from './replay-window.ts';

/** One direction of a secure channel, as a key exchange or a key file gives it. */
export interface SaParameters {
  readonly spi: number;
  readonly suite: SuiteName;
  /** As `keyMaterialParts` says: encryption key, its salt, integrity key, its salt. */
  readonly keyMaterial: Uint8Array;
  readonly scope: Scope;
  /** Inbound only: the replay window, in packets. */
  readonly windowPackets?: number;
}

/** SPIs 1 to 255 are reserved (RFC 4303 section 2.1); 0 marks IKE in a UDPSec carrier. */
export const SPI_MIN = 256;
const SPI_MAX = 0xffff_ffff;

/** True where an SA may have this SPI. None begins with 50: behind the transport header that is an AH (ADR 0021). */
export const isSpi = (spi: number): boolean =>
  Number.isInteger(spi) && spi >= SPI_MIN && spi <= SPI_MAX && spi >>> 24 !== ah.ESP;

export abstract class SecurityAssociation implements ExplicitIvs {
  readonly spi: number;
  readonly suite: SuiteName;
  readonly profile: Profile;
  readonly scope: number;
  readonly aead: Aead;
  readonly ivBytes: number;
  readonly macIvBytes: number;

  constructor({ spi, suite, keyMaterial, scope }: SaParameters, provider: CryptoProvider) {
    if (!isSpi(spi)) throw new RangeError(`SPI ${spi} is reserved or no 32-bit number`);
    const { profile, ivBytes, macIvBytes } = suites[suite];
    this.spi = spi;
    this.suite = suite;
    this.profile = profiles[profile];
    this.scope = scopes[scope];
    this.aead = createAead(provider, suite, keyMaterial);
    this.ivBytes = ivBytes;
    this.macIvBytes = macIvBytes;
  }

  destroy(): void {
    this.aead.destroy();
  }
}

export class OutboundSa extends SecurityAssociation {
  readonly #sequence = new Float64Array(1);

  /** The next sequence number, from 1 on; 0 where none is left: the SA never wraps (RFC 4303 section 3.3.3). */
  nextSequence(): number {
    const next = this.#sequence[0]! + 1;
    if (next > SEQUENCE_MAX) return 0;
    this.#sequence[0] = next;
    return next;
  }
}

export class InboundSa extends SecurityAssociation {
  readonly window: ReplayWindow;
  /** Index of the channel it belongs to. */
  readonly channel: number;

  constructor(parameters: SaParameters, provider: CryptoProvider, channel: number) {
    // First: it may refuse its size, and a key that nobody destroys leaks.
    const window = new ReplayWindow(parameters.windowPackets ?? WINDOW_PACKETS_DEFAULT);
    super(parameters, provider);
    this.window = window;
    this.channel = channel;
  }
}
