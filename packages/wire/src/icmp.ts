/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443) echo.
 *
 *     |     Type      |     Code      |           Checksum            |
 *     |          Identifier           |        Sequence Number        |
 */
import { read16 } from './bytes.ts';

export const HEADER_BYTES = 8;
export const CHECKSUM = 2;
export const IDENTIFIER = 4;

export const V4_ECHO_REPLY = 0;
export const V4_ECHO_REQUEST = 8;
export const V6_ECHO_REQUEST = 128;
export const V6_ECHO_REPLY = 129;

export const type = (bytes: Uint8Array, at: number): number => bytes[at]!;
export const identifier = (bytes: Uint8Array, at: number): number => read16(bytes, at + IDENTIFIER);
export const sequence = (bytes: Uint8Array, at: number): number => read16(bytes, at + 6);

/** True for an echo request or reply of either version. */
export function isEcho(bytes: Uint8Array, at: number, family: number): boolean {
  const value = bytes[at]!;
  return family === 4
    ? value === V4_ECHO_REQUEST || value === V4_ECHO_REPLY
    : value === V6_ECHO_REQUEST || value === V6_ECHO_REPLY;
}
