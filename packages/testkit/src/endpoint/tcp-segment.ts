import { read16, read32, tcp, write16, write32 } from '@ngisec/wire';
import type { IpPacket } from '../ip-packet.ts';

export interface TcpOptions {
  readonly mss?: number;
  /** RFC 7323 section 2. */
  readonly windowScale?: number;
  /** RFC 7323 section 3; both are 32-bit numbers. */
  readonly timestamp?: { readonly value: number; readonly echo: number };
}

export interface TcpSegment {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** Unscaled. */
  readonly window: number;
  readonly options: TcpOptions;
  readonly payload: Uint8Array;
}

const [END, NO_OPERATION, MSS, WINDOW_SCALE, TIMESTAMP] = [0, 1, 2, 3, 8];

/** Octets of a timestamp option, padded. */
export const TIMESTAMP_BYTES = 12;

/** `left - right` in the circle of sequence numbers (RFC 9293 section 3.4). */
export const sequenceDistance = (left: number, right: number): number => (left - right) | 0;

export const sequenceAdd = (sequence: number, amount: number): number => (sequence + amount) >>> 0;

export function parseSegment(octets: Uint8Array, { transport, payload, end }: IpPacket): TcpSegment {
  return {
    sport: tcp.sourcePort(octets, transport),
    dport: tcp.destinationPort(octets, transport),
    seq: tcp.sequence(octets, transport),
    ack: tcp.acknowledgment(octets, transport),
    flags: tcp.flags(octets, transport),
    window: tcp.window(octets, transport),
    options: parseOptions(octets, transport + tcp.HEADER_BYTES_MIN, payload),
    payload: octets.slice(payload, end),
  };
}

/** Reads the options `[at, end)`; unknown ones are skipped and a bad length ends the list. */
export function parseOptions(octets: Uint8Array, at: number, end: number): TcpOptions {
  const options: { -readonly [Name in keyof TcpOptions]: TcpOptions[Name] } = {};
  while (at < end && octets[at] !== END) {
    if (octets[at] === NO_OPERATION) {
      at += 1;
      continue;
    }
    const length = at + 1 < end ? octets[at + 1]! : 0;
    if (length < 2 || at + length > end) break;
    const kind = octets[at]!;
    if (kind === MSS && length === 4) options.mss = read16(octets, at + 2);
    if (kind === WINDOW_SCALE && length === 3) options.windowScale = Math.min(14, octets[at + 2]!);
    if (kind === TIMESTAMP && length === 10) {
      options.timestamp = { value: read32(octets, at + 2), echo: read32(octets, at + 6) };
    }
    at += length;
  }
  return options;
}

export function encodeOptions({ mss, windowScale, timestamp }: TcpOptions): Uint8Array {
  const octets = new Uint8Array(40);
  let at = 0;
  if (mss !== undefined) {
    octets.set([MSS, 4], at);
    write16(octets, at + 2, mss);
    at += 4;
  }
  if (windowScale !== undefined) {
    octets.set([NO_OPERATION, WINDOW_SCALE, 3, windowScale], at);
    at += 4;
  }
  if (timestamp !== undefined) {
    octets.set([NO_OPERATION, NO_OPERATION, TIMESTAMP, 10], at);
    write32(octets, at + 4, timestamp.value);
    write32(octets, at + 8, timestamp.echo);
    at += TIMESTAMP_BYTES;
  }
  return octets.slice(0, at);
}
