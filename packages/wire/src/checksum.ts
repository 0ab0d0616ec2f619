/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * A "sum" is an unfolded ones' complement sum in network order; a "checksum" is what stands in a header:
 * the complement of the folded sum.
 */

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

// The 32-bit view of the arena last summed: packets of one process live in one arena, so this hits always.
let viewedBytes: Uint8Array = new Uint8Array(0);
let viewedWords: Uint32Array = new Uint32Array(0);

/** From this many octets on, summing by 32-bit words pays for finding the view. */
const LONG_RUN_BYTES = 32;

function wordsOf(bytes: Uint8Array): Uint32Array {
  if (bytes !== viewedBytes) {
    viewedBytes = bytes;
    viewedWords = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  }
  return viewedWords;
}

/**
 * Adds the octets `[at, end)`, taken as 16-bit words from `at` on, to `initial`; an odd last octet is padded
 * with 0.
 */
export function sum(bytes: Uint8Array, at: number, end: number, initial = 0): number {
  let total = initial;
  if ((at & 3) === 0 && end - at >= LONG_RUN_BYTES && bytes.byteOffset % 4 === 0) {
    const words = wordsOf(bytes);
    // RFC 1071 section 2 (B): the sum may be taken in any byte order and swapped once at the end.
    let high = 0;
    let low = 0;
    const last = end >>> 2;
    for (let index = at >>> 2; index < last; index += 1) {
      const word = words[index]!;
      high += word >>> 16;
      low += word & 0xffff;
    }
    const folded = fold(high + low);
    total += LITTLE_ENDIAN ? ((folded & 0xff) << 8) | (folded >>> 8) : folded;
    at = last << 2;
  }
  for (; at + 1 < end; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at < end) total += bytes[at]! << 8;
  return total;
}

/** Folds a sum below 2^32, which a packet of 65,535 octets cannot exceed, to 16 bits. */
export function fold(total: number): number {
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** The checksum that belongs in a header whose covered octets add up to `total`. */
export function finish(total: number): number {
  return ~fold(total) & 0xffff;
}

/** RFC 1624 equation 3: the checksum after one 16-bit word of the covered octets went from `before` to `after`. */
export function update(checksum: number, before: number, after: number): number {
  return finish((~checksum & 0xffff) + (~before & 0xffff) + after);
}

/**
 * What replacing covered words that add up to `before` by words that add up to `after` does to a checksum; computed
 * once per NAT binding, applied to each packet by `adjust` (RFC 1624 equation 3 over several words at once).
 */
export function adjustment(before: number, after: number): number {
  return fold((~fold(before) & 0xffff) + fold(after));
}

/** The adjustment of the opposite replacement. */
export const reverseAdjustment = (value: number): number => ~value & 0xffff;

export function adjust(checksum: number, value: number): number {
  return finish((~checksum & 0xffff) + value);
}
