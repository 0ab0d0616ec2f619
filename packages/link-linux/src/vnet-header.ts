import type { Libc } from './libc.ts';

/** Octets of `struct virtio_net_hdr` (VIRTIO 1.2, section 5.1.6, without num_buffers), before each packet of a TUN. */
export const VNET_HEADER_BYTES = 10;

/** flags: the checksum field holds the pseudo-header's sum, the rest is still to be added. */
export const NEEDS_CSUM = 1;

export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
export const GSO_TCPV6 = 4;
export const GSO_UDP_L4 = 5;
/** Set beside a TCP type where the super-packet carries ECN's CWR. */
export const GSO_ECN = 0x80;

/**
 * What the kernel and the process tell each other about a packet's checksum and segmentation.
 *
 *     | flags (1) | gso_type (1) | hdr_len (2) | gso_size (2) | csum_start (2) | csum_offset (2) |   host order
 */
export class VnetHeader {
  readonly address: number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint16Array;

  constructor(libc: Libc) {
    const buffer = new ArrayBuffer(VNET_HEADER_BYTES);
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint16Array(buffer);
    this.address = libc.address(this.#bytes);
  }

  get needsChecksum(): boolean {
    return (this.#bytes[0]! & NEEDS_CSUM) !== 0;
  }

  get gsoType(): number {
    return this.#bytes[1]! & ~GSO_ECN;
  }

  get gsoSize(): number {
    return this.#words[2]!;
  }

  /** Distance of the transport header from the packet's first octet. */
  get checksumStart(): number {
    return this.#words[3]!;
  }

  /** Distance of the checksum field from the transport header. */
  get checksumOffset(): number {
    return this.#words[4]!;
  }

  clear(): void {
    this.#bytes.fill(0);
  }

  setChecksum(start: number, offset: number): void {
    this.clear();
    this.#bytes[0] = NEEDS_CSUM;
    this.#words[3] = start;
    this.#words[4] = offset;
  }

  setSegmentation(type: number, headerBytes: number, segmentBytes: number): void {
    this.#bytes[1] = type;
    this.#words[1] = headerBytes;
    this.#words[2] = segmentBytes;
  }
}
