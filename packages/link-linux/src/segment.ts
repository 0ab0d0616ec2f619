import { ip, ipv4, ipv6, read16, read32, tcp, udp, write16, write32 } from '@ngisec/wire';
import type { PacketPool } from '@ngisec/core';
import { GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 } from './vnet-header.ts';

const CWR = 0x80;
const SEQUENCE = 4;
const FLAGS = 13;
const IDENTIFICATION = 4;
const TOTAL_LENGTH = 2;

/** Copies `length` octets from the super-packet's buffer at `from` into the pool's arena at `to`. */
export type CopyIntoArena = (from: number, to: number, length: number) => void;

/**
 * Cuts a super-packet (one set of headers, up to 64 KiB of payload) into the packets it stands for, as the kernel's
 * GSO does: IPv4 identification and TCP sequence number go on, FIN and PSH stay on the last, CWR (RFC 3168 section
 * 6.1.2) on the first. Segments are taken one at a time, so a full batch or pool only interrupts.
 */
export class Segmenter {
  readonly #bytes: Uint8Array;
  readonly #copy: CopyIntoArena;
  #family = 0;
  #protocol = 0;
  #transport = 0;
  #headerBytes = 0;
  #segmentBytes = 0;
  #at = 0;
  #end = 0;
  #segment = 0;

  /** `bytes` holds one super-packet at a time, from its first octet on. */
  constructor(bytes: Uint8Array, copy: CopyIntoArena) {
    this.#bytes = bytes;
    this.#copy = copy;
  }

  get isPending(): boolean {
    return this.#at < this.#end;
  }

  /**
   * Starts on the super-packet in the first `length` octets, `segmentBytes` of payload a segment. False, with
   * nothing pending, where its headers do not fit its type or a segment would exceed `packetBytesMax`.
   */
  begin(length: number, gsoType: number, segmentBytes: number, packetBytesMax: number): boolean {
    const bytes = this.#bytes;
    this.#family = bytes[0]! >>> 4;
    const found = this.#findTransport(length);
    if (found < 0) return false;
    this.#protocol = found & 0xff;
    this.#transport = found >>> 8;
    const isTcp = gsoType === (this.#family === 4 ? GSO_TCPV4 : GSO_TCPV6) && this.#protocol === ip.TCP;
    const isUdp = gsoType === GSO_UDP_L4 && this.#protocol === ip.UDP;
    const transportBytes = ip.transportHeaderBytes(bytes, this.#transport, length, this.#protocol);
    this.#headerBytes = this.#transport + transportBytes;
    if (!(isTcp || isUdp) || transportBytes === 0 || segmentBytes === 0) return false;
    if (this.#headerBytes + segmentBytes > packetBytesMax) return false;
    this.#segmentBytes = segmentBytes;
    this.#at = this.#headerBytes;
    this.#end = length;
    this.#segment = 0;
    return this.isPending;
  }

  /** Writes the next segment into a newly allocated packet. Its transport checksum is pending. */
  next(pool: PacketPool, packet: number): void {
    const payloadBytes = Math.min(this.#segmentBytes, this.#end - this.#at);
    const start = pool.start[packet]!;
    this.#copy(0, start, this.#headerBytes);
    this.#copy(this.#at, start + this.#headerBytes, payloadBytes);
    pool.end[packet] = start + this.#headerBytes + payloadBytes;
    pool.transport[packet] = start + this.#transport;
    pool.payload[packet] = start + this.#headerBytes;
    pool.family[packet] = this.#family;
    pool.protocol[packet] = this.#protocol;
    pool.checksumPending[packet] = 1;
    this.#patchIp(pool.bytes, start, this.#headerBytes + payloadBytes);
    this.#patchTransport(pool.bytes, start + this.#transport, payloadBytes);
    this.#at += payloadBytes;
    this.#segment += 1;
  }

  #findTransport(length: number): number {
    const bytes = this.#bytes;
    if (this.#family === 6) return length < ipv6.HEADER_BYTES ? -1 : ipv6.findTransport(bytes, 0, length);
    if (this.#family !== 4 || length < ipv4.HEADER_BYTES_MIN || ipv4.isFragment(bytes, 0)) return -1;
    return (ipv4.headerBytes(bytes, 0) << 8) | ipv4.protocol(bytes, 0);
  }

  #patchIp(bytes: Uint8Array, at: number, length: number): void {
    if (this.#family === 6) {
      ipv6.setPayloadLength(bytes, at, length - ipv6.HEADER_BYTES);
      return;
    }
    write16(bytes, at + TOTAL_LENGTH, length);
    write16(bytes, at + IDENTIFICATION, read16(bytes, at + IDENTIFICATION) + this.#segment);
    ipv4.completeChecksum(bytes, at);
  }

  #patchTransport(bytes: Uint8Array, at: number, payloadBytes: number): void {
    if (this.#protocol === ip.UDP) {
      udp.setLength(bytes, at, udp.HEADER_BYTES + payloadBytes);
      return;
    }
    write32(bytes, at + SEQUENCE, read32(bytes, at + SEQUENCE) + this.#at - this.#headerBytes);
    const isLast = this.#at + payloadBytes === this.#end;
    if (!isLast) bytes[at + FLAGS]! &= ~(tcp.FIN | tcp.PSH);
    if (this.#segment > 0) bytes[at + FLAGS]! &= ~CWR;
  }
}
