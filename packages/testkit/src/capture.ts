import { createHash } from 'node:crypto';
import { linkTypes, pcapWriter } from '@ngisec/wire';
import type { Direction, SimulatedLink } from './simulated-link.ts';

export interface TappedPacket {
  readonly octets: Uint8Array;
  readonly direction: Direction;
  readonly timeMs: number;
}

/** Taps a link; the list grows as packets go over it. */
export function capture(link: SimulatedLink): readonly TappedPacket[] {
  const packets: TappedPacket[] = [];
  link.tap((octets, direction, timeMs) => void packets.push({ octets, direction, timeMs }));
  return packets;
}

/** SHA-256 over octets, directions and times: equal for equal runs. */
export function captureDigest(packets: readonly TappedPacket[]): string {
  const hash = createHash('sha256');
  for (const { octets, direction, timeMs } of packets) {
    hash.update(`${direction} ${timeMs} ${octets.length}\n`).update(octets);
  }
  return hash.digest('hex');
}

/** A capture file of raw IP packets, virtual time 0 being 1970. */
export function toPcap(packets: readonly TappedPacket[]): Uint8Array {
  const writer = pcapWriter(linkTypes.raw);
  const records = packets.map(({ octets, timeMs }) =>
    writer.packet(octets, BigInt(Math.round(timeMs * 1e6))),
  );
  return Buffer.concat([writer.header(), ...records]);
}
