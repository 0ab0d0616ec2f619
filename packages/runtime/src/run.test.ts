/** `ngisec run` against a kernel: in a network namespace of its own, so that what is left behind would be seen. */
import { libc } from '@ngisec/link-linux';
import { execFileSync } from 'node:child_process';
import { chownSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { exchange, NODE, Workbench } from '../test/workbench.ts';

const missing =
  process.platform !== 'linux'
    ? 'no Linux'
    : process.getuid!() !== 0
      ? 'not root'
      : existsSync('/dev/net/tun')
        ? undefined
        : 'no /dev/net/tun';
const asRoot = missing === undefined || process.env['CI'] ? test : test.skip;
if (asRoot !== test) process.stderr.write(`skipping run.test.ts: ${missing}\n`);

const CLONE_NEWNET = 0x40000000;
const NOBODY = 65534;
const NAMESPACE = `ng${process.pid}-run`;
const ip = (...argv: string[]): string => execFileSync('ip', argv, { encoding: 'utf8' });

function enter(path: string): number {
  const own = libc().open('/proc/thread-self/ns/net', constants.O_RDONLY);
  const other = libc().open(path, constants.O_RDONLY);
  if (libc().setns(other, CLONE_NEWNET) < 0) throw new Error(`cannot enter ${path}`);
  libc().close(other);
  return own;
}

/** Everything a node changes on a machine: links, rules, routes, filters, sysctls, records of what is to be undone. */
function machine(): object {
  const sysctls = ['ipv4/conf/all/rp_filter', 'ipv4/conf/lan0/rp_filter', 'ipv4/conf/lan0/forwarding'];
  return {
    links: ip('-br', 'link'),
    rules: [ip('-4', 'rule'), ip('-6', 'rule')],
    routes: [ip('-4', 'route', 'show', 'table', 'all'), ip('-6', 'route', 'show', 'table', 'all')],
    filters: execFileSync('tc', ['qdisc', 'show'], { encoding: 'utf8' }),
    sysctls: sysctls.map((name) => readFileSync(`/proc/sys/net/${name}`, 'utf8')),
    records: existsSync('/run/ngisec')
      ? readdirSync('/run/ngisec').filter((file) => file.startsWith('runtime-test'))
      : [],
  };
}

describe('run', () => {
  let bench: Workbench;
  let own = -1;
  let before: object;

  beforeEach(() => {
    bench = new Workbench({ node: exchange(NODE, 'alice\n', `runtime-test-${process.pid}\n`) });
    if (missing !== undefined) return;
    ip('netns', 'add', NAMESPACE);
    own = enter(`/run/netns/${NAMESPACE}`);
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'far0');
    // No addresses of their own making, which would come late and look like a change.
    for (const name of ['lan0', 'far0']) ip('link', 'set', name, 'addrgenmode', 'none', 'up');
    ip('addr', 'add', '192.0.2.1/24', 'dev', 'lan0');
    ip('route', 'add', 'default', 'via', '192.0.2.254');
    before = machine();
  });
  afterEach(() => {
    bench.close();
    if (own < 0) return;
    libc().setns(own, CLONE_NEWNET);
    libc().close(own);
    own = -1;
    ip('netns', 'del', NAMESPACE);
  });

  asRoot('an interface that is not there: exit code 1, what to do, and nothing left behind', async () => {
    writeFileSync(bench.node, exchange(readFileSync(bench.node, 'utf8'), 'lan0', 'nosuch0'));
    const { code, out, err } = await bench.run(['run', bench.node]);
    expect([code, out]).toEqual([1, '']);
    expect(err.split('\n')).toEqual([
      expect.stringMatching(/ip -j link show dev nosuch0.*Device "nosuch0" does not exist/),
      '  Check the interface names (`ip link`).',
    ]);
    expect(machine()).toEqual(before);
  });

  asRoot('without rights: exit code 1, what to do, the keys still there', async () => {
    chownSync(bench.directory, NOBODY, NOBODY);
    chownSync(bench.keys, NOBODY, NOBODY);
    process.seteuid!(NOBODY);
    let result;
    try {
      result = await bench.run(['run', bench.node]);
    } finally {
      process.seteuid!(0);
    }
    const { code, out, err } = result;
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(
      /^cannot (open|create) .*: (EACCES|EPERM).*\n {2}Run as root, or give the process CAP_NET_ADMIN\.$/,
    );
    expect(existsSync(bench.keys)).toBe(true);
    expect(machine()).toEqual(before);
  });

  asRoot(
    '#98 takes the keys, runs until interrupted, writes its report and leaves the machine as it was',
    async () => {
      const report = `${bench.directory}/report.json`;
      const running = bench.run(['run', bench.node, '--report', report]);
      await until(() => process.listenerCount('SIGINT') > 0 && ip('-4', 'rule').includes('20101'));
      expect(existsSync(bench.keys)).toBe(false);
      process.emit('SIGUSR2', 'SIGUSR2');
      expect(JSON.parse(readFileSync(report, 'utf8'))).toMatchObject({
        app: 'relay',
        channels: ['bob'],
        unaccounted: 0,
      });
      process.emit('SIGINT', 'SIGINT');
      const { code, out, err } = await running;
      expect([code, out]).toEqual([0, '']);
      expect(err).toMatch(
        /^runtime-test-\d+ runs as relay on ngisec\d+: interception by (tc|rules), crypto by \S+$/,
      );
      expect(process.listenerCount('SIGINT')).toBe(0);
      expect(machine()).toEqual(before);
    },
  );
});

async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; !isTrue(); turn += 1) {
    if (turn > 200) throw new Error('it never came');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
