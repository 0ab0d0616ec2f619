import { libc, errorName, EAGAIN } from './libc.ts';
import { LinkError } from './link-error.ts';

const onPlatform = (platform: string, work: () => void): void => {
  const before = Object.getOwnPropertyDescriptor(process, 'platform')!;
  Object.defineProperty(process, 'platform', { ...before, value: platform });
  try {
    work();
  } finally {
    Object.defineProperty(process, 'platform', before);
  }
};

describe('libc', () => {
  test('importing succeeds anywhere, using it elsewhere than on Linux is a LinkError that says what to do', () => {
    onPlatform('darwin', () => {
      let error: unknown;
      try {
        libc();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(LinkError);
      expect((error as LinkError).message).toContain('darwin');
      expect((error as LinkError).fix).not.toBe('');
    });
  });

  test('binds the C library and reports errors by number and name', () => {
    const system = libc();
    expect(system.open('/nonexistent/file', 0)).toBe(-1);
    expect(errorName(system.errno())).toBe('ENOENT');
    expect(errorName(EAGAIN)).toBe('EAGAIN');
  });

  test('copies between buffers by address', () => {
    const system = libc();
    const from = Uint8Array.from({ length: 100 }, (_, index) => index);
    const to = new Uint8Array(100);
    system.memcpy(system.address(to) + 10, system.address(from) + 20, 5);
    expect([...to.subarray(9, 16)]).toEqual([0, 20, 21, 22, 23, 24, 0]);
  });
});
