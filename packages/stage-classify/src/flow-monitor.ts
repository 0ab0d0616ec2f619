import {
  describeStage,
  flowKey,
  limits,
  setPorts,
  stageFactory,
  writeFlowKey,
  type Batch,
  type OutputPort,
  type Random,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { icmp, ip, tcp } from '@ngisec/wire';
import { FlowAccounts, flowDirections, type FlowRecord } from './flow-accounts.ts';
import type { RecordSink } from './record-sink.ts';

export const flowMonitorDescriptor = describeStage({
  kind: 'flow-monitor',
  summary: 'Says of each flow who sent how much to whom and when, from headers that stay readable.',
  specifications: ['draft section 9', 'RFC 5470 section 5', 'RFC 7012', '#95', '#133'],
  inputs: {
    ingress: { accepts: ['ip'], description: 'Checked packets that come in at the observed side.' },
    egress: {
      accepts: ['sealed', 'translated', 'clear'],
      description: 'Packets about to leave at that side.',
    },
  },
  outputs: {
    ingress: { emits: 'ip', description: 'The same packets, unchanged and in order.' },
    egress: { emits: 'translated', description: 'The same packets, unchanged and in order.' },
  },
  options: {
    capacity: {
      type: 'integer',
      minimum: 1,
      maximum: 1 << 22,
      default: limits.flows,
      description: 'Flows under way in each direction.',
    },
    idleMs: {
      type: 'integer',
      minimum: 1,
      maximum: 86_400_000,
      default: 15_000,
      description: 'A flow without a packet for so long is recorded.',
    },
    activeMs: {
      type: 'integer',
      minimum: 1,
      maximum: 86_400_000,
      default: 60_000,
      description: 'A flow that goes on is recorded this long after its record began.',
    },
    closingMs: {
      type: 'integer',
      minimum: 1,
      maximum: 86_400_000,
      default: 2000,
      description: 'After a FIN or RST, as idleMs.',
    },
  },
  counters: {
    recorded: { unit: 'entries', description: 'Flow records made.' },
    unobserved: { unit: 'packets', description: 'Passed without being counted: no room for their flow.' },
  },
  drops: {},
});

type Context = StageContext<typeof flowMonitorDescriptor>;

class FlowMonitor implements Stage<typeof flowMonitorDescriptor> {
  readonly inputs = {
    ingress: (batch: Batch): void => this.#observe(batch, this.#ingress, this.#context.outputs.ingress),
    egress: (batch: Batch): void => this.#observe(batch, this.#egress, this.#context.outputs.egress),
  };
  readonly #context: Context;
  readonly #ingress: FlowAccounts;
  readonly #egress: FlowAccounts;
  readonly #key = flowKey();

  constructor(context: Context, random: Random, sink: RecordSink<FlowRecord>) {
    const { options, counters } = context;
    const take = (record: FlowRecord): void => {
      counters.recorded.value += 1;
      sink.next(record);
    };
    this.#context = context;
    this.#ingress = new FlowAccounts(random, options.capacity, flowDirections.ingress, options, take);
    this.#egress = new FlowAccounts(random, options.capacity, flowDirections.egress, options, take);
  }

  tick(nowMs: number): void {
    this.#ingress.sweep(nowMs, limits.sweepEntries);
    this.#egress.sweep(nowMs, limits.sweepEntries);
  }

  stop(): void {
    this.#ingress.flush();
    this.#egress.flush();
  }

  #observe(batch: Batch, accounts: FlowAccounts, output: OutputPort): void {
    const { pool, counters, clock } = this.#context;
    const { bytes } = pool;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const start = pool.start[packet]!;
      const transport = pool.transport[packet]!;
      const family = pool.family[packet]!;
      const protocol = pool.protocol[packet]!;
      writeFlowKey(this.#key, bytes, start, transport, family, protocol);
      if (!hasPorts(bytes, transport, family, protocol)) setPorts(this.#key, 0, 0);
      const flags = protocol === ip.TCP ? tcp.flags(bytes, transport) : 0;
      const isCounted = accounts.add(this.#key, pool.end[packet]! - start, flags, nowMs);
      if (!isCounted) counters.unobserved.value += 1;
      output.push(packet);
    }
  }
}

function hasPorts(bytes: Uint8Array, transport: number, family: number, protocol: number): boolean {
  if (protocol === ip.TCP || protocol === ip.UDP) return true;
  return (protocol === ip.ICMP || protocol === ip.ICMPV6) && icmp.isEcho(bytes, transport, family);
}

export const flowMonitor = (random: Random, sink: RecordSink<FlowRecord>): StageFactory =>
  stageFactory(flowMonitorDescriptor, (context) => new FlowMonitor(context, random, sink));
