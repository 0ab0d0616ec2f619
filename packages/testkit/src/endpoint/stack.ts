import type { Random, VirtualClock } from '@ngisec/core';
import { ip } from '@ngisec/wire';
import { parseIp, toAddress, type Address, type IpPacket, type IpProblem } from '../ip-packet.ts';
import type { IpFields } from '../packet-builders.ts';
import type { PacketPort } from '../port.ts';
import { IcmpLayer } from './icmp-layer.ts';
import { TcpLayer } from './tcp-layer.ts';
import { UdpLayer } from './udp-layer.ts';

export interface StackOptions {
  /** IPv4 and IPv6 addresses; the first of a family is the source of what the stack starts. */
  readonly addresses: readonly string[];
  /** From which TCP derives its MSS. Default 1500. */
  readonly mtuBytes?: number;
  /** TCP's fixed receive window. Default 65536. */
  readonly windowBytes?: number;
  /** TTL or hop limit of what the stack sends. Default 64. */
  readonly ttl?: number;
}

export interface StackSetting {
  readonly clock: VirtualClock;
  readonly random: Random;
}

/** Why a packet did not reach a socket. */
export type Rejection =
  IpProblem | 'notMine' | 'badTransportChecksum' | 'badUdpLength' | 'badIcmpCode' | 'noProtocol' | 'noSocket';

const sameOctets = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && left.every((octet, index) => octet === right[index]);

/** The TCP/IP stack of a scripted host: it makes and judges packets as a kernel does, in virtual time. */
export class Stack {
  readonly tcp: TcpLayer;
  readonly udp: UdpLayer;
  readonly icmp: IcmpLayer;
  readonly delivered = { tcp: 0, udp: 0, icmp: 0 };
  readonly rejected: Partial<Record<Rejection, number>> = {};
  /** Sees a copy of every packet the stack makes, exactly as made. */
  onEmit: (octets: Uint8Array) => void = () => undefined;
  /** Sees a copy of every packet that arrives, before it is judged. */
  onReceive: (octets: Uint8Array) => void = () => undefined;

  readonly #port: PacketPort;
  readonly #addresses: readonly Uint8Array[];
  readonly #ttl: number;
  #identification: number;

  constructor(setting: StackSetting, options: StackOptions, port: PacketPort) {
    const { clock, random } = setting;
    const { mtuBytes = 1500, windowBytes = 0x1_0000 } = options;
    this.#port = port;
    this.#addresses = options.addresses.map(toAddress);
    this.#ttl = options.ttl ?? 64;
    this.#identification = random.integer(0x1_0000);
    this.tcp = new TcpLayer(this, { clock, random, mtuBytes, windowBytes });
    this.udp = new UdpLayer(this, random);
    this.icmp = new IcmpLayer(this, clock, random);
    port.onPacket = (octets) => this.#receive(octets);
  }

  /** The stack's first address of the destination's family; throws where it has none. */
  addressFor(destination: Address): Uint8Array {
    const { length } = toAddress(destination);
    const own = this.#addresses.find((address) => address.length === length);
    if (own === undefined) throw new RangeError(`the stack has no ${length === 4 ? 'IPv4' : 'IPv6'} address`);
    return own;
  }

  /** Fields of the next IP header; the identification steps by one a packet (RFC 791). */
  header(src: Uint8Array, dst: Uint8Array): IpFields {
    this.#identification = (this.#identification + 1) & 0xffff;
    return { src, dst, ttl: this.#ttl, identification: this.#identification };
  }

  /** Sends a packet of the stack's own, or one a test made. */
  emit(octets: Uint8Array): void {
    this.onEmit(octets.slice());
    this.#port.send(octets);
  }

  accept(protocol: 'tcp' | 'udp' | 'icmp'): void {
    this.delivered[protocol] += 1;
  }

  reject(reason: Rejection): void {
    this.rejected[reason] = (this.rejected[reason] ?? 0) + 1;
  }

  #receive(octets: Uint8Array): void {
    this.onReceive(octets.slice());
    const packet = parseIp(octets);
    if (typeof packet === 'string') return this.reject(packet);
    const { family, protocol, transport, end } = packet;
    if (!this.#addresses.some((address) => sameOctets(address, packet.destination)))
      return this.reject('notMine');
    if (!ip.hasValidTransportChecksum(octets, 0, transport, end, family, protocol)) {
      return this.reject('badTransportChecksum');
    }
    this.#dispatch(octets, packet);
  }

  #dispatch(octets: Uint8Array, packet: IpPacket): void {
    switch (packet.protocol) {
      case ip.TCP:
        return this.tcp.receive(octets, packet);
      case ip.UDP:
        return this.udp.receive(octets, packet);
      case packet.family === 4 ? ip.ICMP : ip.ICMPV6:
        return this.icmp.receive(octets, packet);
      default:
        return this.reject('noProtocol');
    }
  }
}
