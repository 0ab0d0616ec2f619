import {
  describeStage,
  destinationAddressOf,
  destinationPortOf,
  flowKey,
  FlowTable,
  setPorts,
  stageFactory,
  writeFlowKey,
  type Batch,
  type Random,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { formatAddress, ip, tcp } from '@ngisec/wire';
import { CountMinSketch } from './count-min-sketch.ts';
import type { RecordSink } from './record-sink.ts';

export const controlRateDetectorDescriptor = describeStage({
  kind: 'control-rate-detector',
  summary:
    'Counts connection requests by destination, which stay readable, and raises an alarm where they pour in.',
  specifications: ['draft section 9', 'RFC 4987 section 2', '#96'],
  inputs: {
    in: { accepts: ['ip'], description: 'Checked packets, before anything is verified or dropped.' },
  },
  outputs: { out: { emits: 'ip', description: 'The same packets, unchanged and in order.' } },
  options: {
    intervalMs: {
      type: 'integer',
      minimum: 10,
      maximum: 60_000,
      default: 1000,
      description: 'Counts start anew after it.',
    },
    raisePerSecond: {
      type: 'integer',
      minimum: 1,
      maximum: 1e9,
      default: 1000,
      description: 'SYNs a second to one address and port that raise its alarm.',
    },
    clearPercent: {
      type: 'integer',
      minimum: 1,
      maximum: 100,
      default: 50,
      description: 'An interval below this share of raisePerSecond clears the alarm.',
    },
    columns: {
      type: 'integer',
      minimum: 16,
      maximum: 1 << 20,
      default: 4096,
      description: 'Counters a row, of four: more tell more destinations apart.',
    },
    alarms: {
      type: 'integer',
      minimum: 1,
      maximum: 4096,
      default: 64,
      description: 'Alarms that may be up at once.',
    },
  },
  counters: {
    syns: { unit: 'packets', description: 'TCP with SYN=1 and ACK=0.' },
    raised: { unit: 'entries', description: 'Alarms raised.' },
    cleared: { unit: 'entries', description: 'Alarms cleared.' },
    unlisted: { unit: 'packets', description: 'SYNs above the rate for which no alarm was free.' },
  },
  drops: {},
});

/** One destination began, or ceased, to get more connection requests than the detector's options allow. */
export interface ControlRateAlarm {
  readonly event: 'raised' | 'cleared';
  /** Name of the stage. */
  readonly detector: string;
  readonly address: string;
  readonly port: number;
  /** `raised`: the rate that was passed. `cleared`: the highest of an interval while it was up. */
  readonly synsPerSecond: number;
  /** On the node's clock. */
  readonly atMs: number;
}

type Context = StageContext<typeof controlRateDetectorDescriptor>;

class ControlRateDetector implements Stage<typeof controlRateDetectorDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#countAll(batch) };
  readonly #context: Context;
  readonly #sink: RecordSink<ControlRateAlarm>;
  readonly #counts: CountMinSketch;
  /** Destinations whose alarm is up; for each the highest count of an interval, 0 where the entry is free. */
  readonly #alarms: FlowTable;
  readonly #highest: Uint32Array;
  /** In connection requests an interval. */
  readonly #raiseAt: number;
  readonly #clearBelow: number;
  readonly #key = flowKey();
  #intervalStartMs: number;

  constructor(context: Context, random: Random, sink: RecordSink<ControlRateAlarm>) {
    const { intervalMs, raisePerSecond, clearPercent, columns, alarms } = context.options;
    this.#context = context;
    this.#sink = sink;
    this.#counts = new CountMinSketch(random, columns);
    this.#alarms = new FlowTable(random, alarms);
    this.#highest = new Uint32Array(alarms);
    this.#raiseAt = Math.ceil((raisePerSecond * intervalMs) / 1000);
    this.#clearBelow = (this.#raiseAt * clearPercent) / 100;
    this.#intervalStartMs = context.clock.nowMs();
  }

  tick(nowMs: number): void {
    this.#turn(nowMs);
  }

  #countAll(batch: Batch): void {
    const { pool, outputs, clock } = this.#context;
    const nowMs = clock.nowMs();
    this.#turn(nowMs);
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const isTcp = pool.protocol[packet] === ip.TCP;
      if (isTcp && (tcp.flags(pool.bytes, pool.transport[packet]!) & (tcp.SYN | tcp.ACK)) === tcp.SYN) {
        this.#count(packet, nowMs);
      }
      outputs.out.push(packet);
    }
  }

  #count(packet: number, nowMs: number): void {
    const { pool, counters } = this.#context;
    const key = this.#key;
    writeFlowKey(key, pool.bytes, pool.start[packet]!, pool.transport[packet]!, pool.family[packet]!, ip.TCP);
    // By destination alone: whoever floods chooses sources as he likes.
    key.fill(0, 0, 4);
    setPorts(key, 0, destinationPortOf(key));
    counters.syns.value += 1;
    const count = this.#counts.add(key);
    if (count < this.#raiseAt) return;
    let alarm = this.#alarms.find(key);
    if (alarm < 0) {
      alarm = this.#alarms.insert(key);
      if (alarm < 0) {
        counters.unlisted.value += 1;
        return;
      }
      this.#highest[alarm] = count;
      counters.raised.value += 1;
      this.#report('raised', count, nowMs);
    }
    if (count > this.#highest[alarm]!) this.#highest[alarm] = count;
  }

  /** Ends the interval where its time is over, and with it the alarms of destinations that came to rest. */
  #turn(nowMs: number): void {
    const { intervalMs } = this.#context.options;
    const elapsedMs = nowMs - this.#intervalStartMs;
    if (elapsedMs < intervalMs) return;
    this.#intervalStartMs = nowMs - (elapsedMs % intervalMs);
    this.#clearCalm(nowMs);
    this.#counts.clear();
    // At least one whole interval went by without a packet.
    if (elapsedMs >= 2 * intervalMs) this.#clearCalm(nowMs);
  }

  #clearCalm(nowMs: number): void {
    if (this.#alarms.size === 0) return;
    for (let alarm = 0; alarm < this.#highest.length; alarm += 1) {
      const highest = this.#highest[alarm]!;
      if (highest === 0) continue;
      this.#alarms.readKey(alarm, this.#key);
      if (this.#counts.count(this.#key) >= this.#clearBelow) continue;
      this.#alarms.remove(alarm);
      this.#highest[alarm] = 0;
      this.#context.counters.cleared.value += 1;
      this.#report('cleared', highest, nowMs);
    }
  }

  /** Of the destination in `#key`. */
  #report(event: ControlRateAlarm['event'], count: number, atMs: number): void {
    const { name, options } = this.#context;
    this.#sink.next({
      event,
      detector: name,
      address: formatAddress(destinationAddressOf(this.#key)),
      port: destinationPortOf(this.#key),
      synsPerSecond: Math.round((count * 1000) / options.intervalMs),
      atMs: Math.round(atMs),
    });
  }
}

export const controlRateDetector = (random: Random, sink: RecordSink<ControlRateAlarm>): StageFactory =>
  stageFactory(controlRateDetectorDescriptor, (context) => new ControlRateDetector(context, random, sink));
