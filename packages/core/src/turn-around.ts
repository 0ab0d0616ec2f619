import { icmp, ip, ipv4, ipv6, read16, read32, tcp, write16, write32 } from '@ngisec/wire';
import type { PacketPool } from './packet-pool.ts';

const HOPS = 64;

/**
 * Turns a packet's headers into those of an answer over the same flow: addresses and ports change places, an
 * echo request
 * becomes a reply, a TCP segment an ACK that the other direction could carry. The payload is the caller's to replace.
 */
export function turnAround(pool: PacketPool, packet: number): void {
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const family = pool.family[packet]!;
  const protocol = pool.protocol[packet]!;
  const width = ip.addressBytes(family);
  const source = start + ip.sourceOffset(family);
  for (let index = 0; index < width; index += 1) {
    const octet = bytes[source + index]!;
    bytes[source + index] = bytes[source + width + index]!;
    bytes[source + width + index] = octet;
  }
  if (family === 4) ipv4.setTimeToLiveWithChecksum(bytes, start, HOPS);
  else ipv6.setHopLimit(bytes, start, HOPS);
  if (protocol === ip.ICMP || protocol === ip.ICMPV6) {
    bytes[transport] = oppositeEcho(bytes[transport]!);
    return;
  }
  const port = read16(bytes, transport);
  write16(bytes, transport, read16(bytes, transport + 2));
  write16(bytes, transport + 2, port);
  if (protocol !== ip.TCP) return;
  const sequence = read32(bytes, transport + 4);
  write32(bytes, transport + 4, read32(bytes, transport + 8));
  write32(bytes, transport + 8, sequence);
  bytes[transport + 13] = tcp.ACK;
}

function oppositeEcho(type: number): number {
  switch (type) {
    case icmp.V4_ECHO_REQUEST:
      return icmp.V4_ECHO_REPLY;
    case icmp.V4_ECHO_REPLY:
      return icmp.V4_ECHO_REQUEST;
    case icmp.V6_ECHO_REQUEST:
      return icmp.V6_ECHO_REPLY;
    default:
      return icmp.V6_ECHO_REQUEST;
  }
}
