import { icmp, ip, ipv4, ipv6, read32 } from '@ngisec/wire';
import { limits } from './limits.ts';
import type { Random } from './random.ts';

/** 32-bit words of a flow key: source address 4, destination address 4, ports, family and protocol. */
export const FLOW_KEY_WORDS = 10;
const PORTS = 8;
const PROTOCOL = 9;

export type FlowKey = Uint32Array;

export const flowKey = (): FlowKey => new Uint32Array(FLOW_KEY_WORDS);

function writeAddress(key: FlowKey, word: number, bytes: Uint8Array, at: number, family: number): void {
  if (family === 4) {
    key[word] = 0;
    key[word + 1] = 0;
    key[word + 2] = 0;
    key[word + 3] = read32(bytes, at);
    return;
  }
  for (let index = 0; index < 4; index += 1) key[word + index] = read32(bytes, at + 4 * index);
}

/**
 * Writes the 5-tuple of the packet whose IP header is at `at`: addresses, ports, family and protocol. An ICMP
 * echo's identifier stands for both ports, whichever way it goes.
 */
export function writeFlowKey(
  key: FlowKey,
  bytes: Uint8Array,
  at: number,
  transport: number,
  family: number,
  protocol: number,
): void {
  writeAddress(key, 0, bytes, at + (family === 4 ? ipv4.SOURCE : ipv6.SOURCE), family);
  writeAddress(key, 4, bytes, at + (family === 4 ? ipv4.DESTINATION : ipv6.DESTINATION), family);
  if (protocol === ip.ICMP || protocol === ip.ICMPV6) {
    const identifier = icmp.identifier(bytes, transport);
    key[PORTS] = ((identifier << 16) | identifier) >>> 0;
  } else {
    key[PORTS] = read32(bytes, transport);
  }
  key[PROTOCOL] = (family << 8) | protocol;
}

/** Writes the key of the opposite direction. `to` may not be `from`. */
export function reverseFlowKey(from: FlowKey, to: FlowKey): void {
  for (let word = 0; word < 4; word += 1) {
    to[word] = from[word + 4]!;
    to[word + 4] = from[word]!;
  }
  const ports = from[PORTS]!;
  to[PORTS] = ((ports << 16) | (ports >>> 16)) >>> 0;
  to[PROTOCOL] = from[PROTOCOL]!;
}

export const sourcePortOf = (key: FlowKey): number => key[PORTS]! >>> 16;
export const destinationPortOf = (key: FlowKey): number => key[PORTS]! & 0xffff;
export const familyOf = (key: FlowKey): number => key[PROTOCOL]! >>> 8;
export const protocolOf = (key: FlowKey): number => key[PROTOCOL]! & 0xff;

export function setPorts(key: FlowKey, source: number, destination: number): void {
  key[PORTS] = ((source << 16) | destination) >>> 0;
}

/** Puts the address at `bytes[at]` into the key as its source. */
export function setSource(key: FlowKey, bytes: Uint8Array, at: number, family: number): void {
  writeAddress(key, 0, bytes, at, family);
}

/** Puts the address at `bytes[at]` into the key as its destination. */
export function setDestination(key: FlowKey, bytes: Uint8Array, at: number, family: number): void {
  writeAddress(key, 4, bytes, at, family);
}

function readAddress(key: FlowKey, word: number): Uint8Array {
  const family = familyOf(key);
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer, 0, 16);
  for (let index = 0; index < 4; index += 1) view.setUint32(4 * index, key[word + index]!);
  return family === 4 ? octets.slice(12) : octets;
}

export const sourceAddressOf = (key: FlowKey): Uint8Array => readAddress(key, 0);
export const destinationAddressOf = (key: FlowKey): Uint8Array => readAddress(key, 4);

/**
 * A hash table from flow keys to entry numbers, on typed arrays: open addressing with linear probing at a load
 * of at most one half, seeded so that an outsider cannot aim for collisions. Entries are numbers below the
 * capacity; callers keep what they know of an entry in columns of their own.
 */
