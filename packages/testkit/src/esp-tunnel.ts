import { esp, write32 } from '@ngisec/wire';
import { createCipheriv } from 'node:crypto';
import { toAddress, type Address } from './ip-packet.ts';
import { buildIp } from './packet-builders.ts';

const KEY_BYTES = 16;
const IV_AT = esp.HEADER_BYTES;
const IV_BYTES = 8;
const ICV_BYTES = 16;
/** ESP next header values of a whole packet. */
const IPV4_PACKET = 4;
const IPV6_PACKET = 41;

/**
 * An ordinary ESP tunnel (RFC 4303 tunnel mode, AES-128-GCM by RFC 4106), to set beside ours: what it carries nobody
 * on the way can read.
 *
 *     | outer IP, protocol 50 | SPI, sequence | IV (8) | ciphertext(inner packet, padding, trailer) | ICV (16) |
 */
export class EspTunnel {
  /** Of its IP packets. */
  static readonly PROTOCOL = 50;
  readonly #ends: { readonly src: Uint8Array; readonly dst: Uint8Array };
  readonly #spi: number;
  readonly #key: Uint8Array;
  readonly #salt: Uint8Array;
  #sequence = 0;

  /** `keyMaterial`: 16 octets of key, 4 of salt. */
  constructor(src: Address, dst: Address, spi: number, keyMaterial: Uint8Array) {
    this.#ends = { src: toAddress(src), dst: toAddress(dst) };
    this.#spi = spi;
    this.#key = keyMaterial.slice(0, KEY_BYTES);
    this.#salt = keyMaterial.slice(KEY_BYTES);
  }

  /** The outer packet with `inner` in it. */
  wrap(inner: Uint8Array): Uint8Array {
    this.#sequence += 1;
    const padding = esp.paddingBytes(inner.length);
    const plain = new Uint8Array(inner.length + padding + esp.TRAILER_BYTES);
    plain.set(inner);
    const isV4 = inner[0]! >>> 4 === 4;
    esp.writeTrailer(plain, inner.length, padding, isV4 ? IPV4_PACKET : IPV6_PACKET);
    const packet = new Uint8Array(IV_AT + IV_BYTES + plain.length + ICV_BYTES);
    esp.writeHeader(packet, 0, this.#spi, this.#sequence);
    write32(packet, IV_AT + 4, this.#sequence);
    const nonce = new Uint8Array([...this.#salt, ...packet.subarray(IV_AT, IV_AT + IV_BYTES)]);
    const cipher = createCipheriv('aes-128-gcm', this.#key, nonce);
    cipher.setAAD(packet.subarray(0, IV_AT));
    packet.set(cipher.update(plain), IV_AT + IV_BYTES);
    cipher.final();
    packet.set(cipher.getAuthTag(), packet.length - ICV_BYTES);
    return buildIp(this.#ends, EspTunnel.PROTOCOL, packet);
  }
}
