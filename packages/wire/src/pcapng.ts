/**
 * The capture file of blocks (draft-ietf-opsawg-pcapng), which names interfaces and carries comments.
 *
 *     |                          Block Type                           |
 *     |                      Block Total Length                       |
 *     |              Block Body (variable, padded to 32 bits)         |
 *     |                      Block Total Length                       |
 */
import { CAPTURED_BYTES_MAX, ChunkBuffer, type CapturedPacket } from './capture.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const DECRYPTION_SECRETS = 10;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Type and two lengths. */
const BLOCK_FRAME_BYTES = 12;
/** What libpcap takes at most (INITIAL_MAX_BLOCKSIZE); bounds the memory of a reader. */
const BLOCK_BYTES_MAX = 16 * 1024 * 1024;

const END_OF_OPTIONS = 0;
const COMMENT = 1;
const APPLICATION = 4;
const INTERFACE_NAME = 2;
const TIME_RESOLUTION = 9;
const TIME_OFFSET = 14;
const PACKET_FLAGS = 2;

/** The values of the two direction bits in a packet's flags (section 4.3.1). */
const DIRECTIONS = [undefined, 'inbound', 'outbound', undefined] as const;

const padded = (length: number): number => (length + 3) & ~3;

interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

const uint32 = (value: number): Uint8Array => {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value, true);
  return octets;
};

const text = (code: number, value: string | undefined): Option[] =>
  value === undefined ? [] : [{ code, value: new TextEncoder().encode(value) }];

