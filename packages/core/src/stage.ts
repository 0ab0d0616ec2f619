import type { Batch } from './batch.ts';
import type { Clock } from './clock.ts';
import type { Counter } from './counters.ts';
import type { OptionsOf, StageDescriptor } from './descriptor.ts';
import type { PacketPool } from './packet-pool.ts';
import type { DropPoint, OutputPort } from './ports.ts';

/** What the graph gives a stage: its ports, drop points and counters, typed by the descriptor's names. */
export interface StageContext<D extends StageDescriptor> {
  readonly name: string;
  readonly options: OptionsOf<D>;
  readonly outputs: { readonly [Port in keyof D['outputs']]: OutputPort };
  readonly drops: { readonly [Reason in keyof D['drops']]: DropPoint };
  readonly counters: { readonly [Name in keyof D['counters']]: Counter };
  readonly pool: PacketPool;
  readonly clock: Clock;
  /** Packets this stage brought into the graph, by allocating them. */
  readonly created: Counter;
  /** Packets this stage took out of the graph, by sending them away. */
  readonly delivered: Counter;
}

/**
 * One processing step. Every packet of a batch leaves exactly one way: pushed to an output, given to a drop point,
 * delivered, or held and later one of these. A handler runs to completion; outputs are flushed when it returns.
 */
export interface Stage<D extends StageDescriptor = StageDescriptor> {
  readonly inputs: { readonly [Port in keyof D['inputs']]: (batch: Batch) => void };
  /** Packets kept for later; absent where the stage never keeps any. */
  held?(): number;
  /** Brings packets in from outside; returns how many. Only sources have it. */
  poll?(): number;
  /** Bounded housekeeping between batches. */
  tick?(nowMs: number): void;
  stop?(): void;
}

export interface StageFactory {
  readonly descriptor: StageDescriptor;
  create(context: StageContext<StageDescriptor>): Stage;
}

/** Ties a descriptor to the code that makes its stages; the context arrives typed by the descriptor. */
export function stageFactory<D extends StageDescriptor>(
  descriptor: D,
  create: (context: StageContext<D>) => Stage<D>,
): StageFactory {
  return { descriptor, create: (context) => create(context as StageContext<D>) as Stage };
}
