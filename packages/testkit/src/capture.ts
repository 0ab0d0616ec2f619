import { createHash } from 'node:crypto';
import type { Direction, SimulatedLink } from './simulated-link.ts';

export interface CapturedPacket {
  readonly octets: Uint8Array;
  readonly direction: Direction;
  readonly timeMs: number;
}

/** Taps a link; the list grows as packets go over it. */
export function capture(link: SimulatedLink): readonly CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  link.tap((octets, direction, timeMs) => void packets.push({ octets, direction, timeMs }));
  return packets;
}

/** SHA-256 over octets, directions and times: equal for equal runs. */
export function captureDigest(packets: readonly CapturedPacket[]): string {
  const hash = createHash('sha256');
  for (const { octets, direction, timeMs } of packets) {
    hash.update(`${direction} ${timeMs} ${octets.length}\n`).update(octets);
  }
  return hash.digest('hex');
}
