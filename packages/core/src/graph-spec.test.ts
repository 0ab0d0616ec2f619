import { describeStage } from './descriptor.ts';
import { deviceDescriptor } from './device-stage.ts';
import { checkGraph, GraphBuilder, parseLink, type GraphSpec } from './graph-spec.ts';
import { Graph, GraphError } from './graph.ts';
import { PacketPool } from './packet-pool.ts';
import { StageRegistry } from './registry.ts';
import { stageFactory } from './stage.ts';
import { VirtualClock } from './clock.ts';

const common = { summary: '', specifications: [], counters: {}, drops: {} };

const parse = describeStage({
  ...common,
  kind: 'parse',
  inputs: { in: { accepts: ['raw'], description: '' } },
  outputs: {
    ok: { emits: 'ip', description: '' },
    bad: { emits: 'raw', description: '', optional: true },
  },
  options: { checksums: { type: 'boolean', default: true, description: '' } },
});

const forward = describeStage({
  ...common,
  kind: 'forward',
  inputs: { in: { accepts: ['ip', 'clear'], description: '' } },
  outputs: { out: { emits: 'clear', description: '' } },
  options: {},
});

const idle = () => undefined;
const registry = new StageRegistry([
  stageFactory(deviceDescriptor, () => ({ inputs: { inbound: idle, outbound: idle } })),
  stageFactory(parse, () => ({ inputs: { in: idle } })),
  stageFactory(forward, () => ({ inputs: { in: idle } })),
]);

const good: GraphSpec = {
  stages: { tun: { kind: 'device' }, parse: { kind: 'parse' }, forward: { kind: 'forward' } },
  links: ['tun.rx -> parse.in', 'parse.ok -> forward.in', 'forward.out -> tun.outbound'],
};

const withStage = (name: string, stage: GraphSpec['stages'][string]): GraphSpec => ({
  ...good,
  stages: { ...good.stages, [name]: stage },
});
const withLinks = (...links: string[]): GraphSpec => ({ ...good, links });
const [rx, ok, out] = good.links as [string, string, string];

