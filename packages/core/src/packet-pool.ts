import { limits } from './limits.ts';

export interface PacketPoolOptions {
  readonly packets?: number;
  readonly slotBytes?: number;
  readonly headroomBytes?: number;
}

/**
 * All packets of a process or worker: their octets in one arena, their fields in columns, one entry a packet.
 * A packet is a number, the index of its slot, so nothing is allocated per packet and a batch is a list of
 * numbers. Offsets are into `bytes`, ends exclusive.
 *
 *     slot   | headroom | IP header | T header | payload | tailroom |
 *            ^          ^           ^          ^         ^
 *            |          start       transport  payload   end
 *            packet * slotBytes
 *
 * Whoever holds a packet owns it, until it is pushed to an output, dropped or transmitted.
 */
export class PacketPool {
  readonly bytes: Uint8Array;
  readonly capacity: number;
  readonly slotBytes: number;
  readonly headroomBytes: number;

  readonly start: Uint32Array;
  readonly end: Uint32Array;
  /** First octet of the transport header. */
  readonly transport: Uint32Array;
  /** First octet behind the transport header. */
  readonly payload: Uint32Array;
  /** 4 or 6. */
  readonly family: Uint8Array;
  /** IP protocol of the transport header. */
  readonly protocol: Uint8Array;
  /** 1 where the transport checksum still has to be computed; the device does it before the packet leaves. */
  readonly checksumPending: Uint8Array;
  /** What stands behind the transport header, as an ESP next header value: 254 is transport data. */
  readonly nextHeader: Uint8Array;
  /** The secure channel a packet goes out on, or was verified under; -1 for none. */
  readonly channel: Int32Array;
  /** The policy rule that applies; -1 for none. */
  readonly rule: Int32Array;
  /** The entry of the packet's flow in the table of the stage that set it; -1 for none. */
  readonly flow: Int32Array;
  /** The graph's mark of the stage that has the packet; 0 for a free one. */
  readonly holder: Uint16Array;

  readonly #free: Uint32Array;
  #freeCount: number;

  constructor(options: PacketPoolOptions = {}) {
    this.capacity = options.packets ?? limits.poolPackets;
    this.slotBytes = options.slotBytes ?? limits.slotBytes;
    this.headroomBytes = options.headroomBytes ?? limits.headroomBytes;
    this.bytes = new Uint8Array(this.capacity * this.slotBytes);
    this.start = new Uint32Array(this.capacity);
    this.end = new Uint32Array(this.capacity);
    this.transport = new Uint32Array(this.capacity);
    this.payload = new Uint32Array(this.capacity);
    this.family = new Uint8Array(this.capacity);
    this.protocol = new Uint8Array(this.capacity);
    this.checksumPending = new Uint8Array(this.capacity);
    this.nextHeader = new Uint8Array(this.capacity);
    this.channel = new Int32Array(this.capacity);
    this.rule = new Int32Array(this.capacity);
    this.flow = new Int32Array(this.capacity);
    this.holder = new Uint16Array(this.capacity);
    // The first packet handed out is packet 0: runs are easier to read.
    this.#free = Uint32Array.from({ length: this.capacity }, (_, index) => this.capacity - 1 - index);
    this.#freeCount = this.capacity;
  }

  /** Packets that can still be allocated. */
  get available(): number {
    return this.#freeCount;
  }

  /** The most octets a packet may have when it enters, so that headers and trailers can still grow around it. */
  get packetBytesMax(): number {
    return this.slotBytes - 2 * this.headroomBytes;
  }

  /** A packet with no octets, at the headroom, its fields reset; -1 where the pool is empty. */
  allocate(): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const packet = this.#free[this.#freeCount]!;
    const at = packet * this.slotBytes + this.headroomBytes;
    this.start[packet] = at;
    this.end[packet] = at;
    this.transport[packet] = at;
    this.payload[packet] = at;
    this.family[packet] = 0;
    this.protocol[packet] = 0;
    this.checksumPending[packet] = 0;
    this.nextHeader[packet] = 0;
    this.channel[packet] = -1;
    this.rule[packet] = -1;
    this.flow[packet] = -1;
    return packet;
  }

  /** A packet holding a copy of `from[at, end)`; -1 where the pool is empty or the octets do not fit. */
  allocateCopy(from: Uint8Array, at = 0, end = from.length): number {
    if (end - at > this.packetBytesMax) return -1;
    const packet = this.allocate();
    if (packet < 0) return -1;
    const start = this.start[packet]!;
    this.bytes.set(from.subarray(at, end), start);
    this.end[packet] = start + (end - at);
    return packet;
  }

  release(packet: number): void {
    this.holder[packet] = 0;
    this.#free[this.#freeCount] = packet;
    this.#freeCount += 1;
  }

  /** Free octets before the packet. */
  headroom(packet: number): number {
    return this.start[packet]! - packet * this.slotBytes;
  }

  /** Free octets behind the packet. */
  tailroom(packet: number): number {
    return (packet + 1) * this.slotBytes - this.end[packet]!;
  }

  /** A copy of the packet's octets; for tests, traces and control code. */
  octets(packet: number): Uint8Array {
    return this.bytes.slice(this.start[packet], this.end[packet]);
  }
}