/** A little-endian block of fixed words, data padded to 32 bits, and options (section 3.5). */
function block(
  type: number,
  words: readonly number[],
  data: Uint8Array,
  options: readonly Option[],
): Uint8Array {
  const optionBytes = options.reduce(
    (sum, { value }) => sum + 4 + padded(value.length),
    options.length > 0 ? 4 : 0,
  );
  const length = BLOCK_FRAME_BYTES + 4 * words.length + padded(data.length) + optionBytes;
  const octets = new Uint8Array(length);
  const view = new DataView(octets.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  let at = 8;
  for (const word of words) {
    view.setUint32(at, word, true);
    at += 4;
  }
  octets.set(data, at);
  at += padded(data.length);
  for (const { code, value } of options) {
    if (value.length > 0xffff) throw new RangeError('a pcapng option holds at most 65,535 octets');
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    octets.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  view.setUint32(length - 4, length, true);
  return octets;
}

const NO_DATA = new Uint8Array(0);

/** The block that begins a file (section 4.1); `application` names the program that writes it. */
export function sectionHeader(application?: string): Uint8Array {
  // Version 1.0, then a section length of -1: not known.
  const words = [BYTE_ORDER_MAGIC, 1, 0xffffffff, 0xffffffff];
  return block(SECTION_HEADER, words, NO_DATA, text(APPLICATION, application));
}

export interface InterfaceDescription {
  readonly name: string;
  readonly linkType: number;
  /** Octets kept of a packet; 0, the default, is no limit. */
  readonly snapLength?: number;
}

/**
 * Describes an interface (section 4.2), in nanoseconds. Interfaces are numbered from 0 in the order of their blocks.
 */
export function interfaceDescription({ name, linkType, snapLength = 0 }: InterfaceDescription): Uint8Array {
  const resolution = { code: TIME_RESOLUTION, value: Uint8Array.of(9) };
  return block(INTERFACE_DESCRIPTION, [linkType, snapLength], NO_DATA, [
    ...text(INTERFACE_NAME, name),
    resolution,
  ]);
}

export interface PacketRecord {
  /** The number of its interface's block in the section. */
  readonly interfaceId: number;
  /** Nanoseconds since 1970-01-01 00:00 UTC. */
  readonly timeNs: bigint;
  readonly octets: Uint8Array;
  /** Octets the packet had, where `octets` is only its beginning. */
  readonly originalBytes?: number;
  readonly direction?: 'inbound' | 'outbound';
  /** Throws `RangeError` where it is longer than 65,535 octets of UTF-8. */
  readonly comment?: string;
}

/** A packet (section 4.3), written as given: nothing is cut. */
export function enhancedPacket(record: PacketRecord): Uint8Array {
  const { interfaceId, timeNs, octets, originalBytes = octets.length, direction, comment } = record;
  const timeHigh = Number((timeNs >> 32n) & 0xffffffffn);
  const timeLow = Number(timeNs & 0xffffffffn);
  const options = text(COMMENT, comment);
  if (direction !== undefined)
    options.push({ code: PACKET_FLAGS, value: uint32(DIRECTIONS.indexOf(direction)) });
  return block(
    ENHANCED_PACKET,
    [interfaceId, timeHigh, timeLow, octets.length, originalBytes],
    octets,
    options,
  );
}

/** Keys for whoever reads the capture (section 4.7); must stand before the packets they open. */
export function decryptionSecrets(type: number, secrets: Uint8Array): Uint8Array {
  return block(DECRYPTION_SECRETS, [type, secrets.length], secrets, []);
}

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  readonly name: string | undefined;
  /** Turns the file's ticks into nanoseconds since 1970. */
  readonly timeNs: (ticks: bigint) => bigint;
}

/** The clock of an interface by its options if_tsresol and if_tsoffset (section 4.2). */
function clockOf(resolution: number, offsetSeconds: bigint): Interface['timeNs'] {
  const exponent = BigInt(resolution & 0x7f);
  const ticksPerSecond = resolution & 0x80 ? 1n << exponent : 10n ** exponent;
  return (ticks) => (ticks * 1_000_000_000n) / ticksPerSecond + offsetSeconds * 1_000_000_000n;
}

/**
 * Reads a file of either byte order as its octets arrive, in chunks of any size: enhanced and simple packets of
 * all sections. Blocks of other types are skipped.
 */
export class PcapngReader {
  readonly #input = new ChunkBuffer();
  readonly #decoder = new TextDecoder();
  #littleEndian: boolean | undefined;
  #interfaces: Interface[] = [];
  #error: string | undefined;

  /** Why reading ended before the input did; nothing is read from then on. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Octets of a block not yet complete; not 0 at the end of a file that was cut off. */
  get pendingBytes(): number {
    return this.#input.length;
  }

  push(chunk: Uint8Array): void {
    if (this.#error === undefined) this.#input.push(chunk);
  }

  /** The next packet; undefined until more input comes, and for good where `error` says so. */
  next(): CapturedPacket | undefined {
    for (let length = this.#blockLength(); length !== undefined; length = this.#blockLength()) {
      const packet = this.#readBlock(this.#uint32(0), length);
      if (this.#error !== undefined) return undefined;
      this.#input.skip(length);
      if (packet !== undefined) return packet;
    }
    return undefined;
  }

  /** The length of the next block; undefined until it is there as a whole. */
  #blockLength(): number | undefined {
    const input = this.#input;
    if (this.#error !== undefined || input.length < BLOCK_FRAME_BYTES) return undefined;
    // A section header reads the same either way, and tells the byte order of what follows.
    if (input.uint32(0, true) === SECTION_HEADER) {
      this.#littleEndian = [true, false].find((order) => input.uint32(8, order) === BYTE_ORDER_MAGIC);
    }
    if (this.#littleEndian === undefined) return this.#fail('not a pcapng section header');
    const length = this.#uint32(4);
    if (length < BLOCK_FRAME_BYTES || length % 4 !== 0 || length > BLOCK_BYTES_MAX) {
      return this.#fail(`a block of ${length} octets`);
    }
    if (input.length < length) return undefined;
    if (this.#uint32(length - 4) !== length) return this.#fail('the two lengths of a block differ');
    return length;
  }

  #readBlock(type: number, length: number): CapturedPacket | undefined {
    switch (type) {
      case SECTION_HEADER:
        return this.#readSection(length);
      case INTERFACE_DESCRIPTION:
        return this.#readInterface(length);
      case ENHANCED_PACKET:
        return this.#readEnhancedPacket(length);
      case SIMPLE_PACKET:
        return this.#readSimplePacket(length);
      default:
        return undefined;
    }
  }

  #readSection(length: number): undefined {
    if (length < 28) return this.#fail('a section header cut short');
    const major = this.#uint16(12);
    if (major !== 1) return this.#fail(`pcapng version ${major} is not supported`);
    this.#interfaces = [];
    return undefined;
  }

  #readInterface(length: number): undefined {
    const options = this.#options(16, length);
    if (options === undefined) return undefined;
    const resolution = options.get(TIME_RESOLUTION)?.[0];
    const offset = options.get(TIME_OFFSET)?.[0];
    this.#interfaces.push({
      linkType: this.#uint16(8),
      snapLength: this.#uint32(12),
      name: this.#text(options.get(INTERFACE_NAME)),
      timeNs: clockOf(resolution?.[0] ?? 6, offset?.length === 8 ? this.#int64(offset) : 0n),
    });
    return undefined;
  }

  #readEnhancedPacket(length: number): CapturedPacket | undefined {
    if (length < 32) return this.#fail('a packet block cut short');
    const source = this.#interfaces[this.#uint32(8)];
    if (source === undefined) return this.#fail(`no interface is numbered ${this.#uint32(8)}`);
    const captured = this.#uint32(20);
    if (captured > CAPTURED_BYTES_MAX || 28 + captured > length - 4)
      return this.#fail(`a packet of ${captured} octets`);
    const options = this.#options(28 + padded(captured), length);
    if (options === undefined) return undefined;
    const flags = options.get(PACKET_FLAGS)?.[0];
    const direction =
      flags?.length === 4 ? DIRECTIONS[flags[this.#littleEndian! ? 0 : 3]! & 0b11] : undefined;
    const comment = this.#text(options.get(COMMENT));
    return {
      timeNs: source.timeNs((BigInt(this.#uint32(12)) << 32n) | BigInt(this.#uint32(16))),
      octets: this.#input.slice(28, 28 + captured),
      originalBytes: this.#uint32(24),
      linkType: source.linkType,
      ...(source.name !== undefined && { interfaceName: source.name }),
      ...(direction !== undefined && { direction }),
      ...(comment !== undefined && { comment }),
    };
  }

  /** A packet of the first interface, without a time (section 4.4). */
  #readSimplePacket(length: number): CapturedPacket | undefined {
    const source = this.#interfaces[0];
    if (length < 16 || source === undefined)
      return this.#fail('a simple packet cut short or without an interface');
    const originalBytes = this.#uint32(8);
    const captured = Math.min(originalBytes, source.snapLength || Infinity);
    if (captured > CAPTURED_BYTES_MAX || 12 + captured > length - 4)
      return this.#fail(`a packet of ${captured} octets`);
    const octets = this.#input.slice(12, 12 + captured);
    const { linkType, name } = source;
    return {
      timeNs: 0n,
      octets,
      originalBytes,
      linkType,
      ...(name !== undefined && { interfaceName: name }),
    };
  }

  /** The options from `at` to the end of a block, by code; undefined where they do not fit it (section 3.5). */
  #options(at: number, length: number): ReadonlyMap<number, readonly Uint8Array[]> | undefined {
    const options = new Map<number, Uint8Array[]>();
    const end = length - 4;
    if (at > end) return this.#fail('a block cut short');
    while (at + 4 <= end) {
      const code = this.#uint16(at);
      const size = this.#uint16(at + 2);
      if (code === END_OF_OPTIONS) break;
      if (at + 4 + size > end) return this.#fail(`an option of ${size} octets`);
      const values = options.get(code);
      const value = this.#input.slice(at + 4, at + 4 + size);
      if (values === undefined) options.set(code, [value]);
      else values.push(value);
      at += 4 + padded(size);
    }
    return options;
  }

  #text(values: readonly Uint8Array[] | undefined): string | undefined {
    return values?.map((value) => this.#decoder.decode(value)).join('\n');
  }

  #int64(octets: Uint8Array): bigint {
    return new DataView(octets.buffer).getBigInt64(0, this.#littleEndian);
  }

  #uint16(at: number): number {
    return this.#input.uint16(at, this.#littleEndian!);
  }

  #uint32(at: number): number {
    return this.#input.uint32(at, this.#littleEndian!);
  }

  #fail(reason: string): undefined {
    this.#error = `octet ${this.#input.position}: ${reason}`;
    return undefined;
  }
}
