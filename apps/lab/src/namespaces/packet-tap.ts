import { libc } from '@ngisec/link-linux';
import type { Network, Place } from './network.ts';

/** From linux/if_packet.h, linux/if_ether.h and the socket headers. */
const AF_PACKET = 17;
const SOCK_RAW_QUIETLY = 3 | 0o4000 /* non-blocking */ | 0o2000000; /* closed in children */
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const SIOCGSTAMPNS = 0x8907;
const SOCKET_ADDRESS_BYTES = 20;

const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;

/**
 * Holds what a whole transfer leaves behind, should this process get no turn meanwhile. The kernel takes it
 * as needed.
 */
const RECEIVE_BUFFER_BYTES = 512 * 1024 * 1024;
const FRAME_BYTES_MAX = 64 * 1024 + ETHERNET_BYTES;

/** Sees every IP packet that crosses an interface, either way: an AF_PACKET socket in the interface's namespace. */
export class PacketTap {
  readonly #socket: number;
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);
  readonly #time = new BigInt64Array(2);

  constructor(network: Network, place: Place, name: string) {
    const [{ ifindex }] = JSON.parse(network.ip(place, `-j link show dev ${name}`)) as [{ ifindex: number }];
    // Without a protocol nothing comes in before it is bound to the interface.
    this.#socket = network.enter(place, () => libc().socket(AF_PACKET, SOCK_RAW_QUIETLY, 0));
    if (this.#socket < 0) throw new Error(`cannot capture on ${name} in ${place}: errno ${libc().errno()}`);
    const size = new Uint8Array(new Int32Array([RECEIVE_BUFFER_BYTES]).buffer);
    libc().setsockopt(this.#socket, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length);
    const address = new Uint8Array(SOCKET_ADDRESS_BYTES);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, ETH_P_ALL);
    view.setInt32(4, ifindex, true);
    if (libc().bind(this.#socket, address, address.length) < 0) {
      throw new Error(`cannot capture on ${name} in ${place}: errno ${libc().errno()}`);
    }
    // The first question for a time makes the kernel keep them.
    this.timeNs();
  }

  /** The next packet, from its IP header on, good until the next call; undefined where none waits. */
  next(): Uint8Array | undefined {
    for (;;) {
      const length = libc().recv(this.#socket, this.#frame, FRAME_BYTES_MAX, 0);
      if (length < 0) return undefined;
      const etherType = (this.#frame[12]! << 8) | this.#frame[13]!;
      if (etherType === IPV4 || etherType === IPV6) return this.#frame.subarray(ETHERNET_BYTES, length);
    }
  }

  /** The Ethernet header of the packet that `next` returned last. */
  linkHeader(): Uint8Array {
    return this.#frame.slice(0, ETHERNET_BYTES);
  }

  /** Puts a packet on the wire: an attacker's way in. */
  send(linkHeader: Uint8Array, octets: Uint8Array): void {
    const frame = new Uint8Array([...linkHeader, ...octets]);
    if (libc().send(this.#socket, frame, frame.length, 0) < 0) {
      throw new Error(`cannot send: errno ${libc().errno()}`);
    }
  }

  /** When the kernel saw the packet that `next` returned last, in nanoseconds since 1970. */
  timeNs(): bigint {
    const bytes = new Uint8Array(this.#time.buffer);
    if (libc().ioctl(this.#socket, SIOCGSTAMPNS, bytes) < 0) return 0n;
    return this.#time[0]! * 1_000_000_000n + this.#time[1]!;
  }

  /** Packets the kernel had no room for since the last question. */
  lost(): number {
    const statistics = new Uint32Array(2);
    const length = new Uint8Array(new Uint32Array([statistics.byteLength]).buffer);
    libc().getsockopt(this.#socket, SOL_PACKET, PACKET_STATISTICS, new Uint8Array(statistics.buffer), length);
    return statistics[1]!;
  }

  close(): void {
    libc().close(this.#socket);
  }
}
