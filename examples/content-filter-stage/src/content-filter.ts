import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { ip } from '@ngisec/wire';

export const contentFilterDescriptor = describeStage({
  kind: 'example/content-filter',
  summary: 'Drops TCP and UDP packets whose payload contains one of some words.',
  specifications: ['draft section 9', '#94'],
  inputs: {
    in: { accepts: ['opened'], description: 'Packets in the clear: an end host has them, a gateway never.' },
  },
  outputs: { out: { emits: 'opened', description: 'Those without a word, in order.' } },
  options: {
    words: {
      type: 'texts',
      default: [],
      description: 'What no payload may contain; case counts. None: all pass.',
    },
  },
  counters: { octets: { unit: 'octets', description: 'Payload searched.' } },
  drops: { containsWord: 'The payload contains one of the words.' },
});

type Context = StageContext<typeof contentFilterDescriptor>;

class ContentFilter implements Stage<typeof contentFilterDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#filter(batch) };
  readonly #context: Context;
  readonly #words: readonly Uint8Array[];

  constructor(context: Context) {
    if (context.options.words.includes('')) throw new RangeError(`stage "${context.name}": a word is empty`);
    this.#context = context;
    this.#words = context.options.words.map((word) => new TextEncoder().encode(word));
  }

  #filter(batch: Batch): void {
    const { pool, outputs, drops, counters } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const protocol = pool.protocol[packet]!;
      if (protocol !== ip.TCP && protocol !== ip.UDP) {
        outputs.out.push(packet);
        continue;
      }
      const payload = pool.payload[packet]!;
      const end = pool.end[packet]!;
      counters.octets.value += end - payload;
      if (this.#hasWord(pool.bytes, payload, end)) drops.containsWord.drop(packet);
      else outputs.out.push(packet);
    }
  }

  #hasWord(bytes: Uint8Array, payload: number, end: number): boolean {
    for (let index = 0; index < this.#words.length; index += 1) {
      const word = this.#words[index]!;
      for (let at = payload; at + word.length <= end; at += 1) if (standsAt(bytes, at, word)) return true;
    }
    return false;
  }
}

function standsAt(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index += 1) if (bytes[at + index] !== word[index]) return false;
  return true;
}

export const contentFilter: StageFactory = stageFactory(
  contentFilterDescriptor,
  (context) => new ContentFilter(context),
);