describe('F2 F3 checkGraph', () => {
  test('a good graph has no problems', () => {
    expect(checkGraph(good, registry)).toEqual([]);
  });

  test.each<[string, GraphSpec, (string | number)[], string]>([
    [
      'unknown kind',
      withStage('parse', { kind: 'prase' }),
      ['stages', 'parse', 'kind'],
      'unknown kind "prase" (did you mean "parse"?)',
    ],
    [
      'unknown option',
      withStage('parse', { kind: 'parse', options: { checksum: true } }),
      ['stages', 'parse', 'options', 'checksum'],
      'option "checksum" is not an option of this kind (did you mean "checksums"?)',
    ],
    [
      'wrong value',
      withStage('parse', { kind: 'parse', options: { checksums: 'on' } }),
      ['stages', 'parse', 'options', 'checksums'],
      'option "checksums" must be true or false',
    ],
    [
      'no link at all',
      withLinks(rx, ok, out, 'parse.bad => tun.inbound'),
      ['links', 3],
      '"parse.bad => tun.inbound" is not of the form "stage.output -> stage.input"',
    ],
    [
      'unknown stage',
      withLinks(rx, 'parse.ok -> forwrd.in', out),
      ['links', 1],
      'no stage is named "forwrd" (did you mean "forward"?)',
    ],
    [
      'unknown output',
      withLinks(rx, ok, out, 'parse.bda -> tun.inbound'),
      ['links', 3],
      '"parse" has no output "bda" (did you mean "bad"?)',
    ],
    [
      'unknown input',
      withLinks(rx, ok, 'forward.out -> tun.outbond'),
      ['links', 2],
      '"tun" has no input "outbond" (did you mean "outbound"?)',
    ],
    [
      'F3 a state that the input does not accept',
      withLinks(rx, ok, out, 'parse.bad -> forward.in'),
      ['links', 3],
      '"forward.in" accepts ip or clear packets, but "parse.bad" emits raw ones',
    ],
    [
      'an output linked twice',
      withLinks(rx, ok, out, 'forward.out -> tun.inbound'),
      ['links', 3],
      '"forward.out" is linked twice; a packet has one owner, so fan-out needs a stage that copies',
    ],
    [
      'an output left open',
      withLinks(rx, ok),
      ['stages', 'forward'],
      'output "forward.out" is not connected',
    ],
  ])('%s', (_, spec, path, message) => {
    expect(checkGraph(spec, registry)).toEqual([{ path, message }]);
  });

  test('packets that would go in circles, unless through a device', () => {
    const spec: GraphSpec = {
      stages: { ...good.stages, again: { kind: 'forward' } },
      links: [rx, 'parse.ok -> tun.inbound', 'forward.out -> again.in', 'again.out -> forward.in'],
    };
    expect(checkGraph(spec, registry)).toEqual([
      // The fixture's devices take no `ip` packets: the circle is told besides.
      { path: ['links', 1], message: expect.stringContaining('"parse.ok" emits ip ones') as string },
      { path: ['links'], message: 'packets would go in circles: forward -> again -> forward' },
    ]);
    const itself = withLinks(rx, ok, 'forward.out -> forward.in');
    expect(checkGraph(itself, registry).at(-1)!.message).toBe(
      'packets would go in circles: forward -> forward',
    );
  });

  test('a diamond is no circle', () => {
    const spec: GraphSpec = {
      stages: {
        a: { kind: 'parse' },
        b: { kind: 'forward' },
        c: { kind: 'forward' },
        tun: { kind: 'device' },
      },
      links: ['tun.rx -> a.in', 'a.ok -> b.in', 'b.out -> c.in', 'c.out -> tun.inbound'],
    };
    expect(checkGraph(spec, registry)).toEqual([]);
  });

  test('names that every object inherits are as unknown as any other', () => {
    const spec: GraphSpec = {
      stages: { ...good.stages, parse: { kind: 'parse', options: { constructor: 1 } } },
      links: [
        rx,
        ok,
        out,
        'toString.x -> tun.inbound',
        'parse.constructor -> tun.inbound',
        'parse.bad -> tun.valueOf',
      ],
    };
    const messages = checkGraph(spec, registry).map(({ message }) => message.replace(/ \(.*/, ''));
    expect(messages).toEqual([
      'option "constructor" is not an option of this kind',
      'no stage is named "toString"',
      '"parse" has no output "constructor"',
      '"tun" has no input "valueOf"',
    ]);
  });

  test('every mistake is told at once, and Graph refuses with all of them', () => {
    const spec: GraphSpec = {
      stages: { a: { kind: 'nope' }, b: { kind: 'forward' } },
      links: ['x', 'y.z -> b.in'],
    };
    const problems = checkGraph(spec, registry);
    expect(problems.map(({ path }) => path)).toEqual([
      ['stages', 'a', 'kind'],
      ['links', 0],
      ['links', 1],
      ['stages', 'b'],
    ]);
    const build = (): Graph =>
      new Graph(spec, { registry, pool: new PacketPool({ packets: 1 }), clock: new VirtualClock() });
    expect(build).toThrow(GraphError);
    expect(build).toThrow('links.0: "x" is not of the form');
    expect(build).toThrow('stages.b: output "b.out" is not connected');
  });
});

test.each([
  ['a.b -> c.d', { from: { stage: 'a', port: 'b' }, to: { stage: 'c', port: 'd' } }],
  ['  lan-1.rx->nat_2.in ', { from: { stage: 'lan-1', port: 'rx' }, to: { stage: 'nat_2', port: 'in' } }],
  ['a -> b', undefined],
  ['a.b -> c.d.e', undefined],
  ['a.b -> c.d -> e.f', undefined],
  ['', undefined],
])('parseLink: "%s"', (text, link) => {
  expect(parseLink(text)).toEqual(link);
});

describe('GraphBuilder', () => {
  test('makes the spec that the same names in text make', () => {
    const builder = new GraphBuilder();
    const tun = builder.add('tun', deviceDescriptor);
    const parser = builder.add('parse', parse, { checksums: false });
    const forwarder = builder.add('forward', forward);
    builder
      .link(tun.out.rx, parser.in.in)
      .link(parser.out.ok, forwarder.in.in)
      .link(forwarder.out.out, tun.in.outbound);
    expect(builder.spec()).toEqual({
      stages: {
        tun: { kind: 'device', options: {} },
        parse: { kind: 'parse', options: { checksums: false } },
        forward: { kind: 'forward', options: {} },
      },
      links: good.links,
    });
    expect(checkGraph(builder.spec(), registry)).toEqual([]);
  });

  test('refuses two stages of one name', () => {
    const builder = new GraphBuilder();
    builder.add('constructor', parse);
    expect(() => builder.add('constructor', forward)).toThrow('two stages are named "constructor"');
  });

  // The type check of the tests proves these: a line that is no error where one is expected fails it.
  test('F3 what does not fit does not compile', () => {
    const builder = new GraphBuilder();
    const tun = builder.add('tun', deviceDescriptor);
    const parser = builder.add('parse', parse);
    const forwarder = builder.add('forward', forward);
    // @ts-expect-error raw packets, where ip or clear ones are accepted
    builder.link(tun.out.rx, forwarder.in.in);
    // @ts-expect-error ip packets, where raw ones are accepted
    builder.link(parser.out.ok, parser.in.in);
    // @ts-expect-error an input as the beginning of a link
    builder.link(parser.in.in, parser.in.in);
    // @ts-expect-error an output as the end of a link
    builder.link(parser.out.bad, parser.out.bad);
    // @ts-expect-error no output has this name
    expect(parser.out.okay).toBeUndefined();
    // @ts-expect-error no input has this name
    expect(tun.in.rx).toBeUndefined();
    // @ts-expect-error no option has this name
    builder.add('b', parse, { checksum: true });
    // @ts-expect-error an option of another type
    builder.add('c', parse, { checksums: 1 });
    expect(checkGraph(builder.spec(), registry).length).toBeGreaterThan(0);
  });
});
