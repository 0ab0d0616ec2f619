import { ip, ipv4, ipv6, parseAddress } from '@ngisec/wire';

/** A checked packet: offsets are into its octets, ends exclusive. */
export interface IpPacket {
  /** 4 or 6. */
  readonly family: number;
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** First octet of the transport header. */
  readonly transport: number;
  /** First octet behind the transport header; equal to `transport` where the protocol is not TCP, UDP or ICMP. */
  readonly payload: number;
  /** The packet's end as its IP length says; octets behind it are padding of the link. */
  readonly end: number;
}

export const ipProblems = {
  truncated: 'Shorter than its headers.',
  badVersion: 'Neither IPv4 nor IPv6.',
  badHeaderLength: 'The IPv4 header length is below 20 octets or beyond the packet.',
  badTotalLength: 'The IP length is beyond the octets there are, or below the header.',
  badHeaderChecksum: 'The IPv4 header checksum is wrong.',
  fragment: 'A fragment, or an IPv6 extension header chain that cannot be walked.',
  badTransportHeader: 'The transport header does not fit or contradicts itself.',
} as const;

export type IpProblem = keyof typeof ipProblems;

interface Layer3 {
  readonly family: number;
  readonly protocol: number;
  readonly transport: number;
  readonly end: number;
}

/** Checks a packet as an end host does on receipt (RFC 1122 section 3.2.1, RFC 8200); a word where it is bad. */
export function parseIp(octets: Uint8Array): IpPacket | IpProblem {
  const layer3 = parseLayer3(octets);
  if (typeof layer3 === 'string') return layer3;
  const { family, protocol, transport, end } = layer3;
  const known = ip.checksumOffset(protocol) >= 0;
  const length = ip.transportHeaderBytes(octets, transport, end, protocol);
  if (known && length === 0) return 'badTransportHeader';
  const address = (at: number): Uint8Array => octets.slice(at, at + ip.addressBytes(family));
  return {
    ...layer3,
    payload: transport + length,
    source: address(ip.sourceOffset(family)),
    destination: address(ip.destinationOffset(family)),
  };
}

function parseLayer3(octets: Uint8Array): Layer3 | IpProblem {
  if (octets.length === 0) return 'truncated';
  const version = octets[0]! >>> 4;
  if (version === 4) return parseLayer3V4(octets);
  return version === 6 ? parseLayer3V6(octets) : 'badVersion';
}

function parseLayer3V4(octets: Uint8Array): Layer3 | IpProblem {
  if (octets.length < ipv4.HEADER_BYTES_MIN) return 'truncated';
  const header = ipv4.headerBytes(octets, 0);
  if (header < ipv4.HEADER_BYTES_MIN || header > octets.length) return 'badHeaderLength';
  const end = ipv4.totalLength(octets, 0);
  if (end < header || end > octets.length) return 'badTotalLength';
  if (!ipv4.hasValidChecksum(octets, 0)) return 'badHeaderChecksum';
  if (ipv4.isFragment(octets, 0)) return 'fragment';
  return { family: 4, protocol: ipv4.protocol(octets, 0), transport: header, end };
}

function parseLayer3V6(octets: Uint8Array): Layer3 | IpProblem {
  if (octets.length < ipv6.HEADER_BYTES) return 'truncated';
  const end = ipv6.HEADER_BYTES + ipv6.payloadLength(octets, 0);
  if (end > octets.length) return 'badTotalLength';
  const found = ipv6.findTransport(octets, 0, end);
  if (found < 0) return 'fragment';
  return { family: 6, protocol: found & 0xff, transport: found >>> 8, end };
}

export type TimeToLive = 'alive' | 'expired' | 'malformed';

/** Takes one hop off the TTL or hop limit, IPv4's checksum included; a router must not forward it at 0 (RFC 1812). */
export function decrementTimeToLive(octets: Uint8Array): TimeToLive {
  const version = octets.length === 0 ? 0 : octets[0]! >>> 4;
  if (version === 4 && octets.length >= ipv4.HEADER_BYTES_MIN) {
    const left = ipv4.timeToLive(octets, 0);
    if (left <= 1) return 'expired';
    ipv4.setTimeToLiveWithChecksum(octets, 0, left - 1);
    return 'alive';
  }
  if (version === 6 && octets.length >= ipv6.HEADER_BYTES) {
    const left = ipv6.hopLimit(octets, 0);
    if (left <= 1) return 'expired';
    ipv6.setHopLimit(octets, 0, left - 1);
    return 'alive';
  }
  return 'malformed';
}

/** An address in text or as its 4 or 16 octets. */
export type Address = string | Uint8Array;

/** The octets of an address; throws a RangeError where the text is none. */
export function toAddress(address: Address): Uint8Array {
  if (typeof address !== 'string') return address;
  const octets = parseAddress(address);
  if (octets === undefined) throw new RangeError(`"${address}" is not an IP address`);
  return octets;
}
