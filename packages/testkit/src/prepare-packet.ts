import type { PacketPool } from '@ngisec/core';
import { ip, udp } from '@ngisec/wire';
import { parseIp } from './ip-packet.ts';

/** ESP's next header for transport data: what stands behind a transport header that nothing was done to. */
const TRANSPORT_DATA = 254;

/**
 * Sets a raw packet's fields and cuts off a link's padding, as an `ip-check` stage does; false where it would have
 * dropped the packet. For stages whose inputs accept checked packets.
 */
export function preparePacket(pool: PacketPool, packet: number): boolean {
  const octets = pool.octets(packet);
  const parsed = parseIp(octets);
  if (typeof parsed === 'string') return false;
  const { transport, end } = parsed;
  if (parsed.protocol === ip.UDP && udp.length(octets, transport) !== end - transport) return false;
  const start = pool.start[packet]!;
  pool.family[packet] = parsed.family;
  pool.protocol[packet] = parsed.protocol;
  pool.transport[packet] = start + transport;
  pool.payload[packet] = start + parsed.payload;
  pool.end[packet] = start + end;
  pool.nextHeader[packet] = TRANSPORT_DATA;
  return true;
}
