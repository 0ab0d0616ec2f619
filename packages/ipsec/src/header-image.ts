import type { PacketPool } from '@ngisec/core';
import { copy, ip, udp, write16 } from '@ngisec/wire';

/**
 * The header image: what the ICV covers of a packet's headers, as the sending end host's stack emitted them.
 *
 *     |  scope (1)  | protocol (1) |   T length (2)   |  addresses (8 or 32)   |  T header  |
 *
 * Addresses only under scope `full`, the T header under `full` and `ports`. The checksum is zeroed, for every NAT
 * rewrites it. A UDP length is zeroed too: the receiver cannot know the emitted one before it has decrypted the pad
 * length, and the ciphertext's length and pad length, both authenticated, fix it (ADR 0003).
 */
export const scopes = {
  /** LAN, VPN data, host to gateway control: addresses and transport header. */
  full: 1,
  /** Network-to-network data: the transport header without addresses. */
  ports: 2,
  /** Between gateways: the outer headers belong to the NATs on the way. */
  none: 3,
} as const;

export type Scope = keyof typeof scopes;

const FIXED_BYTES = 4;
export const IMAGE_BYTES_MAX = FIXED_BYTES + 32 + 60;

/** Writes the image of the headers at `at` and `transport` to `to[toAt...]`; returns its length in octets. */
export function writeHeaderImage(
  bytes: Uint8Array,
  at: number,
  transport: number,
  transportBytes: number,
  family: number,
  protocol: number,
  scope: number,
  to: Uint8Array,
  toAt: number,
): number {
  to[toAt] = scope;
  to[toAt + 1] = protocol;
  write16(to, toAt + 2, transportBytes);
  let cursor = toAt + FIXED_BYTES;
  if (scope === scopes.none) return FIXED_BYTES;
  if (scope === scopes.full) {
    const addresses = 2 * ip.addressBytes(family);
    copy(bytes, at + ip.sourceOffset(family), to, cursor, addresses);
    cursor += addresses;
  }
  copy(bytes, transport, to, cursor, transportBytes);
  write16(to, cursor + ip.checksumOffset(protocol), 0);
  if (protocol === ip.UDP) write16(to, cursor + udp.LENGTH, 0);
  return cursor + transportBytes - toAt;
}

/** As `writeHeaderImage`, of a packet of the pool. */
export function writeImageOf(
  pool: PacketPool,
  packet: number,
  scope: number,
  to: Uint8Array,
  toAt: number,
): number {
  const transport = pool.transport[packet]!;
  return writeHeaderImage(
    pool.bytes,
    pool.start[packet]!,
    transport,
    pool.payload[packet]! - transport,
    pool.family[packet]!,
    pool.protocol[packet]!,
    scope,
    to,
    toAt,
  );
}
