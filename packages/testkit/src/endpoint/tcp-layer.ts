import type { Random, VirtualClock } from '@ngisec/core';
import { formatAddress, ipv4, ipv6, tcp } from '@ngisec/wire';
import { toAddress, type Address, type IpPacket } from '../ip-packet.ts';
import { buildTcp } from '../packet-builders.ts';
import { ephemeralPort, type SocketAddress } from './socket-address.ts';
import type { Stack } from './stack.ts';
import { TcpConnection } from './tcp-connection.ts';
import { encodeOptions, parseSegment, sequenceAdd, type TcpSegment } from './tcp-segment.ts';

export interface TcpPeer {
  readonly address: Address;
  readonly port: number;
  /** Default: an ephemeral port. */
  readonly localPort?: number;
}

export interface TcpSetting {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly mtuBytes: number;
  /** Octets a peer may have under way to this stack. */
  readonly windowBytes: number;
}

const keyOf = (local: SocketAddress, peer: SocketAddress): string =>
  `${local.address}|${local.port}|${peer.address}|${peer.port}`;

/** The TCP of a stack: listeners and connections by their four numbers. */
export class TcpLayer {
  readonly #stack: Stack;
  readonly #setting: TcpSetting;
  readonly #connections = new Map<string, TcpConnection>();
  readonly #listeners = new Map<number, (connection: TcpConnection) => void>();

  constructor(stack: Stack, setting: TcpSetting) {
    this.#stack = stack;
    this.#setting = setting;
  }

  /** Connections in any state but closed. */
  get open(): number {
    return this.#connections.size;
  }

  /** Calls `onConnection` at each SYN to `port`, so that its callbacks are in place; the result ends it. */
  listen(port: number, onConnection: (connection: TcpConnection) => void): () => void {
    if (this.#listeners.has(port)) throw new Error(`TCP port ${port} is in use`);
    this.#listeners.set(port, onConnection);
    return () => void this.#listeners.delete(port);
  }

  connect({ address, port, localPort }: TcpPeer): TcpConnection {
    const octets = toAddress(address);
    const peer = { address: formatAddress(octets), port };
    const own = formatAddress(this.#stack.addressFor(octets));
    const isFree = (candidate: number): boolean =>
      !this.#connections.has(keyOf({ address: own, port: candidate }, peer));
    const local = { address: own, port: localPort ?? ephemeralPort(this.#setting.random, isFree) };
    const connection = this.#create(local, peer);
    connection.open();
    return connection;
  }

  receive(octets: Uint8Array, packet: IpPacket): void {
    const segment = parseSegment(octets, packet);
    const local = { address: formatAddress(packet.destination), port: segment.dport };
    const peer = { address: formatAddress(packet.source), port: segment.sport };
    const connection = this.#connections.get(keyOf(local, peer));
    if (connection !== undefined) {
      this.#stack.accept('tcp');
      return connection.receive(segment);
    }
    const onConnection = this.#listeners.get(segment.dport);
    const isFirst = (segment.flags & (tcp.SYN | tcp.ACK | tcp.RST)) === tcp.SYN;
    if (onConnection === undefined || !isFirst) {
      this.#stack.reject('noSocket');
      return this.#refuse(segment, packet);
    }
    this.#stack.accept('tcp');
    const accepted = this.#create(local, peer);
    onConnection(accepted);
    accepted.accept(segment);
  }

  #create(local: SocketAddress, peer: SocketAddress): TcpConnection {
    const key = keyOf(local, peer);
    if (this.#connections.has(key)) throw new Error(`TCP connection ${key} exists`);
    const [src, dst] = [toAddress(local.address), toAddress(peer.address)];
    const headers = (src.length === 4 ? ipv4.HEADER_BYTES_MIN : ipv6.HEADER_BYTES) + tcp.HEADER_BYTES_MIN;
    const connection: TcpConnection = new TcpConnection({
      clock: this.#setting.clock,
      local,
      peer,
      initialSequence: this.#setting.random.integer(0x1_0000_0000),
      mss: this.#setting.mtuBytes - headers,
      windowBytes: this.#setting.windowBytes,
      transmit: ({ options, ...segment }) =>
        this.#stack.emit(
          buildTcp({
            ...this.#stack.header(src, dst),
            ...segment,
            sport: local.port,
            dport: peer.port,
            options: encodeOptions(options),
          }),
        ),
      release: () => void this.#connections.delete(key),
    });
    this.#connections.set(key, connection);
    return connection;
  }

  /** RFC 9293 section 3.10.7.1: what belongs to no connection is answered with an RST. */
  #refuse({ sport, dport, seq, ack, flags, payload }: TcpSegment, { source, destination }: IpPacket): void {
    if ((flags & tcp.RST) !== 0) return;
    const length = payload.length + ((flags & tcp.SYN) === 0 ? 0 : 1) + ((flags & tcp.FIN) === 0 ? 0 : 1);
    const fields =
      (flags & tcp.ACK) !== 0
        ? { seq: ack, flags: tcp.RST }
        : { seq: 0, ack: sequenceAdd(seq, length), flags: tcp.RST | tcp.ACK };
    const header = this.#stack.header(destination, source);
    this.#stack.emit(buildTcp({ ...header, ...fields, sport: dport, dport: sport, window: 0 }));
  }
}
