import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { shim, type Sad } from '@ngisec/ipsec';

export const espSealDescriptor = describeStage({
  kind: 'esp-seal',
  summary: 'Encrypts what stands behind the transport header and authenticates it with the headers.',
  specifications: [
    'RFC 4303 section 3.3',
    'RFC 4302 section 3.3',
    'RFC 8750',
    'draft section 6',
    '#22',
    '#23',
    '#43',
  ],
  inputs: {
    in: {
      accepts: ['control', 'data', 'natted'],
      description: 'Clear packets that name their secure channel.',
    },
  },
  outputs: { out: { emits: 'sealed', description: 'The same packets with their shim, in order.' } },
  options: {},
  counters: {
    operations: { unit: 'operations', description: 'AEAD encryptions.' },
    octets: { unit: 'octets', description: 'Plaintext encrypted, headers not counted.' },
  },
  drops: {
    noChannel: 'No secure channel is set, or it is gone.',
    tooLong: 'The shim does not fit behind the headers.',
    sequenceExhausted: 'The SA used its last sequence number; it needs a new key.',
  },
});

type Context = StageContext<typeof espSealDescriptor>;

class EspSeal implements Stage<typeof espSealDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#seal(batch) };
  readonly #context: Context;
  readonly #sad: Sad;

  constructor(context: Context, sad: Sad) {
    this.#context = context;
    this.#sad = sad;
  }

  #seal(batch: Batch): void {
    const { outputs, drops, counters, pool } = this.#context;
    const { channels } = this.#sad;
    let operations = 0;
    let octets = 0;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const channel = channels[pool.channel[packet]!];
      if (channel === undefined) {
        drops.noChannel.drop(packet);
        continue;
      }
      const plaintext = pool.end[packet]! - pool.payload[packet]!;
      const result = shim.seal(pool, packet, channel.outbound);
      if (result === shim.SEAL_OK) {
        operations += 1;
        octets += plaintext;
        outputs.out.push(packet);
      } else if (result === shim.SEAL_TOO_LONG) drops.tooLong.drop(packet);
      else drops.sequenceExhausted.drop(packet);
    }
    counters.operations.add(operations);
    counters.octets.add(octets);
  }
}

export const espSeal = (sad: Sad): StageFactory =>
  stageFactory(espSealDescriptor, (context) => new EspSeal(context, sad));
