import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exchange, KEYS, NODE, Workbench } from '../test/workbench.ts';

let bench: Workbench;
beforeEach(() => (bench = new Workbench()));
afterEach(() => bench.close());

describe('ngisec', () => {
  test('version prints that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    expect(await bench.run(['version'])).toEqual({ code: 0, out: version, err: '' });
  });

  test.each([['--help'], ['help'], ['-h']])('%s names the commands', async (argument) => {
    const { code, out } = await bench.run([argument]);
    expect(code).toBe(0);
    for (const command of ['run ', 'check ', 'down ', 'version ']) expect(out).toContain(`\n  ${command}`);
  });

  test('run --help explains the options', async () => {
    const { code, out } = await bench.run(['run', '--help']);
    expect([code, out]).toEqual([0, expect.stringContaining('--report <file>')]);
  });

  test.each([
    ['an unknown command', ['chek'], "error: unknown command 'chek'\n(Did you mean check?)"],
    [
      'an unknown option',
      ['check', '--jsn', 'x.yaml'],
      "error: unknown option '--jsn'\n(Did you mean --json?)",
    ],
    ['a missing argument', ['run'], "error: missing required argument 'file'"],
    [
      'an argument too many',
      ['run', 'a', 'b'],
      "error: too many arguments for 'run'. Expected 1 argument but got 2.",
    ],
  ])('%s: exit code 2', async (_, argv, said) => {
    expect(await bench.run(argv)).toEqual({ code: 2, out: '', err: said });
  });

  test('nothing at all: the help, exit code 2', async () => {
    const { code, out, err } = await bench.run([]);
    expect([code, out, err]).toEqual([2, '', expect.stringContaining('Usage: ngisec')]);
  });

  test('a bug of an application: exit code 1, and where it is', async () => {
    const find = async (): Promise<never> => {
      throw new Error('boom');
    };
    const { code, err } = await bench.run(['check', bench.node], find);
    expect([code, err]).toEqual([1, expect.stringMatching(/^Error: boom\n +at find .*command\.test\.ts/)]);
  });
});

describe('check', () => {
  const links = ['device.rx -> relay.in', 'relay.out -> device.outbound'];
  const stages = { device: { kind: 'device', options: {} }, relay: { kind: 'test/relay', options: {} } };

  test('says that a file is right, on standard output', async () => {
    expect(await bench.run(['check', bench.node])).toEqual({ code: 0, out: `${bench.node}: ok`, err: '' });
  });

  test('--graph prints the links', async () => {
    const { out } = await bench.run(['check', '--graph', bench.node]);
    expect(out.split('\n')).toEqual([`${bench.node}: ok`, ...links.map((link) => `  ${link}`)]);
  });

  test('--json gives the graphs by file', async () => {
    const { code, out, err } = await bench.run(['check', '--json', bench.node]);
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toEqual({ ok: true, problems: [], graphs: { [bench.node]: { stages, links } } });
  });

  test('--json gives the problems of all files and the graphs of the right ones; exit code 2', async () => {
    const wrong = join(bench.directory, 'wrong.yaml');
    const worse = join(bench.directory, 'worse.yaml');
    writeFileSync(wrong, exchange(NODE, 'interface: lan0', 'interfaces: lan0'));
    const { code, out, err } = await bench.run(['check', '--json', wrong, bench.node, worse]);
    expect([code, err]).toEqual([2, '']);
    expect(JSON.parse(out)).toEqual({
      ok: false,
      problems: [
        { file: wrong, line: 1, column: 1, message: '"interface" is missing' },
        { file: wrong, line: 4, column: 1, message: 'unknown key "interfaces" (did you mean "interface"?)' },
        { file: worse, line: 1, column: 1, message: 'there is no such file' },
      ],
      graphs: { [bench.node]: { stages, links } },
    });
  });

  test('changes nothing', async () => {
    for (const options of [[], ['--json'], ['--graph']]) await bench.run(['check', ...options, bench.node]);
    expect([readFileSync(bench.node, 'utf8'), readFileSync(bench.keys, 'utf8')]).toEqual([NODE, KEYS]);
  });
});

describe('down', () => {
  const onLinux = process.platform === 'linux' || process.env['CI'] ? test : test.skip;

  onLinux('says that there is nothing to undo', async () => {
    expect(await bench.run(['down', bench.node])).toEqual({
      code: 0,
      out: 'alice: nothing to undo',
      err: '',
    });
  });

  onLinux('needs only the name: the keys are long gone', async () => {
    writeFileSync(bench.node, 'name: bob\napp: 7\n');
    expect(await bench.run(['down', bench.node])).toEqual({ code: 0, out: 'bob: nothing to undo', err: '' });
  });

  test('a file without a name: exit code 2', async () => {
    writeFileSync(bench.node, 'app: relay\n');
    expect(await bench.run(['down', bench.node])).toEqual({
      code: 2,
      out: '',
      err: `${bench.node}:1:1: "name" is missing`,
    });
  });
});
