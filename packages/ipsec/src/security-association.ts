import type { Aead, CryptoProvider } from './crypto/aead.ts';
import { suites, type SuiteName } from './crypto/suites.ts';
import { scopes, type Scope } from './header-image.ts';
import { ReplayWindow, SEQUENCE_MAX, WINDOW_PACKETS_DEFAULT } from './replay-window.ts';

/** One direction of a secure channel, as a key exchange or a key file gives it. */
export interface SaParameters {
  readonly spi: number;
  readonly suite: SuiteName;
  /** Key octets followed by the 4 octets of salt (RFC 4106 section 8.1). */
  readonly keyMaterial: Uint8Array;
  readonly scope: Scope;
  /** Inbound only: the replay window, in packets. */
  readonly windowPackets?: number;
}

/** SPIs 1 to 255 are reserved (RFC 4303 section 2.1); 0 marks IKE in a UDPSec carrier. */
export const SPI_MIN = 256;

abstract class SecurityAssociation {
  readonly spi: number;
  readonly suite: SuiteName;
  readonly scope: number;
  readonly aead: Aead;

  constructor(parameters: SaParameters, provider: CryptoProvider) {
    const { spi, suite, keyMaterial, scope } = parameters;
    const { keyBytes, saltBytes } = suites[suite];
    if (!Number.isInteger(spi) || spi < SPI_MIN || spi > 0xffff_ffff)
      throw new RangeError(`SPI ${spi} is reserved or no 32-bit number`);
    if (keyMaterial.length !== keyBytes + saltBytes) {
      throw new RangeError(
        `${suite} takes ${keyBytes + saltBytes} octets of key and salt, not ${keyMaterial.length}`,
      );
    }
    this.spi = spi;
    this.suite = suite;
    this.scope = scopes[scope];
    this.aead = provider.aead(suite, keyMaterial.subarray(0, keyBytes));
    this.aead.nonce.set(keyMaterial.subarray(keyBytes));
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
