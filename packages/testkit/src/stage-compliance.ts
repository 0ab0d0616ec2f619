import assert from 'node:assert/strict';
import {
  checkGraph,
  limits,
  packetStates,
  seededRandom,
  StageRegistry,
  type StageFactory,
} from '@ngisec/core';
import { ComplianceBench, type PreparePacket } from './compliance-bench.ts';
import { packetMutator } from './mutations.ts';

export interface ComplianceOptions {
  readonly factory: StageFactory;
  readonly options?: Readonly<Record<string, unknown>>;
  /** Packets the stage is made for, of each kind it tells apart. */
  readonly validPackets: readonly Uint8Array[];
  /** Inputs to feed; default all. */
  readonly inputs?: readonly string[];
  /**
   * Makes a raw packet into what the input's states promise; false leaves it out. Default: `preparePacket` for
   * every input that does not accept `raw`.
   */
  readonly prepare?: PreparePacket;
  /** Default 1. */
  readonly seed?: number;
  /** Random and truncated packets an input gets. Default 10,000. */
  readonly badPackets?: number;
}

/** One check: `run` throws an `AssertionError` that says what the stage did. */
export interface ComplianceCheck {
  readonly name: string;
  readonly run: () => void;
}

const NAME = /^[a-z][A-Za-z0-9]*$/;

/**
 * What the engine expects of any stage, as checks for whatever test runner: `for (const { name, run } of
 * stageCompliance(...)) test(name, run)`.
 */
export function stageCompliance(options: ComplianceOptions): readonly ComplianceCheck[] {
  const { factory, validPackets } = options;
  if (validPackets.length === 0) throw new RangeError('the suite needs at least one valid packet');
  const inputs = options.inputs ?? Object.keys(factory.descriptor.inputs);
  const bench = (): ComplianceBench => new ComplianceBench(options);
  const { kind } = factory.descriptor;
  const check = (name: string, run: () => void): ComplianceCheck => ({ name: `F25 ${kind}: ${name}`, run });
  const perInput = (name: string, run: (input: string) => void): ComplianceCheck[] =>
    inputs.map((input) => check(`${name} (input ${input})`, () => run(input)));
  const hasOptional = Object.values(factory.descriptor.outputs).some(({ optional }) => optional === true);
  const feedUnconnected = (input: string): void =>
    feedValid(new ComplianceBench({ ...options, connectOptional: false }), input, validPackets);
  return [
    check('the descriptor is complete', () => checkDescriptor(factory)),
    check('handlers are those of the declared inputs', () => bench().checkHandlers()),
    check('defaults are accepted, unknown options refused', () => checkOptions(options)),
    ...perInput('accounts for every valid packet', (input) => feedValid(bench(), input, validPackets)),
    ...perInput('accounts for every random or truncated packet', (input) => feedBad(bench(), input, options)),
    ...perInput('handles an empty batch', (input) => bench().feedEmpty(input)),
    ...perInput('handles a full batch', (input) => feedFull(bench(), input, validPackets)),
    ...(hasOptional
      ? perInput('accounts for what an unconnected optional output gets', feedUnconnected)
      : []),
    check('stopping twice is safe', () => stopTwice(bench(), inputs, validPackets)),
  ];
}

