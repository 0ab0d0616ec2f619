/** Addresses and prefixes in text, for configuration and reports; the data path never calls these. */
import { read16 } from './bytes.ts';

/** The 4 or 16 octets of an address; undefined where the text is none. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  // The last 32 bits may stand as an IPv4 address (RFC 4291 section 2.2, form 3).
  const dotted = /^(.*:)([\d.]+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const tail = parseIpv4(dotted[2]!);
    if (tail === undefined) return undefined;
    return parseIpv6(`${dotted[1]!}${read16(tail, 0).toString(16)}:${read16(tail, 2).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = groups.flat();
  if (!given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - given.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const all = [...groups[0]!, ...Array<string>(missing).fill('0'), ...(groups[1] ?? [])];
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >>> 8, parseInt(group, 16) & 0xff]));
}

/** RFC 5952 text of 4 or 16 octets. */
export function formatAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from(
    { length: 8 },
    (_, index) => (address[2 * index]! << 8) | address[2 * index + 1]!,
  );
  let longestAt = -1;
  let longest = 1;
  for (let at = 0; at < 8; at += 1) {
    let run = 0;
    while (at + run < 8 && groups[at + run] === 0) run += 1;
    if (run > longest) [longestAt, longest] = [at, run];
  }
  const hex = groups.map((group) => group.toString(16));
  if (longestAt < 0) return hex.join(':');
  return `${hex.slice(0, longestAt).join(':')}::${hex.slice(longestAt + longest).join(':')}`;
}

export interface Prefix {
  readonly address: Uint8Array;
  /** Leading bits that count: 0 to 32 or 128. */
  readonly bits: number;
}

/** `10.2.0.0/24`, `fd02::/64`, or an address alone, which means all its bits; undefined where it is neither. */
export function parsePrefix(text: string): Prefix | undefined {
  const [head, tail, ...rest] = text.split('/');
  const address = parseAddress(head!);
  if (address === undefined || rest.length > 0) return undefined;
  const width = address.length * 8;
  if (tail === undefined) return { address, bits: width };
  if (!/^\d{1,3}$/.test(tail) || Number(tail) > width) return undefined;
  return { address, bits: Number(tail) };
}

export const formatPrefix = (prefix: Prefix): string => `${formatAddress(prefix.address)}/${prefix.bits}`;

/** True where the address at `bytes[at]`, of the prefix's family, lies in it. */
export function prefixContains(prefix: Prefix, bytes: Uint8Array, at: number): boolean {
  const whole = prefix.bits >>> 3;
  for (let index = 0; index < whole; index += 1)
    if (bytes[at + index] !== prefix.address[index]) return false;
  const rest = prefix.bits & 7;
  if (rest === 0) return true;
  return ((bytes[at + whole]! ^ prefix.address[whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
}

/** True where the address of `family` at `bytes[at]` lies in one of the prefixes. */
export function anyPrefixContains(
  prefixes: readonly Prefix[],
  bytes: Uint8Array,
  at: number,
  family: number,
): boolean {
  const width = family === 4 ? 4 : 16;
  for (let index = 0; index < prefixes.length; index += 1) {
    const prefix = prefixes[index]!;
    if (prefix.address.length === width && prefixContains(prefix, bytes, at)) return true;
  }
  return false;
}
