import { updateLengths, type PacketPool } from '@ngisec/core';
import { controlMessage, nextHeaders, type OutboundSa } from '@ngisec/ipsec';
import { icmp, ip, ipv4, ipv6, read16, write16 } from '@ngisec/wire';

const HOPS = 64;

/**
 * A new packet with the headers of `packet` and, in place of its payload, a control message that declares how the
 * flow's data is protected; -1 where the pool is empty or the headers fill a slot by themselves. The user's
 * payload never reaches a gateway (#33 `split`).
 *
 *     | IP | T | declaration: data SPI, suite, mode |
 */
export function writeAnnouncement(pool: PacketPool, packet: number, dataSa: OutboundSa): number {
  const { bytes } = pool;
  const from = pool.start[packet]!;
  const headers = pool.payload[packet]! - from;
  if (headers + controlMessage.DECLARATION_BYTES > pool.packetBytesMax) return -1;
  const message = pool.allocate();
  if (message < 0) return -1;
  const start = pool.start[message]!;
  bytes.copyWithin(start, from, from + headers);
  pool.transport[message] = start + (pool.transport[packet]! - from);
  pool.payload[message] = start + headers;
  pool.family[message] = pool.family[packet]!;
  pool.protocol[message] = pool.protocol[packet]!;
  pool.rule[message] = pool.rule[packet]!;
  pool.nextHeader[message] = nextHeaders.controlMessage;
  const suite = controlMessage.declaredSuites[dataSa.suite];
  const mode = controlMessage.declaredModes.vpn;
  pool.end[message] = controlMessage.writeDeclaration(bytes, start + headers, dataSa.spi, suite, mode);
  updateLengths(pool, message);
  return message;
}

/** Turns a received announcement, in place, into the confirmation that goes back over the same flow. */
export function turnIntoConfirmation(pool: PacketPool, packet: number): void {
  const { bytes } = pool;
  const start = pool.start[packet]!;
  const transport = pool.transport[packet]!;
  const family = pool.family[packet]!;
  const width = ip.addressBytes(family);
  const source = start + ip.sourceOffset(family);
  for (let index = 0; index < width; index += 1) {
    const octet = bytes[source + index]!;
    bytes[source + index] = bytes[source + width + index]!;
    bytes[source + width + index] = octet;
  }
  if (family === 4) ipv4.setTimeToLiveWithChecksum(bytes, start, HOPS);
  else ipv6.setHopLimit(bytes, start, HOPS);
  const protocol = pool.protocol[packet]!;
  if (protocol === ip.ICMP || protocol === ip.ICMPV6) bytes[transport] = oppositeEcho(bytes[transport]!);
  else {
    const port = read16(bytes, transport);
    write16(bytes, transport, read16(bytes, transport + 2));
    write16(bytes, transport + 2, port);
  }
  const payload = pool.payload[packet]!;
  pool.end[packet] = controlMessage.writeItemHeader(bytes, payload, controlMessage.items.confirmation, 0);
  updateLengths(pool, packet);
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
