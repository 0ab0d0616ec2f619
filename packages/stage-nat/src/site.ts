import { destinationPortOf, familyOf, protocolOf, sourcePortOf, type FlowKey } from '@ngisec/core';
import type { Channel, PortRange } from '@ngisec/ipsec';
import { anyPrefixContains, ip, type Prefix } from '@ngisec/wire';

/** Flows to servers on these ports may pass with TLS, QUIC or DTLS as their only protection (draft section 7). */
export interface TlsRule {
  /** IP protocol number: TCP or UDP. */
  readonly protocol: number;
  readonly ports: PortRange;
}

/** A gateway at the far end: where it is, what lies behind it, and the control channel with it. */
export interface PeerGateway {
  readonly name: string;
  /** Its WAN address, by family. */
  readonly addresses: { readonly 4?: Uint8Array; readonly 6?: Uint8Array };
  readonly prefixes: readonly Prefix[];
  readonly channel: Channel;
  /** What may pass to and from its site in mode `tls`; absent: nothing. */
  readonly tls?: readonly TlsRule[];
  /** `n2n`: neither side sees the other's private addresses, the gateway's own address stands for all behind it. */
  readonly mode?: 'vpn' | 'n2n';
}

/** Static mapping of a public port to a host on this LAN (#75). An echo has no port: its service takes them all. */
export interface Service {
  /** IP protocol number in the host's family. */
  readonly protocol: number;
  readonly port: number;
  readonly host: Uint8Array;
  readonly hostPort: number;
}

/** This gateway's own place: its WAN addresses, its LAN, its peers (#53). */
export interface Site {
  readonly addresses: { readonly 4?: Uint8Array; readonly 6?: Uint8Array };
  readonly prefixes: readonly Prefix[];
  readonly peers: readonly PeerGateway[];
  /** What network-to-network peers may reach. */
  readonly services?: readonly Service[];
}

/** True where a rule lets flows to a server's port pass in mode `tls`. */
export function allowsTls({ tls }: PeerGateway, protocol: number, port: number): boolean {
  if (tls === undefined) return false;
  for (let index = 0; index < tls.length; index += 1) {
    const { protocol: allowed, ports } = tls[index]!;
    if (protocol === allowed && port >= ports.minimum && port <= ports.maximum) return true;
  }
  return false;
}

/**
 * Index of the peer whose site holds, or which in network-to-network mode itself has, the address of `family` at
 * `bytes[at]`; -1 for none.
 */
export function peerOf(site: Site, bytes: Uint8Array, at: number, family: number): number {
  for (let index = 0; index < site.peers.length; index += 1) {
    const peer = site.peers[index]!;
    const own = peer.mode === 'n2n' ? addressOf(peer.addresses, family) : undefined;
    if (own !== undefined && isAddress(own, bytes, at)) return index;
    if (anyPrefixContains(peer.prefixes, bytes, at, family)) return index;
  }
  return -1;
}

/** The peer gateway whose WAN address stands at `bytes[at]`; undefined for none. */
export function gatewayAt(
  site: Site,
  bytes: Uint8Array,
  at: number,
  family: number,
): PeerGateway | undefined {
  for (let index = 0; index < site.peers.length; index += 1) {
    const address = addressOf(site.peers[index]!.addresses, family);
    if (address !== undefined && isAddress(address, bytes, at)) return site.peers[index];
  }
  return undefined;
}

function isAddress(address: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < address.length; index += 1)
    if (bytes[at + index] !== address[index]) return false;
  return true;
}

/** The address a gateway has in a family; undefined where it has none. */
export const addressOf = (
  addresses: { readonly 4?: Uint8Array; readonly 6?: Uint8Array },
  family: number,
): Uint8Array | undefined => (family === 4 ? addresses[4] : addresses[6]);

const isEcho = (protocol: number): boolean => protocol === ip.ICMP || protocol === ip.ICMPV6;

/** The service that `outer`, a tuple as the WAN delivers it, asks for; undefined for none. */
export function serviceAt(site: Site, outer: FlowKey): Service | undefined {
  const { services = [] } = site;
  const protocol = protocolOf(outer);
  for (let index = 0; index < services.length; index += 1) {
    const service = services[index]!;
    if (service.protocol !== protocol || (service.host.length === 4 ? 4 : 6) !== familyOf(outer)) continue;
    if (isEcho(protocol) || service.port === destinationPortOf(outer)) return service;
  }
  return undefined;
}

/**
 * The port that a flow's source has in public: its service's, where `inner`, whose source address stands at
 * `bytes[at]`, answers for one; else its own.
 */
export function publicPortOf(site: Site, inner: FlowKey, bytes: Uint8Array, at: number): number {
  const { services = [] } = site;
  const [protocol, port] = [protocolOf(inner), sourcePortOf(inner)];
  for (let index = 0; index < services.length; index += 1) {
    const service = services[index]!;
    const fits = service.protocol === protocol && service.hostPort === port && !isEcho(protocol);
    if (fits && (service.host.length === 4 ? 4 : 6) === familyOf(inner) && isAddress(service.host, bytes, at))
      return service.port;
  }
  return port;
}
