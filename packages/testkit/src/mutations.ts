import type { Random } from '@ngisec/core';
import { ip, ipv4, ipv6, write16 } from '@ngisec/wire';

/** Writes the next packet to the front of `scratch` and returns its length; never beyond `scratch`. */
export type PacketMutator = (scratch: Uint8Array) => number;

/** Octets of pure noise: longer ones say no more and take longer. */
const NOISE_BYTES_MAX = 128;
const FLIPS_MAX = 8;
/** Headers end within these octets, and shims begin there: most mutations go there. */
const HEADERS_BYTES = 100;

/** Values at which comparisons of one octet or of two go wrong. */
const EDGES_8 = [0, 1, 4, 5, 6, 17, 0x0f, 0x10, 0x45, 0x46, 0x4f, 0x60, 0x7f, 0x80, 0xf0, 0xff];
const EDGES_16 = [0, 1, 7, 8, 19, 20, 39, 40, 41, 0x7fff, 0x8000, 0xfffe, 0xffff];
/** Hop-by-hop, routing, fragment, ESP, AH, destination options. */
const EXTENSION_HEADERS = [0, 43, 44, 50, 51, 60];

/** Sets up one mutation in place; returns the new length. */
type Mutation = (random: Random, scratch: Uint8Array, length: number) => number;

/**
 * Bad input for graphs, repeatable by seed: noise, truncated packets, flipped bits, odd field values, lengths that
 * lie, extension headers that lead nowhere, and now and then a valid packet. Half of the mutated packets get their
 * checksums repaired, to pass the first check and reach the code behind it.
 */
export function packetMutator(random: Random, seeds: readonly Uint8Array[]): PacketMutator {
  if (seeds.length === 0) throw new RangeError('the mutator needs at least one valid packet');
  const mutations: readonly Mutation[] = [
    keep,
    noise,
    truncate,
    flipBits,
    setOctet,
    setWord,
    lieAboutLength,
    pad,
    extend,
  ];
  return (scratch) => {
    const seed = seeds[random.integer(seeds.length)]!;
    const length = Math.min(seed.length, scratch.length);
    scratch.set(seed.length > length ? seed.subarray(0, length) : seed);
    const mutation = mutations[random.integer(mutations.length)]!;
    let mutated = mutation(random, scratch, length);
    if (random.integer(4) === 0)
      mutated = mutations[random.integer(mutations.length)]!(random, scratch, mutated);
    if (random.integer(2) === 0) repairChecksums(scratch, mutated);
    return mutated;
  };
}

const keep: Mutation = (_random, _scratch, length) => length;

const noise: Mutation = (random, scratch) => {
  const length = random.integer(Math.min(NOISE_BYTES_MAX, scratch.length) + 1);
  for (let index = 0; index < length; index += 1) scratch[index] = random.integer(256);
  if (length > 0 && random.integer(2) === 0) scratch[0] = random.integer(2) === 0 ? 0x45 : 0x60;
  return length;
};

const truncate: Mutation = (random, _scratch, length) => random.integer(length + 1);

const flipBits: Mutation = (random, scratch, length) => {
  if (length === 0) return 0;
  const reach = random.integer(4) === 0 ? length : Math.min(length, HEADERS_BYTES);
  for (let flips = 1 + random.integer(FLIPS_MAX); flips > 0; flips -= 1) {
    const bit = random.integer(8 * reach);
    scratch[bit >>> 3]! ^= 1 << (bit & 7);
  }
  return length;
};

const setOctet: Mutation = (random, scratch, length) => {
  if (length === 0) return 0;
  scratch[random.integer(Math.min(length, HEADERS_BYTES))] = EDGES_8[random.integer(EDGES_8.length)]!;
  return length;
};

const setWord: Mutation = (random, scratch, length) => {
  if (length < 2) return length;
  const at = random.integer(Math.min(length, HEADERS_BYTES) - 1);
  write16(scratch, at, EDGES_16[random.integer(EDGES_16.length)]!);
  return length;
};

/** The IP length says a little, or a lot, more or less than there is. */
const lieAboutLength: Mutation = (random, scratch, length) => {
  if (length < ipv6.HEADER_BYTES) return length;
  const isV6 = scratch[0]! >>> 4 === 6;
  const honest = isV6 ? length - ipv6.HEADER_BYTES : length;
  const lie = random.integer(2) === 0 ? honest + random.integer(17) - 8 : random.integer(0x1_0000);
  write16(scratch, isV6 ? 4 : 2, lie & 0xffff);
  return length;
};

/** Octets behind the packet that its length does not count. */
const pad: Mutation = (random, scratch, length) => {
  const end = Math.min(scratch.length, length + 1 + random.integer(32));
  for (let index = length; index < end; index += 1) scratch[index] = random.integer(256);
  return end;
};

/** The next header of an IPv6 packet, or the protocol of an IPv4 one, leads into what is no such header. */
const extend: Mutation = (random, scratch, length) => {
  if (length < ipv6.HEADER_BYTES) return length;
  const isV6 = scratch[0]! >>> 4 === 6;
  scratch[isV6 ? 6 : 9] = EXTENSION_HEADERS[random.integer(EXTENSION_HEADERS.length)]!;
  if (!isV6 || length === ipv6.HEADER_BYTES) return length;
  scratch[ipv6.HEADER_BYTES] = EXTENSION_HEADERS[random.integer(EXTENSION_HEADERS.length)]!;
  if (length > ipv6.HEADER_BYTES + 1)
    scratch[ipv6.HEADER_BYTES + 1] = random.integer(4) === 0 ? 255 : random.integer(3);
  return length;
};

/** Makes the checksums right for whatever the headers now say, where they can be found at all. */
function repairChecksums(scratch: Uint8Array, length: number): void {
  if (length < ipv4.HEADER_BYTES_MIN) return;
  const version = scratch[0]! >>> 4;
  if (version === 4) {
    const header = ipv4.headerBytes(scratch, 0);
    if (header < ipv4.HEADER_BYTES_MIN || header > length) return;
    ipv4.completeChecksum(scratch, 0);
    repairTransport(
      scratch,
      header,
      Math.min(length, ipv4.totalLength(scratch, 0)),
      4,
      ipv4.protocol(scratch, 0),
    );
  } else if (version === 6 && length >= ipv6.HEADER_BYTES) {
    const end = Math.min(length, ipv6.HEADER_BYTES + ipv6.payloadLength(scratch, 0));
    const found = ipv6.findTransport(scratch, 0, end);
    if (found >= 0) repairTransport(scratch, found >>> 8, end, 6, found & 0xff);
  }
}

function repairTransport(
  scratch: Uint8Array,
  at: number,
  end: number,
  family: number,
  protocol: number,
): void {
  if (ip.transportHeaderBytes(scratch, at, end, protocol) === 0) return;
  ip.completeTransportChecksum(scratch, 0, at, end, family, protocol);
}
