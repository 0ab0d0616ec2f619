import { limits, type Batch, type Heading, type PacketDevice, type PacketPool } from '@ngisec/core';
import { checksum, ip, ipv4, ipv6, tcp, udp, write16 } from '@ngisec/wire';
import { mergeHeaders, payloadAt, runLength } from './coalesce.ts';
import { IoVector } from './io-vector.ts';
import { EAGAIN, EINTR, errorName, libc, type Libc } from './libc.ts';
import { LinkError } from './link-error.ts';
import { Segmenter } from './segment.ts';
import { openTunInterface, type TunInterface } from './tun-interface.ts';
import { GSO_NONE, GSO_TCPV4, GSO_TCPV6, VNET_HEADER_BYTES, VnetHeader } from './vnet-header.ts';

export interface TunOptions {
  /** `%d` is replaced by the first free number. */
  readonly name?: string;
  /** Exchange checksums to be completed and super-packets with the kernel: several times faster for TCP. */
  readonly offload: boolean;
  /** Packets the kernel queues for this process before it drops. */
  readonly txQueueLength?: number;
  readonly ttlIncrementInbound?: boolean;
  /**
   * False where inbound packets go on over another network, as a gateway's do: they leave whole, for TCP
   * segments with a
   * shim must not be merged, and a capture there is to see what is on the wire.
   */
  readonly inboundIsLocal?: boolean;
}

export interface TunCounters {
  /** Packets and super-packets read and written: one system call each. */
  reads: number;
  writes: number;
  /** Received, but larger than a slot of the pool takes. */
  oversized: number;
  /** Super-packets whose headers are not what their type says. */
  malformed: number;
}

/** The largest packet or super-packet the kernel hands over. */
const SUPER_PACKET_BYTES = 65535;
const TTL_MAX = 255;
const POLLIN = 1;

/**
 * A TUN interface as a packet device. Packets are read straight into the pool's slots and written from them; a
 * super-packet goes through one buffer of its own on the way in, and out as a list of pieces.
 *
 * Of a received packet only those with a pending checksum have `family`, `protocol`, `transport` and `payload`
 * set; of a packet to transmit these must be right where its checksum is pending.
 */
export class TunDevice implements PacketDevice {
  readonly name: string;
  readonly offload: boolean;
  readonly counters: TunCounters = { reads: 0, writes: 0, oversized: 0, malformed: 0 };
  /** Also undo the hop taken off inbound packets, where the kernel forwards those to this device too. */
  ttlIncrementInbound: boolean;
  readonly #inboundIsLocal: boolean;

  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #pool: PacketPool;
  /** Where the pool's arena lies. */
  readonly #arena: number;
  readonly #packetBytesMax: number;
  readonly #superPacket = new Uint8Array(SUPER_PACKET_BYTES);
  readonly #superPacketAddress: number;
  readonly #segmenter: Segmenter;
  readonly #vnet: VnetHeader;
  readonly #readVector: IoVector;
  readonly #writeVector: IoVector;
  /** `struct pollfd`: descriptor, wanted events, events. */
  readonly #pollEntry = new Int16Array(new ArrayBuffer(8));
  readonly #pollAddress: number;
  #isOpen = true;