function checkDescriptor({ descriptor }: StageFactory): void {
  const { kind, summary, inputs, outputs, counters, drops, options } = descriptor;
  assert.match(
    kind,
    /^[a-z][a-z0-9-]*(\/[a-z][a-z0-9-]*)?$/,
    'the kind is kebab-case, a third party’s with its name and / before',
  );
  assert.ok(summary.length > 0, 'there is a summary');
  for (const [name, input] of Object.entries(inputs)) {
    assert.ok(input.accepts.length > 0, `input "${name}" accepts a state`);
    for (const state of input.accepts) assert.ok(state in packetStates, `"${state}" is a packet state`);
  }
  for (const output of Object.values(outputs)) {
    assert.ok(output.emits in packetStates, `"${output.emits}" is a packet state`);
  }
  for (const [name, description] of Object.entries(drops)) {
    assert.match(name, NAME, 'drop reasons are camelCase');
    assert.ok(description.length > 0, `drop reason "${name}" is described`);
    assert.ok(
      !['unconnected', 'stageFailed'].includes(name),
      `"${name}" is a drop reason of the graph’s own`,
    );
  }
  for (const [name, { description, unit }] of Object.entries(counters)) {
    assert.match(name, NAME, 'counters are camelCase');
    assert.ok(description.length > 0, `counter "${name}" is described`);
    assert.ok(
      ['packets', 'octets', 'operations', 'entries'].includes(unit),
      `counter "${name}" has a known unit`,
    );
  }
  const described = Object.entries({ ...inputs, ...outputs, ...options });
  for (const [name, { description }] of described)
    assert.ok(description.length > 0, `"${name}" is described`);
}

function checkOptions({ factory, options = {} }: ComplianceOptions): void {
  const { kind, inputs, outputs } = factory.descriptor;
  const stub: StageFactory = {
    descriptor: {
      kind: 'compliance-sink',
      summary: '',
      specifications: [],
      inputs: { in: { accepts: Object.values(outputs).map(({ emits }) => emits), description: '' } },
      outputs: {},
      options: {},
      counters: {},
      drops: {},
    },
    create: () => ({ inputs: { in: () => undefined } }),
  };
  const registry = new StageRegistry([factory, stub]);
  const links = Object.keys(outputs).map((port) => `subject.${port} -> sink.in`);
  const problemsWith = (given: Readonly<Record<string, unknown>>): readonly string[] => {
    const stages = { subject: { kind, options: given }, sink: { kind: 'compliance-sink' } };
    return checkGraph({ stages, links }, registry).map(({ message }) => message);
  };
  assert.ok(Object.keys(inputs).length + Object.keys(outputs).length > 0, 'the stage has a port');
  assert.deepEqual(problemsWith({}), [], 'the defaults are within their own bounds');
  assert.deepEqual(problemsWith(options), [], 'the options of this suite are valid');
  assert.equal(problemsWith({ ...options, noSuchOption: 1 }).length, 1, 'an unknown option is refused');
}

function feedValid(bench: ComplianceBench, input: string, packets: readonly Uint8Array[]): void {
  bench.feed(input, packets);
  assert.ok(bench.fed > 0, 'at least one valid packet passes the preparation');
  bench.checkAccounts();
}

function feedFull(bench: ComplianceBench, input: string, packets: readonly Uint8Array[]): void {
  const full = Array.from({ length: limits.batchPackets }, (_, index) => packets[index % packets.length]!);
  bench.feed(input, full);
  bench.checkAccounts();
}

function feedBad(bench: ComplianceBench, input: string, options: ComplianceOptions): void {
  const { validPackets, seed = 1, badPackets = 10_000 } = options;
  const random = seededRandom(seed);
  const mutate = packetMutator(random, validPackets);
  const scratch = new Uint8Array(bench.pool.packetBytesMax);
  for (let made = 0; made < badPackets;) {
    const size = 1 + random.integer(Math.min(limits.batchPackets, badPackets - made));
    const batch = Array.from({ length: size }, () => {
      // Every fourth is valid, so that bad packets meet a stage that is at work.
      if (random.integer(4) === 0) return validPackets[random.integer(validPackets.length)]!;
      return scratch.slice(0, mutate(scratch));
    });
    bench.feed(input, batch);
    made += size;
  }
  bench.checkAccounts();
}

function stopTwice(bench: ComplianceBench, inputs: readonly string[], packets: readonly Uint8Array[]): void {
  for (const input of inputs) bench.feed(input, packets);
  bench.graph.stop();
  assert.doesNotThrow(() => bench.graph.stop(), 'a second stop does nothing');
}
