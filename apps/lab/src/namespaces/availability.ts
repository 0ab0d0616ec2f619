import { libc } from '@ngisec/link-linux';
import { closeSync, constants, openSync } from 'node:fs';
import { attempt, find, run } from './command.ts';
import { enter } from './enter.ts';

export type Availability =
  { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly fix: string };

const AS_ROOT =
  'run as root (`sudo npm start`); in a container add `--cap-add NET_ADMIN --cap-add SYS_ADMIN --device /dev/net/tun`';

/** Whether this machine and this user can make the laboratory's namespaces; tried, not guessed. */
export function available(): Availability {
  if (process.platform !== 'linux') {
    return no(
      `network namespaces are Linux's, this is ${process.platform}`,
      'run on Linux, or in a Linux container',
    );
  }
  if (find('ip') === undefined)
    return no('the command "ip" is missing', 'install iproute2 (`apt-get install iproute2`)');
  try {
    libc();
  } catch (error) {
    return no((error as Error).message, (error as { fix?: string }).fix ?? '');
  }
  return tunProblem() ?? namespaceProblem() ?? { ok: true };
}

const no = (reason: string, fix: string): Availability => ({ ok: false, reason, fix });

function tunProblem(): Availability | undefined {
  try {
    closeSync(openSync('/dev/net/tun', constants.O_RDWR));
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      return no('there is no /dev/net/tun', 'load the module: `modprobe tun`; or ' + AS_ROOT);
    return no(`/dev/net/tun cannot be opened (${code})`, AS_ROOT);
  }
}

function namespaceProblem(): Availability | undefined {
  const name = `ngisec-probe-${process.pid}`;
  try {
    run(['ip', 'netns', 'add', name]);
    run(['ip', '-n', name, 'link', 'add', 'probe0', 'type', 'veth', 'peer', 'name', 'probe1']);
    enter(name, () => undefined);
    return undefined;
  } catch (error) {
    return no(`network namespaces cannot be made: ${(error as Error).message}`, AS_ROOT);
  } finally {
    attempt(['ip', 'netns', 'del', name]);
  }
}
