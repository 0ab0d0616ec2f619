import {
  describeStage,
  stageFactory,
  type Batch,
  type OutputPort,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import type { Spd } from '@ngisec/ipsec';
import { icmp, ip } from '@ngisec/wire';

const drops = {
  discarded: 'A rule says discard.',
  noRule: 'No rule selects it; what no rule names is discarded.',
  unsupported: 'A rule says protect, but it is neither TCP nor UDP nor an ICMP echo.',
} as const;

export const outboundPolicyDescriptor = describeStage({
  kind: 'outbound-policy',
  summary: 'Finds the policy rule of each packet the inside sends.',
  specifications: ['RFC 4301 section 5.1', '#13', '#106', '#113', '#122'],
  inputs: { in: { accepts: ['ip'], description: 'Checked packets from inside.' } },
  outputs: {
    protect: { emits: 'plain', description: 'To be protected.' },
    bypass: { emits: 'clear', description: 'To pass as they are.' },
  },
  options: {},
  counters: {},
  drops,
});

export const inboundPolicyDescriptor = describeStage({
  kind: 'inbound-policy',
  summary:
    'Finds the policy rule of each packet the network brings; what must be protected has to prove it next.',
  specifications: ['RFC 4301 section 5.2', '#104', '#105', '#106'],
  inputs: { in: { accepts: ['ip'], description: 'Checked packets from the network.' } },
  outputs: {
    protect: { emits: 'sealed', description: 'Must carry a valid shim.' },
    bypass: { emits: 'clear', description: 'To pass as they are.' },
  },
  options: {},
  counters: {},
  drops,
});

type Context = StageContext<typeof outboundPolicyDescriptor> | StageContext<typeof inboundPolicyDescriptor>;

class Policy {
  readonly inputs = { in: (batch: Batch): void => this.#decide(batch) };
  readonly #context: Context;
  readonly #spd: Spd;
  readonly #outbound: boolean;
  readonly #protect: OutputPort;
  readonly #bypass: OutputPort;

  constructor(context: Context, spd: Spd, outbound: boolean) {
    this.#context = context;
    this.#spd = spd;
    this.#outbound = outbound;
    this.#protect = context.outputs.protect;
    this.#bypass = context.outputs.bypass;
  }

  #decide(batch: Batch): void {
    const { pool, drops } = this.#context;
    const { bytes } = pool;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const transport = pool.transport[packet]!;
      const family = pool.family[packet]!;
      const protocol = pool.protocol[packet]!;
      const rule = this.#spd.match(bytes, pool.start[packet]!, transport, family, protocol, this.#outbound);
      pool.rule[packet] = rule;
      if (rule < 0) {
        drops.noRule.drop(packet);
        continue;
      }
      const { mode } = this.#spd.rules[rule]!;
      if (mode === 'discard') drops.discarded.drop(packet);
      else if (mode === 'bypass') this.#bypass.push(packet);
      else if (isFlow(bytes, transport, family, protocol)) this.#protect.push(packet);
      else drops.unsupported.drop(packet);
    }
  }
}

function isFlow(bytes: Uint8Array, transport: number, family: number, protocol: number): boolean {
  if (protocol === ip.TCP || protocol === ip.UDP) return true;
  return (protocol === ip.ICMP || protocol === ip.ICMPV6) && icmp.isEcho(bytes, transport, family);
}

export const outboundPolicy = (spd: Spd): StageFactory =>
  stageFactory(
    outboundPolicyDescriptor,
    (context): Stage<typeof outboundPolicyDescriptor> => new Policy(context, spd, true),
  );

export const inboundPolicy = (spd: Spd): StageFactory =>
  stageFactory(
    inboundPolicyDescriptor,
    (context): Stage<typeof inboundPolicyDescriptor> => new Policy(context, spd, false),
  );
