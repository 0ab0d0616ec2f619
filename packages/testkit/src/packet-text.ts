import { formatAddress, icmp, ip, ipv4, ipv6, tcp, udp } from '@ngisec/wire';
import { parseOptions } from './endpoint/tcp-segment.ts';
import { parseIp, type IpPacket } from './ip-packet.ts';

const FLAG_LETTERS: readonly (readonly [number, string])[] = [
  [tcp.SYN, 'S'],
  [tcp.FIN, 'F'],
  [tcp.RST, 'R'],
  [tcp.PSH, 'P'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
  [tcp.ACK, '.'],
];

const HEX_OCTETS_MAX = 48;

/**
 * One line a packet, after tcpdump:
 * `10.0.0.1.1234 > 10.0.0.2.80: TCP [S], seq 7, win 65535 <mss 1460>, length 0, ttl 64`. A packet that does not
 * parse is given in hexadecimal with its fault.
 */
export function describePacket(octets: Uint8Array): string {
  const packet = parseIp(octets);
  if (typeof packet === 'string') return `${packet}, ${octets.length} octets: ${hex(octets)}`;
  const { family, protocol, transport, end } = packet;
  const known = ip.checksumOffset(protocol) >= 0;
  const isRight = ip.hasValidTransportChecksum(octets, 0, transport, end, family, protocol);
  return [
    `${endpoints(octets, packet)}: ${transportText(octets, packet)}`,
    `length ${end - packet.payload}`,
    ...lowerText(octets, family),
    ...(known && !isRight ? ['BAD CHECKSUM'] : []),
    ...(end < octets.length ? [`${octets.length - end} octets of padding`] : []),
  ].join(', ');
}

function hex(octets: Uint8Array): string {
  const shown = [...octets.subarray(0, HEX_OCTETS_MAX)];
  const text = shown.map((octet) => octet.toString(16).padStart(2, '0')).join(' ');
  return octets.length > HEX_OCTETS_MAX ? `${text} ...` : text;
}

function endpoints(octets: Uint8Array, { protocol, transport, source, destination }: IpPacket): string {
  const hasPorts = protocol === ip.TCP || protocol === ip.UDP;
  const from = hasPorts ? `.${tcp.sourcePort(octets, transport)}` : '';
  const to = hasPorts ? `.${tcp.destinationPort(octets, transport)}` : '';
  return `${formatAddress(source)}${from} > ${formatAddress(destination)}${to}`;
}

function lowerText(octets: Uint8Array, family: number): string[] {
  const layer = family === 4 ? ipv4 : ipv6;
  const [dscp, ecn] = [layer.dscp(octets, 0), layer.ecn(octets, 0)];
  return [
    `ttl ${family === 4 ? ipv4.timeToLive(octets, 0) : ipv6.hopLimit(octets, 0)}`,
    ...(family === 4 ? [`id ${ipv4.identification(octets, 0)}`] : []),
    ...(dscp > 0 ? [`dscp ${dscp}`] : []),
    ...(ecn > 0 ? [`ecn ${ecn}`] : []),
  ];
}

function transportText(octets: Uint8Array, packet: IpPacket): string {
  const { family, protocol, transport: at } = packet;
  switch (protocol) {
    case ip.TCP:
      return tcpText(octets, packet);
    case ip.UDP: {
      const stated = udp.length(octets, at);
      return stated === packet.end - at ? 'UDP' : `UDP stating ${stated} octets`;
    }
    case ip.ICMP:
    case ip.ICMPV6: {
      const name = protocol === ip.ICMP ? 'ICMP' : 'ICMPv6';
      const type = icmp.type(octets, at);
      if (!icmp.isEcho(octets, at, family)) return `${name} type ${type} code ${octets[at + 1]}`;
      const kind = type === icmp.V4_ECHO_REQUEST || type === icmp.V6_ECHO_REQUEST ? 'request' : 'reply';
      return `${name} echo ${kind}, id ${icmp.identifier(octets, at)}, seq ${icmp.sequence(octets, at)}`;
    }
    default:
      return `protocol ${protocol}`;
  }
}

function tcpText(octets: Uint8Array, { transport: at, payload }: IpPacket): string {
  const flags = tcp.flags(octets, at);
  const letters = FLAG_LETTERS.map(([bit, letter]) => ((flags & bit) === 0 ? '' : letter)).join('');
  const { mss, windowScale, timestamp } = parseOptions(octets, at + tcp.HEADER_BYTES_MIN, payload);
  const options = [
    ...(mss === undefined ? [] : [`mss ${mss}`]),
    ...(windowScale === undefined ? [] : [`wscale ${windowScale}`]),
    ...(timestamp === undefined ? [] : [`ts ${timestamp.value} ${timestamp.echo}`]),
  ].join(' ');
  const acknowledged = (flags & tcp.ACK) === 0 ? '' : `, ack ${tcp.acknowledgment(octets, at)}`;
  const suffix = options === '' ? '' : ` <${options}>`;
  return `TCP [${letters}], seq ${tcp.sequence(octets, at)}${acknowledged}, win ${tcp.window(octets, at)}${suffix}`;
}
