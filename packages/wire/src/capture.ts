/** What the pcap and pcapng readers share: link types, the packet as read, and a buffer over chunked input. */

/** The link types (tcpdump.org/linktypes.html) that NGISec writes; a reader passes on any other as its number. */
export const linkTypes = {
  ethernet: 1,
  /** The packet begins with its IPv4 or IPv6 header. */
  raw: 101,
} as const;

/** The most octets of one packet that a reader takes, as in libpcap (MAXIMUM_SNAPLEN). */
export const CAPTURED_BYTES_MAX = 262_144;

export interface CapturedPacket {
  /** Nanoseconds since 1970-01-01 00:00 UTC; 0 where the file gives no time. */
  readonly timeNs: bigint;
  /** A copy of the octets captured. */
  readonly octets: Uint8Array;
  /** Octets the packet had; more than were captured where the capture cut it. */
  readonly originalBytes: number;
  readonly linkType: number;
  /** The interface's name; pcapng only. */
  readonly interfaceName?: string;
  /** Which way it crossed the interface; pcapng only. */
  readonly direction?: 'inbound' | 'outbound';
  /** pcapng only; several comments come joined by line feeds. */
  readonly comment?: string;
}

/** A queue of octets that grows as chunks arrive and gives its space back as they are read. */
export class ChunkBuffer {
  /** Octets read so far: where in the input the next one stands. */
  position = 0;
  #octets = new Uint8Array(4096);
  #view = new DataView(this.#octets.buffer);
  #from = 0;
  #to = 0;

  /** Octets that wait to be read. */
  get length(): number {
    return this.#to - this.#from;
  }

  push(chunk: Uint8Array): void {
    const needed = this.length + chunk.length;
    if (this.#to + chunk.length > this.#octets.length) {
      // Moving at most half of the space keeps the cost per octet constant however small the chunks are.
      const target = 2 * needed > this.#octets.length ? new Uint8Array(2 * needed) : this.#octets;
      target.set(this.#octets.subarray(this.#from, this.#to));
      this.#octets = target;
      this.#view = new DataView(target.buffer);
      this.#to -= this.#from;
      this.#from = 0;
    }
    this.#octets.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  /** The 16-bit number `at` octets behind the next one. */
  uint16(at: number, littleEndian: boolean): number {
    return this.#view.getUint16(this.#from + at, littleEndian);
  }

  uint32(at: number, littleEndian: boolean): number {
    return this.#view.getUint32(this.#from + at, littleEndian);
  }

  /** A copy of the octets `[at, end)`, counted from the next one. */
  slice(at: number, end: number): Uint8Array {
    return this.#octets.slice(this.#from + at, this.#from + end);
  }

  skip(count: number): void {
    this.#from += count;
    this.position += count;
  }
}
