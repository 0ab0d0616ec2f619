import { constants } from 'node:fs';
import { EACCES, EBUSY, ENOENT, EPERM, errorName, type Libc } from './libc.ts';
import { LinkError } from './link-error.ts';

/** From linux/if_tun.h and linux/sockios.h. */
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const SIOCSIFTXQLEN = 0x8943;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const AF_INET = 2;
const SOCK_DGRAM = 2;

/** TUN_F_CSUM with TSO4, TSO6 and, from Linux 6.2 on, USO4 and USO6; then what older kernels accept. */
const OFFLOADS = [0x67, 0x07, 0x03];

const DEVICE = '/dev/net/tun';
const INTERFACE_NAME_BYTES = 16;
/** `struct ifreq`: the name, then a union of 24 octets. */
const REQUEST_BYTES = 40;

const RIGHTS = 'Run as root, or give the process CAP_NET_ADMIN.';

export interface TunInterface {
  readonly descriptor: number;
  readonly name: string;
  /** True where packets carry a vnet header and super-packets may come. */
  readonly offload: boolean;
}

/** Creates a TUN interface, or attaches to an existing one of that name; `%d` in the name is numbered by the kernel. */
export function openTunInterface(
  libc: Libc,
  name: string,
  offload: boolean,
  txQueueLength: number,
): TunInterface {
  if (!/^[^\s/:]{1,15}$/.test(name)) {
    throw new LinkError(
      `"${name}" cannot name an interface`,
      'Use 1 to 15 characters without blank, "/" or ":".',
    );
  }
  const descriptor = libc.open(DEVICE, constants.O_RDWR | constants.O_NONBLOCK | 0o2000000 /* O_CLOEXEC */);
  if (descriptor < 0) throw openError(libc.errno());
  try {
    const request = requestFor(name);
    const flags = IFF_TUN | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0);
    request[INTERFACE_NAME_BYTES] = flags & 0xff;
    request[INTERFACE_NAME_BYTES + 1] = flags >>> 8;
    if (libc.ioctl(descriptor, TUNSETIFF, request) < 0) throw attachError(name, libc.errno());
    const given = nameIn(request);
    // A kernel that refuses every offload delivers plain packets behind an empty vnet header.
    if (offload) OFFLOADS.some((set) => libc.ioctlValue(descriptor, TUNSETOFFLOAD, set) === 0);
    setTxQueueLength(libc, given, txQueueLength);
    return { descriptor, name: given, offload };
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
}

function setTxQueueLength(libc: Libc, name: string, packets: number): void {
  const socket = libc.socket(AF_INET, SOCK_DGRAM, 0);
  const request = requestFor(name);
  new DataView(request.buffer).setInt32(INTERFACE_NAME_BYTES, packets, true);
  const result = libc.ioctl(socket, SIOCSIFTXQLEN, request);
  const errno = libc.errno();
  libc.close(socket);
  if (result < 0) throw new LinkError(`cannot set the queue length of ${name}: ${errorName(errno)}`, RIGHTS);
}

function requestFor(name: string): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(new ArrayBuffer(REQUEST_BYTES));
  new TextEncoder().encodeInto(name, request);
  return request;
}

function nameIn(request: Uint8Array): string {
  const end = request.indexOf(0);
  return new TextDecoder().decode(request.subarray(0, end));
}

function openError(errno: number): LinkError {
  const message = `cannot open ${DEVICE}: ${errorName(errno)}`;
  if (errno === EPERM || errno === EACCES) return new LinkError(message, RIGHTS);
  return new LinkError(
    message,
    errno === ENOENT
      ? 'Load the module (`modprobe tun`); in a container pass the device in (`--device /dev/net/tun`).'
      : 'See `dmesg`; the kernel needs CONFIG_TUN.',
  );
}

function attachError(name: string, errno: number): LinkError {
  const message = `cannot create the interface ${name}: ${errorName(errno)}`;
  if (errno === EPERM || errno === EACCES) return new LinkError(message, RIGHTS);
  return new LinkError(
    message,
    errno === EBUSY
      ? 'Another process has it open: stop that process or choose another name.'
      : 'An interface of another kind may have this name: choose another.',
  );
}