  private constructor(system: Libc, tun: TunInterface, pool: PacketPool, options: TunOptions) {
    this.name = tun.name;
    this.offload = tun.offload;
    this.ttlIncrementInbound = options.ttlIncrementInbound ?? false;
    this.#inboundIsLocal = options.inboundIsLocal ?? true;
    this.#libc = system;
    this.#descriptor = tun.descriptor;
    this.#pool = pool;
    this.#packetBytesMax = pool.packetBytesMax;
    this.#arena = system.address(pool.bytes);
    this.#superPacketAddress = system.address(this.#superPacket);
    this.#segmenter = new Segmenter(this.#superPacket, (from, to, length) => {
      system.memcpy(this.#arena + to, this.#superPacketAddress + from, length);
    });
    this.#vnet = new VnetHeader(system);
    this.#readVector = new IoVector(system, 3);
    this.#readVector.set(0, this.#vnet.address, VNET_HEADER_BYTES);
    // What exceeds a slot lands in the super-packet's buffer, right behind the place of what the slot took.
    this.#readVector.set(
      2,
      this.#superPacketAddress + this.#packetBytesMax,
      SUPER_PACKET_BYTES - this.#packetBytesMax,
    );
    this.#writeVector = new IoVector(system, 1 + limits.batchPackets);
    this.#writeVector.set(0, this.#vnet.address, VNET_HEADER_BYTES);
    new Int32Array(this.#pollEntry.buffer)[0] = tun.descriptor;
    this.#pollEntry[2] = POLLIN;
    this.#pollAddress = system.address(this.#pollEntry);
  }

  /** Creates the interface, still down and without addresses. Throws LinkError. */
  static open(options: TunOptions, pool: PacketPool): TunDevice {
    const system = libc();
    const { name = 'ngisec%d', offload, txQueueLength = 2000 } = options;
    return new TunDevice(system, openTunInterface(system, name, offload, txQueueLength), pool, options);
  }

  /** Blocks this thread until a packet can be received; false where none came within `timeoutMs`. */
  wait(timeoutMs: number): boolean {
    if (this.#segmenter.isPending) return true;
    return this.#libc.poll(this.#pollAddress, 1, timeoutMs) > 0;
  }

  /** Throws LinkError where the interface is gone. */
  receive(batch: Batch): number {
    const before = batch.length;
    const pool = this.#pool;
    const reserve = pool.capacity >>> 1;
    for (let turns = 0; turns < limits.batchPackets; turns += 1) {
      if (batch.isFull || pool.available <= reserve) break;
      const packet = pool.allocate();
      if (this.#segmenter.isPending) {
        this.#segmenter.next(pool, packet);
        batch.push(packet);
        continue;
      }
      const length = this.#read(packet);
      if (length < 0) break;
      if (this.#accept(packet, length)) batch.push(packet);
      else pool.release(packet);
    }
    return batch.length - before;
  }

  /** Also raises the TTL or hop limit by one where the kernel takes a hop off that is not on the packet's way. */
  transmit(batch: Batch, heading: Heading): number {
    const isInbound = heading === 'inbound';
    if (!isInbound || this.ttlIncrementInbound) this.#raiseTimeToLive(batch);
    const mayOffload = isInbound && this.#inboundIsLocal && this.offload;
    let refused = 0;
    for (let index = 0; index < batch.length;) {
      const count = mayOffload ? runLength(batch, index) : 1;
      if (count > 1) this.#describeRun(batch, index, count);
      else this.#describePacket(batch.packets[index]!, mayOffload);
      if (!this.#write(batch, index, count)) refused += count;
      index += count;
    }
    for (let index = 0; index < batch.length; index += 1) this.#pool.release(batch.packets[index]!);
    return refused;
  }

  /** The interface disappears, unless it was made persistent elsewhere. */
  close(): void {
    if (this.#isOpen) this.#libc.close(this.#descriptor);
    this.#isOpen = false;
  }

  /**
   * Reads into the packet's slot; the octets that came, without vnet header, or -1, the packet released, where
   * nothing waits.
   */
  #read(packet: number): number {
    const skipped = this.offload ? 0 : 1;
    const vector = this.#readVector;
    vector.set(1, this.#arena + this.#pool.start[packet]!, this.#packetBytesMax);
    const count = this.#libc.readv(this.#descriptor, vector.address + 16 * skipped, 3 - skipped);
    if (count >= 0) {
      this.counters.reads += 1;
      return this.offload ? count - VNET_HEADER_BYTES : count;
    }
    const errno = this.#libc.errno();
    this.#pool.release(packet);
    if (errno === EAGAIN || errno === EINTR) return -1;
    throw new LinkError(
      `the interface ${this.name} cannot be read: ${errorName(errno)}`,
      'Something removed it while it was in use: start again.',
    );
  }

  /** Completes the fields of a packet just read; false where the slot is not needed. */
  #accept(packet: number, length: number): boolean {
    if (this.offload && this.#vnet.gsoType !== GSO_NONE) {
      this.#beginSuperPacket(packet, length);
      return false;
    }
    if (length > this.#packetBytesMax) {
      this.counters.oversized += 1;
      return false;
    }
    this.#pool.end[packet] = this.#pool.start[packet]! + length;
    if (this.offload && this.#vnet.needsChecksum) this.#markPending(packet);
    return true;
  }

  #beginSuperPacket(packet: number, length: number): void {
    const inSlot = Math.min(length, this.#packetBytesMax);
    this.#libc.memcpy(this.#superPacketAddress, this.#arena + this.#pool.start[packet]!, inSlot);
    const { gsoType, gsoSize } = this.#vnet;
    if (!this.#segmenter.begin(length, gsoType, gsoSize, this.#packetBytesMax)) this.counters.malformed += 1;
  }

  #markPending(packet: number): void {
    const pool = this.#pool;
    const start = pool.start[packet]!;
    const family = pool.bytes[start]! >>> 4;
    const transport = start + this.#vnet.checksumStart;
    const protocol = protocolOf(this.#vnet.checksumOffset, family);
    const headerBytes = ip.transportHeaderBytes(pool.bytes, transport, pool.end[packet]!, protocol);
    // Such a packet reaches the stages with a checksum that does not hold, and is dropped and counted there.
    if (headerBytes === 0) return;
    pool.family[packet] = family;
    pool.protocol[packet] = protocol;
    pool.transport[packet] = transport;
    pool.payload[packet] = transport + headerBytes;
    pool.checksumPending[packet] = 1;
  }

  #raiseTimeToLive(batch: Batch): void {
    const { start, bytes } = this.#pool;
    for (let index = 0; index < batch.length; index += 1) {
      const at = start[batch.packets[index]!]!;
      if (bytes[at]! >>> 4 === 6) {
        const hops = ipv6.hopLimit(bytes, at);
        if (hops < TTL_MAX) ipv6.setHopLimit(bytes, at, hops + 1);
      } else {
        const hops = ipv4.timeToLive(bytes, at);
        if (hops < TTL_MAX) ipv4.setTimeToLiveWithChecksum(bytes, at, hops + 1);
      }
    }
  }

  /** Vnet header of a single packet; a pending checksum is completed here or left to the kernel. */
  #describePacket(packet: number, mayOffload: boolean): void {
    const pool = this.#pool;
    this.#vnet.clear();
    if (pool.checksumPending[packet] === 0) return;
    const { bytes } = pool;
    const start = pool.start[packet]!;
    const transport = pool.transport[packet]!;
    const end = pool.end[packet]!;
    const family = pool.family[packet]!;
    const protocol = pool.protocol[packet]!;
    const offset = ip.checksumOffset(protocol);
    if (!mayOffload || offset < 0) {
      ip.completeTransportChecksum(bytes, start, transport, end, family, protocol);
      return;
    }
    this.#leaveToKernel(
      start,
      transport,
      offset,
      ip.pseudoHeaderSum(bytes, start, family, protocol, end - transport),
    );
  }

  #describeRun(batch: Batch, index: number, count: number): void {
    const pool = this.#pool;
    const { bytes } = pool;
    const packet = batch.packets[index]!;
    const start = pool.start[packet]!;
    const transport = pool.transport[packet]!;
    const family = pool.family[packet]!;
    const total = mergeHeaders(batch, index, count) - (transport - start);
    const headersEnd = payloadAt(pool, packet);
    this.#leaveToKernel(
      start,
      transport,
      tcp.CHECKSUM,
      ip.pseudoHeaderSum(bytes, start, family, ip.TCP, total),
    );
    this.#vnet.setSegmentation(
      family === 4 ? GSO_TCPV4 : GSO_TCPV6,
      headersEnd - start,
      pool.end[packet]! - headersEnd,
    );
  }

  /** The field takes the pseudo-header's sum, to which the kernel adds the rest. */
  #leaveToKernel(start: number, transport: number, offset: number, pseudoHeaderSum: number): void {
    write16(this.#pool.bytes, transport + offset, checksum.fold(pseudoHeaderSum));
    this.#vnet.setChecksum(transport - start, offset);
  }

  /** Writes the run as one: the first packet whole, of the others the payload. False where the kernel refused. */
  #write(batch: Batch, index: number, count: number): boolean {
    const pool = this.#pool;
    const vector = this.#writeVector;
    for (let entry = 0; entry < count; entry += 1) {
      const packet = batch.packets[index + entry]!;
      const from = entry === 0 ? pool.start[packet]! : payloadAt(pool, packet);
      vector.set(1 + entry, this.#arena + from, pool.end[packet]! - from);
    }
    const skipped = this.offload ? 0 : 1;
    this.counters.writes += 1;
    return this.#libc.writev(this.#descriptor, vector.address + 16 * skipped, 1 + count - skipped) >= 0;
  }
}

/** The protocol whose checksum field lies `offset` octets into its header. */
function protocolOf(offset: number, family: number): number {
  if (offset === tcp.CHECKSUM) return ip.TCP;
  if (offset === udp.CHECKSUM) return ip.UDP;
  return family === 4 ? ip.ICMP : ip.ICMPV6;
}
