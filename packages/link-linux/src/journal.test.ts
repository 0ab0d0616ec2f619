import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal, journals, undoStale, type Step } from './journal.ts';
import { LinkError } from './link-error.ts';
import { networkNamespace, processStartTime, type System } from './system.ts';

/** A machine with some sysctls, on which every command succeeds but those told to fail. */
class FakeSystem implements System {
  readonly done: string[] = [];
  readonly sysctls = new Map<string, string>();
  failing = /^$/;
  /** Called before each command and write. */
  before: () => void = () => undefined;

  run(command: readonly string[]): string {
    this.before();
    const line = command.join(' ');
    if (this.failing.test(line)) throw new LinkError(`"${line}" failed: refused`, 'Do not.');
    this.done.push(line);
    return '';
  }

  readSysctl(name: string): string | undefined {
    return this.sysctls.get(name);
  }

  writeSysctl(name: string, value: string): void {
    this.before();
    if (!this.sysctls.has(name)) throw new LinkError(`no ${name}`, 'Do not.');
    this.done.push(`${name}=${value}`);
    this.sysctls.set(name, value);
  }
}

const steps: Step[] = [
  { kind: 'sysctl', name: 'net/a', value: '1' },
  { kind: 'command', run: ['add', 'one'], undo: ['del', 'one'] },
  { kind: 'command', run: ['add', 'two'] },
  { kind: 'command', run: ['add', 'three'], undo: ['del', 'three'] },
];

let directory: string;
let system: FakeSystem;
const files = (): string[] => readdirSync(directory);
const onlyFile = (): string => join(directory, files()[0]!);

/** Lets the journal stand as a process would leave it that is gone, or whose pid another has now. */
const disown = (owner: { pid: number; startTime: string }): void => {
  const [, ...rest] = readFileSync(onlyFile(), 'utf8').split('\n');
  writeFileSync(onlyFile(), [JSON.stringify(owner), ...rest].join('\n'));
};
const deadPid = (): number => spawnSync('true').pid;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ngisec-journal-'));
  system = new FakeSystem();
  system.sysctls.set('net/a', '0');
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('Journal', () => {
  test('does the steps in order and takes them back in reverse', () => {
    const journal = Journal.create('node', directory, system);
    journal.perform(steps);
    expect(system.done).toEqual(['net/a=1', 'add one', 'add two', 'add three']);
    system.done.length = 0;
    journal.undo();
    expect(system.done).toEqual(['del three', 'del one', 'net/a=0']);
    expect(files()).toEqual([]);
  });

  test('the undo is in the file, which only its owner may read, before the step is done', () => {
    const journal = Journal.create('node', directory, system);
    const seen: string[] = [];
    system.before = () => seen.push(readFileSync(onlyFile(), 'utf8').trimEnd().split('\n').at(-1)!);
    journal.perform(steps.slice(0, 2));
    expect(seen).toEqual(['{"sysctl":"net/a","value":"0"}', '{"run":["del","one"]}']);
    expect(statSync(onlyFile()).mode & 0o777).toBe(0o600);
    expect(files()).toEqual([`node.${networkNamespace()}.journal`]);
  });

  test('a failing step takes back what was done, and says which command and why', () => {
    system.failing = /add three/;
    const journal = Journal.create('node', directory, system);
    expect(() => journal.perform(steps)).toThrow('"add three" failed: refused');
    expect(system.done.slice(3)).toEqual(['del three', 'del one', 'net/a=0']);
    expect(files()).toEqual([]);
  });

  test('undoing goes on past steps that are gone', () => {
    const journal = Journal.create('node', directory, system);
    journal.perform(steps);
    system.failing = /del three/;
    journal.undo();
    expect(system.done.slice(4)).toEqual(['del one', 'net/a=0']);
  });

  test('a sysctl that has its value already is left alone, before and after', () => {
    system.sysctls.set('net/a', '1');
    const journal = Journal.create('node', directory, system);
    journal.perform(steps.slice(0, 1));
    system.sysctls.set('net/a', '7');
    journal.undo();
    expect(system.sysctls.get('net/a')).toBe('7');
  });

  test('names that could leave the directory are refused', () => {
    expect(() => Journal.create('../node', directory, system)).toThrow(LinkError);
  });

  test('a directory that cannot be written is a LinkError', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    expect(() => Journal.create('node', join(file, 'below'), system)).toThrow(LinkError);
  });
});

describe('undoStale', () => {
  test('leaves what a living process did, this one included', () => {
    Journal.create('node', directory, system).perform(steps);
    expect(undoStale('node', directory, system)).toBe(false);
    expect(journals(directory)).toEqual([{ name: 'node', pid: process.pid, isAlive: true }]);
  });

  test('takes back what a dead process did, once', () => {
    Journal.create('node', directory, system).perform(steps);
    disown({ pid: deadPid(), startTime: '1' });
    system.done.length = 0;
    expect(undoStale('node', directory, system)).toBe(true);
    expect(system.done).toEqual(['del three', 'del one', 'net/a=0']);
    expect(undoStale('node', directory, system)).toBe(false);
  });

  test('a process that has the pid of a dead one does not keep its journal alive', () => {
    Journal.create('node', directory, system).perform(steps);
    disown({ pid: process.pid, startTime: `${Number(processStartTime(process.pid)) - 1}` });
    expect(journals(directory)).toEqual([{ name: 'node', pid: process.pid, isAlive: false }]);
    expect(undoStale('node', directory, system)).toBe(true);
  });

  test('a line cut off by the crash is of a step that was not begun', () => {
    Journal.create('node', directory, system).perform(steps);
    disown({ pid: deadPid(), startTime: '1' });
    appendFileSync(onlyFile(), '{"run":["del","fo');
    system.done.length = 0;
    expect(undoStale('node', directory, system)).toBe(true);
    expect(system.done).toEqual(['del three', 'del one', 'net/a=0']);
  });

  test('does nothing where there is no journal', () => {
    expect(undoStale('other', directory, system)).toBe(false);
    expect(journals(join(directory, 'none'))).toEqual([]);
  });
});
