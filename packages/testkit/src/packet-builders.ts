/** Valid packets of either IP version, for tests and for the scripted endpoints. */
import { icmp, ip, ipv4, ipv6, tcp, udp, write16, write32 } from '@ngisec/wire';
import { toAddress, type Address } from './ip-packet.ts';

export interface IpFields {
  readonly src: Address;
  readonly dst: Address;
  /** Default 64. */
  readonly ttl?: number;
  /** IPv4 only; default 0. */
  readonly identification?: number;
  /** IPv4 only; default true. */
  readonly dontFragment?: boolean;
  /** Six bits; default 0. */
  readonly dscp?: number;
  /** Two bits; default 0. */
  readonly ecn?: number;
}

export interface TcpFields extends IpFields {
  readonly sport: number;
  readonly dport: number;
  readonly seq?: number;
  readonly ack?: number;
  /** Default ACK. */
  readonly flags?: number;
  /** The field as it stands in the header, unscaled; default 65535. */
  readonly window?: number;
  /** Encoded options; a multiple of 4 octets, at most 40. */
  readonly options?: Uint8Array;
  readonly payload?: Uint8Array;
}

export interface UdpFields extends IpFields {
  readonly sport: number;
  readonly dport: number;
  readonly payload?: Uint8Array;
}

export interface EchoFields extends IpFields {
  /** Default false: a request. */
  readonly reply?: boolean;
  readonly identifier?: number;
  readonly sequence?: number;
  readonly payload?: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const DONT_FRAGMENT = 0x4000;

/** An IP packet around `transport`, whose checksum is computed where the protocol is TCP, UDP or ICMP. */
export function buildIp(fields: IpFields, protocol: number, transport: Uint8Array): Uint8Array {
  const [source, destination] = [toAddress(fields.src), toAddress(fields.dst)];
  if (source.length !== destination.length) throw new RangeError('the addresses are of two families');
  const family = source.length === 4 ? 4 : 6;
  const header = family === 4 ? ipv4.HEADER_BYTES_MIN : ipv6.HEADER_BYTES;
  const octets = new Uint8Array(header + transport.length);
  if (octets.length > 0xffff) throw new RangeError(`a packet of ${octets.length} octets is too long`);
  octets.set(source, ip.sourceOffset(family));
  octets.set(destination, ip.destinationOffset(family));
  octets.set(transport, header);
  const trafficClass = ((fields.dscp ?? 0) << 2) | (fields.ecn ?? 0);
  if (family === 4) {
    octets[0] = 0x45;
    octets[1] = trafficClass;
    write16(octets, 2, octets.length);
    write16(octets, 4, fields.identification ?? 0);
    write16(octets, 6, fields.dontFragment === false ? 0 : DONT_FRAGMENT);
    octets[8] = fields.ttl ?? 64;
    octets[9] = protocol;
    ipv4.completeChecksum(octets, 0);
  } else {
    write32(octets, 0, (6 << 28) | (trafficClass << 20));
    ipv6.setPayloadLength(octets, 0, transport.length);
    octets[6] = protocol;
    octets[7] = fields.ttl ?? 64;
  }
  ip.completeTransportChecksum(octets, 0, header, octets.length, family, protocol);
  return octets;
}

export function buildTcp(fields: TcpFields): Uint8Array {
  const { options = NOTHING, payload = NOTHING } = fields;
  if (options.length % 4 !== 0 || options.length > 40) {
    throw new RangeError(`TCP options of ${options.length} octets`);
  }
  const header = tcp.HEADER_BYTES_MIN + options.length;
  const segment = new Uint8Array(header + payload.length);
  write16(segment, tcp.SOURCE_PORT, fields.sport);
  write16(segment, tcp.DESTINATION_PORT, fields.dport);
  write32(segment, 4, fields.seq ?? 0);
  write32(segment, 8, fields.ack ?? 0);
  segment[12] = (header >>> 2) << 4;
  segment[13] = fields.flags ?? tcp.ACK;
  write16(segment, 14, fields.window ?? 0xffff);
  segment.set(options, tcp.HEADER_BYTES_MIN);
  segment.set(payload, header);
  return buildIp(fields, ip.TCP, segment);
}

export function buildUdp(fields: UdpFields): Uint8Array {
  const { payload = NOTHING } = fields;
  const datagram = new Uint8Array(udp.HEADER_BYTES + payload.length);
  write16(datagram, 0, fields.sport);
  write16(datagram, 2, fields.dport);
  udp.setLength(datagram, 0, datagram.length);
  datagram.set(payload, udp.HEADER_BYTES);
  return buildIp(fields, ip.UDP, datagram);
}

export function buildEcho(fields: EchoFields): Uint8Array {
  const { payload = NOTHING, reply = false } = fields;
  const isV4 = toAddress(fields.src).length === 4;
  const message = new Uint8Array(icmp.HEADER_BYTES + payload.length);
  if (isV4) message[0] = reply ? icmp.V4_ECHO_REPLY : icmp.V4_ECHO_REQUEST;
  else message[0] = reply ? icmp.V6_ECHO_REPLY : icmp.V6_ECHO_REQUEST;
  write16(message, icmp.IDENTIFIER, fields.identifier ?? 0);
  write16(message, 6, fields.sequence ?? 0);
  message.set(payload, icmp.HEADER_BYTES);
  return buildIp(fields, isV4 ? ip.ICMP : ip.ICMPV6, message);
}
