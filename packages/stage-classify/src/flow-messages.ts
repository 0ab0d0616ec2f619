import { turnAround, updateLengths, type PacketPool } from '@ngisec/core';
import { controlMessage, nextHeaders, type Mode, type OutboundSa } from '@ngisec/ipsec';

/**
 * A new packet with the headers of `packet` and, in place of its payload, a control message that declares how the
 * flow's data is protected; -1 where the pool is empty or the headers fill a slot by themselves. The user's
 * payload never reaches a gateway (#33 `split`).
 *
 *     | IP | T | declaration: data SPI, suite, mode |
 */
export function writeAnnouncement(
  pool: PacketPool,
  packet: number,
  dataSa: OutboundSa,
  flowMode: Mode = 'vpn',
): number {
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
  const mode = flowMode === 'n2n' ? controlMessage.declaredModes.n2n : controlMessage.declaredModes.vpn;
  pool.end[message] = controlMessage.writeDeclaration(bytes, start + headers, dataSa.spi, suite, mode);
  updateLengths(pool, message);
  return message;
}

/** Turns a received announcement, in place, into the confirmation that goes back over the same flow. */
export function turnIntoConfirmation(pool: PacketPool, packet: number): void {
  turnAround(pool, packet);
  const payload = pool.payload[packet]!;
  pool.end[packet] = controlMessage.writeItemHeader(
    pool.bytes,
    payload,
    controlMessage.items.confirmation,
    0,
  );
  updateLengths(pool, packet);
}
