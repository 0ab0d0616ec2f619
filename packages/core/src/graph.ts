import type { Subscription } from 'rxjs';
import type { Batch } from './batch.ts';
import type { Clock } from './clock.ts';
import { Counter } from './counters.ts';
import { readOptions, type StageDescriptor } from './descriptor.ts';
import { checkGraph, parseLink, type GraphProblem, type GraphSpec } from './graph-spec.ts';
import { limits } from './limits.ts';
import type { PacketPool } from './packet-pool.ts';
import { DropPoint, OutputPort } from './ports.ts';
import type { StageRegistry } from './registry.ts';
import type { Stage, StageContext } from './stage.ts';

export class GraphError extends Error {
  override readonly name = 'GraphError';
  readonly problems: readonly GraphProblem[];

  constructor(problems: readonly GraphProblem[]) {
    super(problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'));
    this.problems = problems;
  }
}

export interface StageReport {
  readonly kind: string;
  readonly received: number;
  readonly created: number;
  readonly delivered: number;
  readonly held: number;
  readonly emitted: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
}

/** Drops that the graph makes for any stage. */
const IMPLICIT_DROPS = ['unconnected', 'stageFailed'] as const;

const valuesOf = <V, R>(record: Readonly<Record<string, V>>, read: (value: V) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, read(value)]));

/** One stage in its place: its ports, its accounts, and the guard that keeps a fault of its own to itself. */
class StageNode {
  readonly descriptor: StageDescriptor;
  readonly stage: Stage;
  readonly outputs: Readonly<Record<string, OutputPort>>;
  readonly drops: Readonly<Record<string, DropPoint>>;
  readonly counters: Readonly<Record<string, Counter>>;
  readonly created = new Counter();
  readonly delivered = new Counter();
  received = 0;
  lastError: unknown;

  readonly #id: number;
  readonly #outputList: readonly OutputPort[];
  readonly #unconnected: string[] = [];

  constructor(
    id: number,
    name: string,
    options: Readonly<Record<string, unknown>>,
    kind: string,
    setting: GraphSetting,
  ) {
    const { pool, clock, registry } = setting;
    const factory = registry.find(kind)!;
    const { descriptor } = factory;
    this.#id = id;
    this.descriptor = descriptor;
    this.outputs = valuesOf(descriptor.outputs, () => new OutputPort(pool));
    this.drops = Object.fromEntries(
      [...Object.keys(descriptor.drops), ...IMPLICIT_DROPS].map((reason) => [reason, new DropPoint(pool)]),
    );
    this.counters = valuesOf(descriptor.counters, () => new Counter());
    this.#outputList = Object.values(this.outputs);
    const context: StageContext<StageDescriptor> = {
      name,
      options: readOptions(descriptor, options).options as never,
      outputs: this.outputs,
      drops: this.drops,
      counters: this.counters,
      pool,
      clock,
      created: this.created,
      delivered: this.delivered,
    };
    this.stage = factory.create(context);
  }

