import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type * as Koffi from 'koffi';
import { LinkError } from './link-error.ts';

/**
 * The few system calls the link needs. Buffers are given as raw addresses where the call is made per packet; an
 * address does not keep its buffer alive, so whoever takes one keeps the buffer in a field. Calls return -1 on
 * failure; `errno` is then to be read before anything else.
 */
export interface Libc {
  open(path: string, flags: number): number;
  close(descriptor: number): number;
  ioctl(descriptor: number, request: number, argument: Uint8Array): number;
  /** An ioctl whose argument is a number. */
  ioctlValue(descriptor: number, request: number, argument: number): number;
  readv(descriptor: number, vector: number, count: number): number;
  writev(descriptor: number, vector: number, count: number): number;
  poll(entries: number, count: number, timeoutMs: number): number;
  memcpy(to: number, from: number, length: number): number;
  socket(family: number, type: number, protocol: number): number;
  bind(descriptor: number, address: Uint8Array, length: number): number;
  setsockopt(descriptor: number, level: number, option: number, value: Uint8Array, length: number): number;
  /** `length` holds the size of `value` as a 32-bit number. */
  getsockopt(
    descriptor: number,
    level: number,
    option: number,
    value: Uint8Array,
    length: Uint8Array,
  ): number;
  recv(descriptor: number, buffer: Uint8Array, length: number, flags: number): number;
  send(descriptor: number, buffer: Uint8Array, length: number, flags: number): number;
  setns(descriptor: number, type: number): number;
  prctl(option: number, value: number): number;
  errno(): number;
  /** Where a buffer lies. Buffers of 64 octets or less may move: back those with an ArrayBuffer of their own. */
  address(buffer: ArrayBufferView): number;
}

const prototypes = {
  open: 'int open(const char *path, int flags)',
  close: 'int close(int fd)',
  ioctl: 'int ioctl(int fd, unsigned long request, void *argument)',
  ioctlValue: 'int ioctl(int fd, unsigned long request, unsigned long argument)',
  readv: 'intptr_t readv(int fd, uintptr_t vector, int count)',
  writev: 'intptr_t writev(int fd, uintptr_t vector, int count)',
  poll: 'int poll(uintptr_t entries, unsigned long count, int timeout)',
  memcpy: 'uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t length)',
  socket: 'int socket(int family, int type, int protocol)',
  bind: 'int bind(int fd, void *address, uint32_t length)',
  setsockopt: 'int setsockopt(int fd, int level, int option, void *value, uint32_t length)',
  getsockopt: 'int getsockopt(int fd, int level, int option, void *value, void *length)',
  recv: 'intptr_t recv(int fd, void *buffer, size_t length, int flags)',
  send: 'intptr_t send(int fd, void *buffer, size_t length, int flags)',
  setns: 'int setns(int fd, int type)',
  prctl: 'int prctl(int option, unsigned long value)',
} as const;

/** Structures are laid out here by hand, for 64-bit little-endian machines. */
const ARCHITECTURES = ['x64', 'arm64', 'riscv64', 'loong64'];

let loaded: Libc | undefined;

/** The C library, bound at the first call, so that importing this package never fails. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  if (process.platform !== 'linux' || !ARCHITECTURES.includes(process.arch)) {
    throw new LinkError(
      `TUN devices are supported on 64-bit Linux only, this is ${process.platform} ${process.arch}`,
      'Run on Linux, or use the in-memory network.',
    );
  }
  let koffi: typeof Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  } catch (cause) {
    throw new LinkError(
      `the package "koffi" does not load: ${(cause as Error).message}`,
      'Run `npm install` on this machine; koffi brings its own binary.',
    );
  }
  const library = koffi.load(null);
  const functions = Object.fromEntries(
    Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)]),
  ) as unknown as Omit<Libc, 'errno' | 'address'>;
  return {
    ...functions,
    errno: () => koffi.errno(),
    address: (buffer) => Number(koffi.address(buffer)),
  };
}

export const { EAGAIN, EACCES, EBUSY, EINTR, ENOENT, EPERM } = constants.errno;

/** `EPERM`, from its number. */
export const errorName = (errno: number): string => getSystemErrorName(-errno);
