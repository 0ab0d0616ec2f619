import type { Random } from '@ngisec/core';
import { formatAddress, udp } from '@ngisec/wire';
import { toAddress, type Address, type IpPacket } from '../ip-packet.ts';
import { buildUdp } from '../packet-builders.ts';
import { ephemeralPort, type SocketAddress } from './socket-address.ts';
import type { Stack } from './stack.ts';

export interface UdpSocket {
  readonly port: number;
  onDatagram: (payload: Uint8Array, from: SocketAddress) => void;
  sendTo(address: Address, port: number, payload: Uint8Array): void;
  close(): void;
}

/** The UDP of a stack: sockets by port, on all its addresses. */
export class UdpLayer {
  readonly #stack: Stack;
  readonly #random: Random;
  readonly #sockets = new Map<number, UdpSocket>();

  constructor(stack: Stack, random: Random) {
    this.#stack = stack;
    this.#random = random;
  }

  /** `port` 0 means an ephemeral one. Throws where it is in use. */
  bind(port = 0): UdpSocket {
    const own = port === 0 ? ephemeralPort(this.#random, (free) => !this.#sockets.has(free)) : port;
    if (this.#sockets.has(own)) throw new Error(`UDP port ${own} is in use`);
    const socket: UdpSocket = {
      port: own,
      onDatagram: () => undefined,
      sendTo: (address, to, payload) => {
        const destination = toAddress(address);
        const header = this.#stack.header(this.#stack.addressFor(destination), destination);
        this.#stack.emit(buildUdp({ ...header, sport: own, dport: to, payload }));
      },
      close: () => void this.#sockets.delete(own),
    };
    this.#sockets.set(own, socket);
    return socket;
  }

  receive(octets: Uint8Array, { transport, payload, end, source }: IpPacket): void {
    // RFC 768: the length counts header and data; less of it than the IP packet holds is padding.
    const length = udp.length(octets, transport);
    if (length < udp.HEADER_BYTES || transport + length > end) return this.#stack.reject('badUdpLength');
    const socket = this.#sockets.get(udp.destinationPort(octets, transport));
    if (socket === undefined) return this.#stack.reject('noSocket');
    this.#stack.accept('udp');
    const from = { address: formatAddress(source), port: udp.sourcePort(octets, transport) };
    socket.onDatagram(octets.slice(payload, transport + length), from);
  }
}
