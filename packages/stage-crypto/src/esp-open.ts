import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { shim, type Sad } from '@ngisec/ipsec';
import { ip } from '@ngisec/wire';

export const espOpenDescriptor = describeStage({
  kind: 'esp-open',
  summary: 'Verifies the shim against the restored headers, refuses replays, decrypts.',
  specifications: [
    'RFC 4303 section 3.4',
    'RFC 4302 section 3.4',
    'RFC 4301 section 5.2',
    'draft section 9',
    '#90',
    '#91',
    '#97',
    '#105',
  ],
  inputs: {
    in: { accepts: ['sealed'], description: 'Packets whose headers are as their sender emitted them.' },
  },
  outputs: { out: { emits: 'opened', description: 'Verified packets without their shim, in order.' } },
  options: {},
  counters: {
    operations: { unit: 'operations', description: 'AEAD decryptions tried.' },
    octets: { unit: 'octets', description: 'Plaintext delivered, headers not counted.' },
  },
  drops: {
    unprotected: 'Policy requires protection, and no shim can stand in what there is.',
    badChecksum: 'The transport checksum is wrong: damaged on the way.',
    unknownSpi: 'No inbound SA has this SPI.',
    replayed: 'The sequence number was seen before or lies behind the window.',
    forged: 'The ICV does not verify.',
    badPadding: 'The padding is not 1, 2, 3 ...',
    wrongPeer: 'The SA is not for this source address.',
  },
});

type Context = StageContext<typeof espOpenDescriptor>;

class EspOpen implements Stage<typeof espOpenDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#openAll(batch) };
  readonly #context: Context;
  readonly #sad: Sad;

  constructor(context: Context, sad: Sad) {
    this.#context = context;
    this.#sad = sad;
  }

  #openAll(batch: Batch): void {
    for (let index = 0; index < batch.length; index += 1) this.#open(batch.packets[index]!);
  }

  #open(packet: number): void {
    const { outputs, drops, counters, pool } = this.#context;
    const { bytes } = pool;
    const start = pool.start[packet]!;
    const family = pool.family[packet]!;
    const spi = shim.findSpi(pool, packet);
    if (spi === shim.NO_SPI) return drops.unprotected.drop(packet);
    if (
      pool.checksumPending[packet] === 0 &&
      !ip.hasValidTransportChecksum(
        bytes,
        start,
        pool.transport[packet]!,
        pool.end[packet]!,
        family,
        pool.protocol[packet]!,
      )
    ) {
      return drops.badChecksum.drop(packet);
    }
    const sa = this.#sad.findInbound(spi);
    if (sa === undefined) return drops.unknownSpi.drop(packet);
    if (!this.#sad.channels[sa.channel]!.isPeer(bytes, start + ip.sourceOffset(family), family)) {
      return drops.wrongPeer.drop(packet);
    }
    const result = shim.open(pool, packet, sa);
    if (result === shim.OPEN_REPLAYED) return drops.replayed.drop(packet);
    counters.operations.value += 1;
    if (result === shim.OPEN_FORGED) return drops.forged.drop(packet);
    if (result === shim.OPEN_BAD_PADDING) return drops.badPadding.drop(packet);
    if (result !== shim.OPEN_OK) return drops.unprotected.drop(packet);
    counters.octets.value += pool.end[packet]! - pool.payload[packet]!;
    outputs.out.push(packet);
  }
}

export const espOpen = (sad: Sad): StageFactory =>
  stageFactory(espOpenDescriptor, (context) => new EspOpen(context, sad));