export class FlowTable {
  readonly capacity: number;
  readonly #keys: Uint32Array;
  readonly #hashes: Uint32Array;
  /** Entry number plus one; 0 is an empty bucket. */
  readonly #buckets: Uint32Array;
  readonly #mask: number;
  readonly #free: Uint32Array;
  #freeCount: number;
  readonly #seed: number;

  constructor(random: Random, capacity: number = limits.flows) {
    this.capacity = capacity;
    const bucketCount = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#keys = new Uint32Array(capacity * FLOW_KEY_WORDS);
    this.#hashes = new Uint32Array(capacity);
    this.#buckets = new Uint32Array(bucketCount);
    this.#mask = bucketCount - 1;
    this.#free = Uint32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#freeCount = capacity;
    this.#seed = random.integer(0x1_0000_0000) | 0;
  }

  get size(): number {
    return this.capacity - this.#freeCount;
  }

  /** The entry of a key, or -1. */
  find(key: FlowKey): number {
    const hash = this.#hash(key);
    for (let bucket = hash & this.#mask; ; bucket = (bucket + 1) & this.#mask) {
      const entry = this.#buckets[bucket]! - 1;
      if (entry < 0) return -1;
      if (this.#hashes[entry] === hash && this.#equals(entry, key)) return entry;
    }
  }

  /** A new entry for a key that is not in the table; -1 where the table is full. */
  insert(key: FlowKey): number {
    if (this.#freeCount === 0) return -1;
    this.#freeCount -= 1;
    const entry = this.#free[this.#freeCount]!;
    const hash = this.#hash(key);
    this.#keys.set(key, entry * FLOW_KEY_WORDS);
    this.#hashes[entry] = hash;
    let bucket = hash & this.#mask;
    while (this.#buckets[bucket] !== 0) bucket = (bucket + 1) & this.#mask;
    this.#buckets[bucket] = entry + 1;
    return entry;
  }

  /** Removes a live entry, closing the gap it leaves in its probe run, so that no tombstones pile up. */
  remove(entry: number): void {
    let gap = this.#hashes[entry]! & this.#mask;
    while (this.#buckets[gap] !== entry + 1) {
      if (this.#buckets[gap] === 0) throw new Error(`flow table entry ${entry} is not live`);
      gap = (gap + 1) & this.#mask;
    }
    for (let bucket = (gap + 1) & this.#mask; ; bucket = (bucket + 1) & this.#mask) {
      const moved = this.#buckets[bucket]! - 1;
      if (moved < 0) break;
      const home = this.#hashes[moved]! & this.#mask;
      // May `moved` stand at the gap? Only if its home is not between the gap (exclusive) and where it stands.
      if (((bucket - home) & this.#mask) >= ((bucket - gap) & this.#mask)) {
        this.#buckets[gap] = moved + 1;
        gap = bucket;
      }
    }
    this.#buckets[gap] = 0;
    this.#free[this.#freeCount] = entry;
    this.#freeCount += 1;
  }

  /** Copies the key of a live entry. */
  readKey(entry: number, key: FlowKey): void {
    const at = entry * FLOW_KEY_WORDS;
    for (let word = 0; word < FLOW_KEY_WORDS; word += 1) key[word] = this.#keys[at + word]!;
  }

  #equals(entry: number, key: FlowKey): boolean {
    const at = entry * FLOW_KEY_WORDS;
    for (let word = 0; word < FLOW_KEY_WORDS; word += 1)
      if (this.#keys[at + word] !== key[word]) return false;
    return true;
  }

  /** MurmurHash3's 32-bit mixing over the key's words. */
  #hash(key: FlowKey): number {
    let hash = this.#seed;
    for (let word = 0; word < FLOW_KEY_WORDS; word += 1) {
      let mixed = Math.imul(key[word]!, 0xcc9e2d51);
      mixed = Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
      hash ^= mixed;
      hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }
}
