import { ip, udp } from '@ngisec/wire';
import type { PacketPool } from './packet-pool.ts';

/**
 * Brings IP length, IPv4 header checksum and UDP length to the packet's present size, and leaves its transport
 * checksum to the device.
 */
export function updateLengths(pool: PacketPool, packet: number): void {
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const end = pool.end[packet]!;
  ip.setLength(bytes, start, pool.family[packet]!, end - start);
  if (pool.protocol[packet] === ip.UDP) udp.setLength(bytes, transport, end - transport);
  pool.checksumPending[packet] = 1;
}
