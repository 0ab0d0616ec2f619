import { PacketPool, type Batch, type PacketDevice, type Random } from '@ngisec/core';
import { shim, nextHeaders } from '@ngisec/ipsec';
import { packetMutator, preparePacket, type PacketMutator } from '@ngisec/testkit';
import { ip, ipv4, ipv6 } from '@ngisec/wire';
import type { ClearSeed } from './fuzz-seeds.ts';

const NEXT_HEADERS = [...Object.values(nextHeaders), 0, 6, 17, 253];

/**
 * Delivers mutants without end and takes what the graph sends. A third are mutants of packets off the wire or of a
 * stack; two thirds are mutated plaintexts, sealed afresh by the key of a peer: what a broken or hostile peer may send.
 */
export class FuzzDevice implements PacketDevice {
  readonly name = 'fuzz';
  delivered = 0;
  readonly sent = { outbound: 0, inbound: 0 };
  /** Sent with an IP length that is not the packet's, or without a version. */
  malformed = 0;

  readonly #random: Random;
  readonly #mutateRaw: PacketMutator;
  readonly #mutators: readonly PacketMutator[];
  readonly #clear: readonly ClearSeed[];
  readonly #scratch: Uint8Array;
  readonly #workshop = new PacketPool({ packets: 1 });

  constructor(random: Random, raw: readonly Uint8Array[], clear: readonly ClearSeed[]) {
    this.#random = random;
    this.#scratch = new Uint8Array(this.#workshop.packetBytesMax);
    this.#mutateRaw = packetMutator(random, raw);
    this.#mutators = clear.map(({ octets }) => packetMutator(random, [octets]));
    this.#clear = clear;
  }

  receive(batch: Batch): number {
    while (!batch.isFull) {
      const length = this.#random.integer(3) === 0 ? this.#mutateRaw(this.#scratch) : this.#sealed();
      batch.push(batch.pool.allocateCopy(this.#scratch, 0, length));
    }
    this.delivered += batch.length;
    return batch.length;
  }

  transmit(batch: Batch, heading: 'outbound' | 'inbound'): number {
    const { pool, packets, length } = batch;
    for (let index = 0; index < length; index += 1) {
      const packet = packets[index]!;
      const start = pool.start[packet]!;
      const said =
        pool.bytes[start]! >>> 4 === 4
          ? ipv4.totalLength(pool.bytes, start)
          : ipv6.HEADER_BYTES + ipv6.payloadLength(pool.bytes, start);
      if (said !== pool.end[packet]! - start || pool.bytes[start]! >>> 4 !== pool.family[packet])
        this.malformed += 1;
      pool.release(packet);
    }
    this.sent[heading] += length;
    return 0;
  }

  /** Writes a mutated plaintext under its sender's key; its length. */
  #sealed(): number {
    const which = this.#random.integer(this.#clear.length);
    const { nextHeader, sa } = this.#clear[which]!;
    const length = this.#mutators[which]!(this.#scratch);
    const pool = this.#workshop;
    const packet = pool.allocateCopy(this.#scratch, 0, length);
    pool.release(packet);
    if (!preparePacket(pool, packet) || ip.checksumOffset(pool.protocol[packet]!) < 0) return length;
    pool.nextHeader[packet] =
      this.#random.integer(4) === 0 ? NEXT_HEADERS[this.#random.integer(NEXT_HEADERS.length)]! : nextHeader;
    if (shim.seal(pool, packet, sa) !== shim.SEAL_OK) return length;
    const [start, transport, end] = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!];
    if (end - start > this.#scratch.length) return length;
    ip.completeTransportChecksum(
      pool.bytes,
      start,
      transport,
      end,
      pool.family[packet]!,
      pool.protocol[packet]!,
    );
    this.#scratch.set(pool.bytes.subarray(start, end));
    return end - start;
  }
}
