import assert from 'node:assert/strict';
import {
  Batch,
  Graph,
  PacketPool,
  StageRegistry,
  unaccounted,
  VirtualClock,
  type OutputPort,
  type PacketState,
  type Stage,
  type StageDescriptor,
  type StageFactory,
  type StageReport,
} from '@ngisec/core';
import { preparePacket } from './prepare-packet.ts';

export type PreparePacket = (pool: PacketPool, packet: number, input: string) => boolean;

export interface BenchOptions {
  readonly factory: StageFactory;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly prepare?: PreparePacket;
  /** Default true. */
  readonly connectOptional?: boolean;
}

const FEEDER = 'compliance-feeder';
const SINK = 'compliance-sink';
/** How long a stage that holds packets is given to let go of them. */
const PATIENCE_MS = 600_000;
const STEP_MS = 1000;

/** A graph of one stage: a feeder before each input, a sink behind each output. */
export class ComplianceBench {
  readonly pool = new PacketPool();
  readonly graph: Graph;
  /** Packets that entered the stage from outside. */
  fed = 0;
  readonly #clock = new VirtualClock();
  readonly #factory: StageFactory;
  readonly #prepare: PreparePacket;
  #feeds: Readonly<Record<string, OutputPort>> = {};
  #stage: Stage | undefined;

  constructor({ factory, options = {}, prepare, connectOptional = true }: BenchOptions) {
    const { kind, inputs, outputs } = factory.descriptor;
    this.#factory = factory;
    this.#prepare =
      prepare ??
      ((pool, packet, input) => inputs[input]!.accepts.includes('raw') || preparePacket(pool, packet));
    const subject: StageFactory = {
      descriptor: factory.descriptor,
      create: (context) => (this.#stage = factory.create(context)),
    };
    const connected = Object.entries(outputs).filter(
      ([, { optional }]) => connectOptional || optional !== true,
    );
    const sinks = Object.keys(connected.length > 0 ? { sink: { kind: SINK } } : {});
    this.graph = new Graph(
      {
        stages: {
          feeder: { kind: FEEDER },
          subject: { kind, options },
          ...Object.fromEntries(sinks.map((name) => [name, { kind: SINK }])),
        },
        links: [
          ...Object.keys(inputs).map((port) => `feeder.${port} -> subject.${port}`),
          ...connected.map(([port]) => `subject.${port} -> sink.${port}`),
        ],
      },
      {
        pool: this.pool,
        clock: this.#clock,
        registry: new StageRegistry([subject, this.#feeder(), this.#sink()]),
      },
    );
  }

  get report(): StageReport {
    return this.graph.report()['subject']!;
  }

  /** Gives copies of the packets to an input, in batches as large as they come, and lets the stage's time pass. */
  feed(input: string, packets: readonly Uint8Array[]): void {
    const port = this.#feeds[input]!;
    for (const octets of packets) {
      if (this.pool.available === 0) {
        port.flush();
        this.#waitForPackets();
      }
      const packet = this.pool.allocateCopy(octets);
      assert.ok(packet >= 0, `a packet of ${octets.length} octets fits the pool`);
      if (this.#prepare(this.pool, packet, input)) {
        this.fed += 1;
        port.push(packet);
      } else {
        this.pool.release(packet);
      }
    }
    port.flush();
    this.#clock.advance(1);
    this.graph.poll();
  }

  feedEmpty(input: string): void {
    this.#stage!.inputs[input]!(new Batch(this.pool));
    this.checkAccounts();
  }

  checkHandlers(): void {
    assert.deepEqual(
      Object.keys(this.#stage!.inputs).sort(),
      Object.keys(this.#factory.descriptor.inputs).sort(),
    );
  }

  /** Nothing thrown, every packet accounted for, every slot of the pool free or with a packet the stage holds. */
  checkAccounts(): void {
    for (const [stage, error] of this.graph.failures()) assert.fail(`${stage} threw ${String(error)}`);
    const { report } = this;
    assert.equal(
      unaccounted(report),
      0,
      `received + created = emitted + dropped + delivered + held: ${JSON.stringify(report)}`,
    );
    assert.equal(report.received, this.fed, 'every packet fed arrived');
    assert.equal(
      this.pool.available,
      this.pool.capacity - report.held,
      'the pool has back all that is not held',
    );
  }

  #waitForPackets(): void {
    for (let waitedMs = 0; waitedMs < PATIENCE_MS && this.pool.available === 0; waitedMs += STEP_MS) {
      this.#clock.advance(STEP_MS);
      this.graph.poll();
    }
    assert.ok(this.pool.available > 0, `the stage keeps all ${this.pool.capacity} packets of the pool`);
  }

  /** An output for each input of the stage, emitting a state that it accepts. */
  #feeder(): StageFactory {
    const outputs = Object.entries(this.#factory.descriptor.inputs).map(
      ([port, { accepts }]) => [port, { emits: accepts[0]!, description: '' }] as const,
    );
    return {
      descriptor: { ...emptyDescriptor(FEEDER), outputs: Object.fromEntries(outputs) },
      create: (context) => {
        this.#feeds = context.outputs;
        return { inputs: {} };
      },
    };
  }

  #sink(): StageFactory {
    const inputs = Object.entries(this.#factory.descriptor.outputs).map(
      ([port, { emits }]) => [port, { accepts: [emits] as PacketState[], description: '' }] as const,
    );
    return {
      descriptor: { ...emptyDescriptor(SINK), inputs: Object.fromEntries(inputs) },
      create: ({ pool, delivered }) => {
        const release = ({ packets, length }: Batch): void => {
          for (let index = 0; index < length; index += 1) pool.release(packets[index]!);
          delivered.add(length);
        };
        return { inputs: Object.fromEntries(inputs.map(([port]) => [port, release])) };
      },
    };
  }
}

const emptyDescriptor = (kind: string): StageDescriptor => ({
  kind,
  summary: 'Part of the compliance bench.',
  specifications: [],
  inputs: {},
  outputs: {},
  options: {},
  counters: {},
  drops: {},
});
