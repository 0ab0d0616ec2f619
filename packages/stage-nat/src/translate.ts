import { destinationPortOf, sourcePortOf, type FlowKey, type PacketPool } from '@ngisec/core';
import { checksum, icmp, ip, ipv4, write16, write32 } from '@ngisec/wire';
import type { BindingTable } from './binding-table.ts';

/**
 * Writes a binding's addresses and ports over the packet's readable headers, outer ones where it leaves,
 * inner ones where
 * it arrives, and brings both checksums along incrementally (RFC 3022 section 4.2, RFC 1624). `key` is scratch.
 */
export function translate(
  pool: PacketPool,
  packet: number,
  table: BindingTable,
  binding: number,
  leaving: boolean,
  key: FlowKey,
): void {
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const protocol = pool.protocol[packet]!;
  if (leaving) table.readOuter(binding, key);
  else table.readInner(binding, key);
  if (pool.family[packet] === 4) {
    write32(bytes, start + ipv4.SOURCE, key[3]!);
    write32(bytes, start + ipv4.DESTINATION, key[7]!);
    const adjusted = checksum.adjust(ipv4.checksum(bytes, start), table.ipAdjustment(binding, leaving));
    ipv4.setChecksum(bytes, start, adjusted);
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
    ip.adjustTransportChecksum(bytes, transport, protocol, table.transportAdjustment(binding, leaving));
  }
}
