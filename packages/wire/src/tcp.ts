/**
 * TCP (RFC 9293).
 *
 *     |          Source Port          |       Destination Port        |
 *     |                        Sequence Number                        |
 *     |                    Acknowledgment Number                      |
 *     | Offset| Rsrvd |C|E|U|A|P|R|S|F|            Window             |
 *     |           Checksum            |         Urgent Pointer        |
 */
import { read16, read32 } from './bytes.ts';

export const HEADER_BYTES_MIN = 20;
export const SOURCE_PORT = 0;
export const DESTINATION_PORT = 2;
export const CHECKSUM = 16;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

export const sourcePort = (bytes: Uint8Array, at: number): number => read16(bytes, at);
export const destinationPort = (bytes: Uint8Array, at: number): number =>
  read16(bytes, at + DESTINATION_PORT);
export const sequence = (bytes: Uint8Array, at: number): number => read32(bytes, at + 4);
export const acknowledgment = (bytes: Uint8Array, at: number): number => read32(bytes, at + 8);
export const headerBytes = (bytes: Uint8Array, at: number): number => (bytes[at + 12]! >>> 4) << 2;
export const flags = (bytes: Uint8Array, at: number): number => bytes[at + 13]!;
export const window = (bytes: Uint8Array, at: number): number => read16(bytes, at + 14);
