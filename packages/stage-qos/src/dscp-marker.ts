import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { ipv4, ipv6 } from '@ngisec/wire';

/** Code points of the standard per-hop behaviours (RFC 2474, 2597, 3246, 5865). */
export const codePoints: Readonly<Record<string, number>> = {
  default: 0,
  ef: 46,
  'voice-admit': 44,
  ...Object.fromEntries(
    [1, 2, 3, 4].flatMap((assured) =>
      [1, 2, 3].map((drop) => [`af${assured}${drop}`, 8 * assured + 2 * drop]),
    ),
  ),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7].map((selector) => [`cs${selector}`, 8 * selector])),
};

export const dscpMarkerDescriptor = describeStage({
  kind: 'dscp-marker',
  summary: 'Writes the code point of one per-hop behaviour into every packet; ECN stays.',
  specifications: ['RFC 2474 section 3', 'RFC 3168 section 5', '#123'],
  inputs: {
    in: {
      accepts: ['sealed', 'translated'],
      description: 'Packets on their way out; no ICV covers the field.',
    },
  },
  outputs: { out: { emits: 'translated', description: 'The same packets, in order.' } },
  options: {
    phb: {
      type: 'text',
      choices: Object.keys(codePoints),
      default: 'default',
      description: 'Per-hop behaviour.',
    },
  },
  counters: { marked: { unit: 'packets', description: 'Packets whose code point changed.' } },
  drops: {},
});

type Context = StageContext<typeof dscpMarkerDescriptor>;

class DscpMarker implements Stage<typeof dscpMarkerDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#mark(batch) };
  readonly #context: Context;
  readonly #dscp: number;

  constructor(context: Context) {
    this.#context = context;
    this.#dscp = codePoints[context.options.phb]!;
  }

  #mark(batch: Batch): void {
    const { outputs, counters, pool } = this.#context;
    let marked = 0;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const start = pool.start[packet]!;
      const changed =
        pool.family[packet] === 4
          ? ipv4.setDscpWithChecksum(pool.bytes, start, this.#dscp)
          : ipv6.setDscp(pool.bytes, start, this.#dscp);
      if (changed) marked += 1;
      outputs.out.push(packet);
    }
    counters.marked.add(marked);
  }
}

export const dscpMarker: StageFactory = stageFactory(
  dscpMarkerDescriptor,
  (context) => new DscpMarker(context),
);
