/** `ngisec run` against a kernel: in a network namespace of its own, so that what is left behind would be seen. */
import { libc } from '@ngisec/link-linux';
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { exchange, KEYS, NODE, Workbench } from '../test/workbench.ts';

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

  /** Runs until packets flow, asks for a report and interrupts. */
  async function runOnce(...options: string[]): Promise<{ code: number; out: string; err: string }> {
    const running = bench.run(['run', bench.node, '--report', `${bench.directory}/report.json`, ...options]);
    await until(() => process.listenerCount('SIGINT') > 0 && !existsSync(bench.keys));
    process.emit('SIGUSR2', 'SIGUSR2');
    process.emit('SIGINT', 'SIGINT');
    return running;
  }

  const keys = [...KEYS.matchAll(/key: ([0-9a-f]+)/g)].map(([, key]) => key!);

  /** What holds a key, in hexadecimal, Base64 or as it is: of these texts, and of the files a node writes. */
  function leaks(...texts: string[]): string[] {
    const files = [bench.directory, '/run/ngisec'].flatMap((directory) =>
      existsSync(directory)
        ? readdirSync(directory, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile())
            .map(({ parentPath, name }) => `${parentPath}/${name}`)
        : [],
    );
    const forms = keys.flatMap((key) => {
      // Without the salt, and without the end that Base64 shares with it.
      const octets = Buffer.from(key, 'hex').subarray(0, 15);
      return [Buffer.from(octets.toString('hex')), Buffer.from(octets.toString('base64')), octets];
    });
    const holdsKey = (content: Buffer): boolean => {
      const lower = Buffer.from(content.toString('latin1').toLowerCase(), 'latin1');
      return forms.some((form) => content.includes(form) || lower.includes(form));
    };
    return [
      ...texts.filter((text) => holdsKey(Buffer.from(text))),
      ...files.filter((file) => holdsKey(readFileSync(file))),
    ];
  }

  asRoot('#98 no key in any output or file unless asked for', async () => {
    expect(leaks()).toEqual([bench.keys]);
    const { code, out, err } = await runOnce();
    expect([code, existsSync(`${bench.directory}/report.json`)]).toEqual([0, true]);
    expect(err).not.toContain('warning');
    expect(leaks(out, err)).toEqual([]);
  });

  asRoot('--key-log writes the keys, with a warning, to that file and nowhere else', async () => {
    const keyLog = `${bench.directory}/keys.log`;
    const { code, out, err } = await runOnce('--key-log', keyLog);
    expect(code).toBe(0);
    expect(err.split('\n')[0]).toBe(
      `warning: ${keyLog} holds the keys of this node: whoever has the file reads everything they protect, and can forge it`,
    );
    expect(leaks(out, err)).toEqual([keyLog]);
    expect(statSync(keyLog).mode & 0o777).toBe(0o600);
    expect(readFileSync(keyLog, 'utf8').split('\n')).toEqual([
      `ngisec-sa 00001000 both aes-128-gcm full ${keys[0]} bob>runtime-test-${process.pid}`,
      `ngisec-sa 00001001 both aes-128-gcm full ${keys[1]} runtime-test-${process.pid}>bob`,
      '',
    ]);
  });

  asRoot(
    '--key-log on a file that is there: exit code 2, the keys still there, nothing left behind',
    async () => {
      const keyLog = `${bench.directory}/keys.log`;
      writeFileSync(keyLog, 'mine');
      const { code, out, err } = await bench.run(['run', bench.node, '--key-log', keyLog]);
      expect([code, out, err]).toEqual([
        2,
        '',
        `${keyLog}:1:1: key log: is there already; a key log is a new file`,
      ]);
      expect([readFileSync(keyLog, 'utf8'), existsSync(bench.keys)]).toEqual(['mine', true]);
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
