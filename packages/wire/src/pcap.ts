/**
 * The classic capture file (draft-ietf-opsawg-pcap): a header of 24 octets, then records.
 *
 *     |                          Magic Number                         |
 *     |         Major Version         |         Minor Version         |
 *     |                     Reserved, twice 32 bits                   |
 *     |                            SnapLen                            |
 *     | FCS |f|        Reserved       |           LinkType            |
 *
 *     |                      Timestamp (Seconds)                      |
 *     |            Timestamp (Microseconds or nanoseconds)            |
 *     |                    Captured Packet Length                     |
 *     |                    Original Packet Length                     |
 *     |                          Packet Data                          |
 */
import { CAPTURED_BYTES_MAX, ChunkBuffer, type CapturedPacket } from './capture.ts';

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const NS_PER_SECOND = 1_000_000_000n;

export interface PcapWriter {
  /** The file's first octets. */
  header(): Uint8Array;
  /** One record; the packet is cut to the snap length. `originalBytes` is what it had before an earlier cut. */
  packet(octets: Uint8Array, timeNs: bigint, originalBytes?: number): Uint8Array;
}

/** Makes the octets of a little-endian file with nanosecond times, for the caller to write where it likes. */
export function pcapWriter(linkType: number, snapLength: number = CAPTURED_BYTES_MAX): PcapWriter {
  return {
    header() {
      const octets = new Uint8Array(HEADER_BYTES);
      const view = new DataView(octets.buffer);
      view.setUint32(0, MAGIC_NANOSECONDS, true);
      view.setUint16(4, 2, true);
      view.setUint16(6, 4, true);
      view.setUint32(16, snapLength, true);
      view.setUint32(20, linkType, true);
      return octets;
    },
    packet(octets, timeNs, originalBytes = octets.length) {
      const captured = Math.min(octets.length, snapLength);
      const record = new Uint8Array(RECORD_HEADER_BYTES + captured);
      const view = new DataView(record.buffer);
      view.setUint32(0, Number(timeNs / NS_PER_SECOND), true);
      view.setUint32(4, Number(timeNs % NS_PER_SECOND), true);
      view.setUint32(8, captured, true);
      view.setUint32(12, originalBytes, true);
      record.set(octets.subarray(0, captured), RECORD_HEADER_BYTES);
      return record;
    },
  };
}

interface Format {
  readonly littleEndian: boolean;
  readonly nsPerTick: bigint;
  readonly linkType: number;
}

/** Reads a file of either byte order and either time unit as its octets arrive, in chunks of any size. */
export class PcapReader {
  readonly #input = new ChunkBuffer();
  #format: Format | undefined;
  #error: string | undefined;

  /** Why reading ended before the input did; nothing is read from then on. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Octets of a packet not yet complete; not 0 at the end of a file that was cut off. */
  get pendingBytes(): number {
    return this.#input.length;
  }

  push(chunk: Uint8Array): void {
    if (this.#error === undefined) this.#input.push(chunk);
  }

  /** The next packet; undefined until more input comes, and for good where `error` says so. */
  next(): CapturedPacket | undefined {
    if (this.#error !== undefined) return undefined;
    const input = this.#input;
    const format = (this.#format ??= this.#readHeader());
    if (format === undefined || input.length < RECORD_HEADER_BYTES) return undefined;
    const { littleEndian, nsPerTick, linkType } = format;
    const captured = input.uint32(8, littleEndian);
    if (captured > CAPTURED_BYTES_MAX) return this.#fail(`a packet of ${captured} octets`);
    if (input.length < RECORD_HEADER_BYTES + captured) return undefined;
    const seconds = BigInt(input.uint32(0, littleEndian));
    const ticks = BigInt(input.uint32(4, littleEndian));
    const packet = {
      timeNs: seconds * NS_PER_SECOND + ticks * nsPerTick,
      octets: input.slice(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + captured),
      originalBytes: input.uint32(12, littleEndian),
      linkType,
    };
    input.skip(RECORD_HEADER_BYTES + captured);
    return packet;
  }

  #readHeader(): Format | undefined {
    const input = this.#input;
    if (input.length < HEADER_BYTES) return undefined;
    for (const littleEndian of [true, false]) {
      const magic = input.uint32(0, littleEndian);
      if (magic !== MAGIC_MICROSECONDS && magic !== MAGIC_NANOSECONDS) continue;
      const major = input.uint16(4, littleEndian);
      if (major !== 2) return this.#fail(`pcap version ${major} is not supported`);
      const linkType = input.uint32(20, littleEndian) & 0xffff;
      input.skip(HEADER_BYTES);
      return { littleEndian, nsPerTick: magic === MAGIC_NANOSECONDS ? 1n : 1000n, linkType };
    }
    return this.#fail('not a pcap file');
  }

  #fail(reason: string): undefined {
    this.#error = `octet ${this.#input.position}: ${reason}`;
    return undefined;
  }
}
