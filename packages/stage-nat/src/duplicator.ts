import {
  describeStage,
  stageFactory,
  updateLengths,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { controlMessage, nextHeaders } from '@ngisec/ipsec';
import { ip } from '@ngisec/wire';

export const duplicatorDescriptor = describeStage({
  kind: 'duplicator',
  summary:
    'Puts a copy of the headers before a control packet: one set for NAT to change, one it cannot reach.',
  specifications: ['draft section 6.2, figure 1', '#38', '#55', '#56', '#62'],
  inputs: {
    in: { accepts: ['opened'], description: 'Control packets in the clear, as their host emitted them.' },
  },
  outputs: { out: { emits: 'duplicated', description: 'IP | T | IP | T | data' } },
  options: {},
  counters: {
    duplicated: { unit: 'packets', description: 'Control packets that carry a duplicate from here on.' },
  },
  drops: {
    tooLong: 'The duplicate does not fit.',
    unexpectedPayload: 'The plaintext is neither transport data nor a control message.',
  },
});

type Context = StageContext<typeof duplicatorDescriptor>;

class Duplicator implements Stage<typeof duplicatorDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#duplicateAll(batch) };
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  #duplicateAll(batch: Batch): void {
    for (let index = 0; index < batch.length; index += 1) this.#duplicate(batch.packets[index]!);
  }

  /**
   *     before            | IP | T | data |
   *     transport data    | IP | T | IP | T | data |
   *     control message   | IP | T | mapping item header | IP | T | items |
   */
  #duplicate(packet: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    const { bytes } = pool;
    const inner = pool.start[packet]!;
    const headers = pool.payload[packet]! - inner;
    const isMessage = pool.nextHeader[packet] === nextHeaders.controlMessage;
    if (!isMessage && pool.nextHeader[packet] !== nextHeaders.transportData)
      return drops.unexpectedPayload.drop(packet);
    const itemHeader = isMessage ? controlMessage.ITEM_HEADER_BYTES : 0;
    if (pool.headroom(packet) < headers + itemHeader) return drops.tooLong.drop(packet);
    const family = pool.family[packet]!;
    // From here on the copy is user data: it must be complete as its host made it.
    ip.completeTransportChecksum(
      bytes,
      inner,
      pool.transport[packet]!,
      pool.end[packet]!,
      family,
      pool.protocol[packet]!,
    );
    const outer = inner - headers - itemHeader;
    bytes.copyWithin(outer, inner, inner + headers);
    if (isMessage)
      controlMessage.writeItemHeader(bytes, inner - itemHeader, controlMessage.items.mapping, headers);
    pool.start[packet] = outer;
    pool.transport[packet]! -= headers + itemHeader;
    pool.payload[packet] = outer + headers;
    if (!isMessage) pool.nextHeader[packet] = family === 4 ? nextHeaders.ipv4Packet : nextHeaders.ipv6Packet;
    updateLengths(pool, packet);
    counters.duplicated.value += 1;
    outputs.out.push(packet);
  }
}

export const duplicator: StageFactory = stageFactory(
  duplicatorDescriptor,
  (context) => new Duplicator(context),
);
