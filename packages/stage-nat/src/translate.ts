import {
  destinationPortOf,
  reverseFlowKey,
  sourcePortOf,
  writeFlowKey,
  type FlowKey,
  type PacketPool,
} from '@ngisec/core';
import { checksum, icmp, ip, ipv4, write16, write32 } from '@ngisec/wire';
import { ipAdjustment, transportAdjustment, type BindingTable } from './binding-table.ts';

/** Writes a binding's outer addresses and ports over the headers of a packet that leaves. `key` is scratch. */
export function translateLeaving(
  pool: PacketPool,
  packet: number,
  table: BindingTable,
  binding: number,
  key: FlowKey,
): void {
  table.readOuter(binding, key);
  translate(pool, packet, key, table.ipAdjustment(binding, true), table.transportAdjustment(binding, true));
}

/**
 * Writes a binding's inner addresses and ports over the headers of a packet that arrived as `outer`, which may be a
 * tuple of before (`BindingTable.foundReplaced`). `key` is scratch.
 */
export function translateArriving(
  pool: PacketPool,
  packet: number,
  table: BindingTable,
  binding: number,
  outer: FlowKey,
  key: FlowKey,
): void {
  table.readInner(binding, key);
  if (table.foundReplaced) {
    translate(pool, packet, key, ipAdjustment(outer, key), transportAdjustment(outer, key));
  } else {
    translate(
      pool,
      packet,
      key,
      table.ipAdjustment(binding, false),
      table.transportAdjustment(binding, false),
    );
  }
}

/**
 * Writes addresses and ports over the packet's readable headers and brings both checksums along incrementally
 * (RFC 3022 section 4.2, RFC 1624).
 */
function translate(
  pool: PacketPool,
  packet: number,
  key: FlowKey,
  ipAdjusted: number,
  transportAdjusted: number,
): void {
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const protocol = pool.protocol[packet]!;
  if (pool.family[packet] === 4) {
    write32(bytes, start + ipv4.SOURCE, key[3]!);
    write32(bytes, start + ipv4.DESTINATION, key[7]!);
    ipv4.setChecksum(bytes, start, checksum.adjust(ipv4.checksum(bytes, start), ipAdjusted));
  } else {
    const source = start + ip.sourceOffset(6);
    for (let word = 0; word < 8; word += 1) write32(bytes, source + 4 * word, key[word]!);
  }
  if (protocol === ip.ICMP || protocol === ip.ICMPV6) {
    write16(bytes, transport + icmp.IDENTIFIER, sourcePortOf(key));
  } else {
    write16(bytes, transport, sourcePortOf(key));
    write16(bytes, transport + 2, destinationPortOf(key));
  }
  if (pool.checksumPending[packet] === 0) {
    ip.adjustTransportChecksum(bytes, transport, protocol, transportAdjusted);
  }
}

/** Writes another tuple over the headers of any packet. `scratch` may not be `to`. */
export function retranslate(pool: PacketPool, packet: number, scratch: FlowKey, to: FlowKey): void {
  readKey(pool, packet, scratch);
  translate(pool, packet, to, ipAdjustment(scratch, to), transportAdjustment(scratch, to));
}

/** The packet's tuple as it stands. */
export function readKey(pool: PacketPool, packet: number, key: FlowKey): void {
  const [start, transport] = [pool.start[packet]!, pool.transport[packet]!];
  writeFlowKey(key, pool.bytes, start, transport, pool.family[packet]!, pool.protocol[packet]!);
}

/** The tuple of a packet that arrived, turned to how this node sends. `scratch` may not be `key`. */
export function readKeyAsSent(pool: PacketPool, packet: number, scratch: FlowKey, key: FlowKey): void {
  readKey(pool, packet, scratch);
  reverseFlowKey(scratch, key);
}