  receive(handler: (batch: Batch) => void, batch: Batch): void {
    const { pool, packets, length } = batch;
    const { holder } = pool;
    const id = this.#id;
    this.received += length;
    for (let index = 0; index < length; index += 1) holder[packets[index]!] = id;
    try {
      handler(batch);
    } catch (error) {
      this.lastError = error;
      this.flush();
      // What the stage neither passed on nor dropped is still held by it, and lost with the batch.
      for (let index = 0; index < length; index += 1) {
        const packet = packets[index]!;
        if (pool.holder[packet] === this.#id) this.drops['stageFailed']!.drop(packet);
      }
      return;
    }
    this.flush();
  }

  tick(nowMs: number): void {
    try {
      this.stage.tick!(nowMs);
    } catch (error) {
      this.lastError = error;
    }
    this.flush();
  }

  flush(): void {
    for (const output of this.#outputList) output.flush();
  }

  /** Lets outputs that nothing is linked to end in a drop point. */
  closeOutputs(): Subscription[] {
    const { unconnected } = this.drops;
    const open = Object.entries(this.outputs).filter(([, output]) => !output.isConnected);
    return open.map(([port, output]) => {
      this.#unconnected.push(port);
      return output.batches$.subscribe(({ packets, length }) => {
        for (let index = 0; index < length; index += 1) unconnected!.drop(packets[index]!);
      });
    });
  }

  report(): StageReport {
    const emitted = valuesOf(this.outputs, (output) => output.emitted);
    // An unconnected output's only subscriber is the drop point: what went there was not emitted.
    for (const port of this.#unconnected) emitted[port] = 0;
    return {
      kind: this.descriptor.kind,
      received: this.received,
      created: this.created.value,
      delivered: this.delivered.value,
      held: this.stage.held?.() ?? 0,
      emitted,
      drops: valuesOf(this.drops, (drop) => drop.dropped),
      counters: valuesOf(this.counters, (counter) => counter.value),
    };
  }
}

interface GraphSetting {
  readonly pool: PacketPool;
  readonly clock: Clock;
  readonly registry: StageRegistry;
}

/** A running graph. It owns its stages; shared state comes to them through their factories. */
export class Graph {
  readonly pool: PacketPool;
  readonly #nodes = new Map<string, StageNode>();
  readonly #sources: StageNode[];
  readonly #ticking: StageNode[];
  readonly #subscriptions: Subscription[] = [];
  readonly #clock: Clock;
  #tickAtMs = 0;

  /** Throws `GraphError` where the spec does not pass `checkGraph`. */
  constructor(spec: GraphSpec, setting: GraphSetting) {
    const problems = checkGraph(spec, setting.registry);
    if (problems.length > 0) throw new GraphError(problems);
    this.pool = setting.pool;
    this.#clock = setting.clock;
    let id = 0;
    for (const [name, { kind, options }] of Object.entries(spec.stages)) {
      id += 1;
      this.#nodes.set(name, new StageNode(id, name, options ?? {}, kind, setting));
    }
    for (const text of spec.links) {
      const { from, to } = parseLink(text)!;
      const target = this.#nodes.get(to.stage)!;
      const handler = target.stage.inputs[to.port]!;
      const output = this.#nodes.get(from.stage)!.outputs[from.port]!;
      this.#subscriptions.push(output.batches$.subscribe((batch) => target.receive(handler, batch)));
    }
    for (const node of this.#nodes.values()) this.#subscriptions.push(...node.closeOutputs());
    this.#sources = [...this.#nodes.values()].filter((node) => node.stage.poll !== undefined);
    this.#ticking = [...this.#nodes.values()].filter((node) => node.stage.tick !== undefined);
  }

  /**
   * One pass: every source emits what waits, which runs to completion, then housekeeping where due. Returns
   * packets taken in.
   */
  poll(): number {
    let taken = 0;
    for (const node of this.#sources) {
      taken += node.stage.poll!();
      node.flush();
    }
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#tickAtMs) {
      this.#tickAtMs = nowMs + limits.tickMs;
      for (const node of this.#ticking) node.tick(nowMs);
    }
    return taken;
  }

  report(): Readonly<Record<string, StageReport>> {
    return Object.fromEntries([...this.#nodes].map(([name, node]) => [name, node.report()]));
  }

  /** The last exception of each stage that threw; empty where none did. */
  failures(): ReadonlyMap<string, unknown> {
    return new Map(
      [...this.#nodes]
        .filter(([, node]) => node.lastError !== undefined)
        .map(([name, node]) => [name, node.lastError]),
    );
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const node of this.#nodes.values()) node.stage.stop?.();
  }
}

const total = (amounts: Readonly<Record<string, number>>): number =>
  Object.values(amounts).reduce((sum, amount) => sum + amount, 0);

/** `received + created - (emitted + dropped + delivered + held)`: 0 wherever every packet is accounted for. */
export function unaccounted(report: StageReport): number {
  const left = total(report.emitted) + total(report.drops) + report.delivered + report.held;
  return report.received + report.created - left;
}
