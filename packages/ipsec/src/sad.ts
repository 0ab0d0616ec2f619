import { anyPrefixContains, type Prefix } from '@ngisec/wire';
import type { CryptoProvider } from './crypto/aead.ts';
import { InboundSa, OutboundSa, type SaParameters } from './security-association.ts';

/**
 * `control`: with a gateway, or between gateways. `data`: end host to end host; its keys never reach a
 * gateway. `both`: one
 * channel between two hosts on a LAN, where no gateway is in the way (section 6.1 of the draft).
 */
export type ChannelRole = 'control' | 'data' | 'both';

export interface ChannelParameters {
  readonly name: string;
  readonly role: ChannelRole;
  /** Remote addresses it is good for: what is sent to them, and what may be received from them. */
  readonly peers: readonly Prefix[];
  readonly inbound: SaParameters;
  readonly outbound: SaParameters;
}

/**
 * A pair of nodes' secure channel: the SA to send on, and the selectors of what may arrive (RFC 4301 section
 * 4.4.2).
 */
export class Channel {
  readonly index: number;
  readonly name: string;
  readonly carriesControl: boolean;
  readonly carriesData: boolean;
  readonly peers: readonly Prefix[];
  /** Replaced at a rekey; the channel stays. */
  outbound: OutboundSa;

  constructor(index: number, parameters: ChannelParameters, outbound: OutboundSa) {
    this.index = index;
    this.name = parameters.name;
    this.carriesControl = parameters.role !== 'data';
    this.carriesData = parameters.role !== 'control';
    this.peers = parameters.peers;
    this.outbound = outbound;
  }

  /** True where the address of `family` at `bytes[at]` is one of its peers. */
  isPeer(bytes: Uint8Array, at: number, family: number): boolean {
    return anyPrefixContains(this.peers, bytes, at, family);
  }
}

/** The security association database (RFC 4301 section 4.4.2): channels by index, inbound SAs by SPI. */
export class Sad {
  readonly channels: Channel[] = [];
  readonly #provider: CryptoProvider;
  #inbound: InboundSa[] = [];
  /** SPI and position in `#inbound` plus one, open addressing, rebuilt at every change: SAs change rarely. */
  #spis = new Uint32Array(2);
  #positions = new Uint32Array(2);

  constructor(provider: CryptoProvider) {
    this.#provider = provider;
  }

  get providerName(): string {
    return this.#provider.name;
  }

  /** Adds a channel and its SA pair. RangeError where a key, SPI or window is unfit or the SPI is taken. */
  add(parameters: ChannelParameters): Channel {
    const { inbound, outbound, name } = parameters;
    if (this.findInbound(inbound.spi) !== undefined)
      throw new RangeError(`channel "${name}": inbound SPI ${inbound.spi} is taken`);
    const index = this.channels.length;
    const receiving = new InboundSa(inbound, this.#provider, index);
    let sending: OutboundSa;
    try {
      sending = new OutboundSa(outbound, this.#provider);
    } catch (error) {
      receiving.destroy();
      throw error;
    }
    const channel = new Channel(index, parameters, sending);
    this.channels.push(channel);
    this.#setInbound([...this.#inbound, receiving]);
    return channel;
  }

  findInbound(spi: number): InboundSa | undefined {
    const mask = this.#spis.length - 1;
    for (let bucket = Math.imul(spi, 0x9e3779b1) & mask; ; bucket = (bucket + 1) & mask) {
      const position = this.#positions[bucket]!;
      if (position === 0) return undefined;
      if (this.#spis[bucket] === spi) return this.#inbound[position - 1];
    }
  }

  /** The channel of that name; undefined where there is none. */
  named(name: string): Channel | undefined {
    return this.channels.find((channel) => channel.name === name);
  }

  /**
   * The first channel for a remote address that carries data, or control, and is one of the named where `names` is
   * given; undefined where there is none.
   */
  channelFor(
    carries: 'data' | 'control',
    bytes: Uint8Array,
    at: number,
    family: number,
    names?: readonly string[],
  ): Channel | undefined {
    for (let index = 0; index < this.channels.length; index += 1) {
      const channel = this.channels[index]!;
      const fits = carries === 'data' ? channel.carriesData : channel.carriesControl;
      if (!fits || (names !== undefined && !names.includes(channel.name))) continue;
      if (channel.isPeer(bytes, at, family)) return channel;
    }
    return undefined;
  }

  /** Forgets every key. */
  clear(): void {
    for (const sa of this.#inbound) sa.destroy();
    for (const channel of this.channels) channel.outbound.destroy();
    this.channels.length = 0;
    this.#setInbound([]);
  }

  #setInbound(inbound: InboundSa[]): void {
    const size = Math.max(2, 2 ** Math.ceil(Math.log2(inbound.length * 2 + 1)));
    this.#inbound = inbound;
    this.#spis = new Uint32Array(size);
    this.#positions = new Uint32Array(size);
    inbound.forEach(({ spi }, position) => {
      let bucket = Math.imul(spi, 0x9e3779b1) & (size - 1);
      while (this.#positions[bucket] !== 0) bucket = (bucket + 1) & (size - 1);
      this.#spis[bucket] = spi;
      this.#positions[bucket] = position + 1;
    });
  }
}
