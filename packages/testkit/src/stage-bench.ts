import {
  Batch,
  Counter,
  DropPoint,
  OutputPort,
  PacketPool,
  readOptions,
  VirtualClock,
  type Stage,
  type StageFactory,
} from '@ngisec/core';
import { ip } from '@ngisec/wire';
import { strict as assert } from 'node:assert';

/** What stages before the tested one write beside the octets. */
export interface Fields {
  readonly channel?: number;
  readonly rule?: number;
  readonly nextHeader?: number;
  readonly checksumPending?: number;
}

export interface Emitted extends Required<Fields> {
  readonly output: string;
  /** As a device would send it: a pending checksum is completed. */
  readonly octets: Uint8Array;
  /** What stands behind the transport header. */
  readonly payload: Uint8Array;
  readonly headerBytes: number;
}

export interface BenchSetting {
  /** Makes octets into what the inputs promise; false where they cannot be. */
  readonly prepare: (pool: PacketPool, packet: number) => boolean;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly clock?: VirtualClock;
}

/** One stage on its own, in virtual time: octets in by input; packets out by output, in the order they left. */
export class StageBench {
  /** Enough for a full batch and what the stage makes. */
  readonly pool = new PacketPool({ packets: 320 });
  readonly clock: VirtualClock;
  readonly created = new Counter();
  readonly #stage: Stage;
  readonly #prepare: BenchSetting['prepare'];
  readonly #outputs: Readonly<Record<string, OutputPort>>;
  readonly #drops: Readonly<Record<string, DropPoint>>;
  readonly #counters: Readonly<Record<string, Counter>>;
  #emitted: Emitted[] = [];

  constructor(factory: StageFactory, { prepare, options = {}, clock = new VirtualClock() }: BenchSetting) {
    const { descriptor } = factory;
    const { pool } = this;
    this.clock = clock;
    this.#prepare = prepare;
    const each = <V>(names: object, make: () => V): Record<string, V> =>
      Object.fromEntries(Object.keys(names).map((name) => [name, make()]));
    this.#outputs = each(descriptor.outputs, () => new OutputPort(pool));
    this.#drops = each(descriptor.drops, () => new DropPoint(pool));
    this.#counters = each(descriptor.counters, () => new Counter());
    for (const [name, output] of Object.entries(this.#outputs)) {
      output.batches$.subscribe((batch) => this.#take(name, batch));
    }
    const read = readOptions(descriptor, options);
    assert.deepEqual(read.problems, []);
    this.#stage = factory.create({
      name: 'subject',
      options: read.options as never,
      outputs: this.#outputs,
      drops: this.#drops,
      counters: this.#counters,
      ...{ pool, clock, created: this.created, delivered: new Counter() },
    });
  }

  /** Drops so far, those that happened. */
  get drops(): Record<string, number> {
    const entries = Object.entries(this.#drops).map(([name, { dropped }]) => [name, dropped] as const);
    return Object.fromEntries(entries.filter(([, count]) => count > 0));
  }

  get counters(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.#counters).map(([name, { value }]) => [name, value]));
  }

  /** Gives packets to an input in one batch; what came of them. Afterwards the pool has every packet back. */
  feed(input: string, octets: Uint8Array | readonly Uint8Array[], fields: Fields = {}): Emitted[] {
    const { pool } = this;
    const batch = new Batch(pool);
    for (const one of octets instanceof Uint8Array ? [octets] : octets) {
      const packet = pool.allocateCopy(one);
      assert.ok(packet >= 0 && this.#prepare(pool, packet), 'the packet is what the input promises');
      pool.channel[packet] = fields.channel ?? -1;
      pool.rule[packet] = fields.rule ?? -1;
      pool.nextHeader[packet] = fields.nextHeader ?? pool.nextHeader[packet]!;
      pool.checksumPending[packet] = fields.checksumPending ?? 0;
      batch.push(packet);
    }
    this.#emitted = [];
    this.#stage.inputs[input]!(batch);
    for (const output of Object.values(this.#outputs)) output.flush();
    assert.equal(pool.available, pool.capacity, 'every packet left one way');
    return this.#emitted;
  }

  /** Lets time pass and the stage keep house at the end of it. */
  pass(durationMs: number): void {
    this.clock.advance(durationMs);
    this.#stage.tick?.(this.clock.nowMs());
  }

  stop(): void {
    this.#stage.stop?.();
  }

  #take(output: string, { packets, length }: Batch): void {
    const { pool } = this;
    const { bytes } = pool;
    for (let index = 0; index < length; index += 1) {
      const packet = packets[index]!;
      const [start, transport, end] = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!];
      const checksumPending = pool.checksumPending[packet]!;
      if (checksumPending === 1) {
        ip.completeTransportChecksum(
          bytes,
          start,
          transport,
          end,
          pool.family[packet]!,
          pool.protocol[packet]!,
        );
      }
      this.#emitted.push({
        output,
        octets: pool.octets(packet),
        payload: bytes.slice(pool.payload[packet], end),
        headerBytes: pool.payload[packet]! - start,
        channel: pool.channel[packet]!,
        rule: pool.rule[packet]!,
        nextHeader: pool.nextHeader[packet]!,
        checksumPending,
      });
      pool.release(packet);
    }
  }
}
