import {
  describeStage,
  flowKey,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { scopes, type Sad } from '@ngisec/ipsec';
import { checksum, esp, icmp, ip, read16, write16 } from '@ngisec/wire';
import { isEcho, type PeerTable } from './peer-table.ts';
import { readKeyAsSent } from './translate.ts';

export const portRestorerDescriptor = describeStage({
  kind: 'port-restorer',
  summary: 'At an end host: before data of a hidden peer is verified, restores the ports its sender emitted.',
  specifications: ['draft section 6.3', '#79', '#81', '#82', '#117'],
  inputs: { in: { accepts: ['sealed'], description: 'Sealed packets from the network.' } },
  outputs: { out: { emits: 'sealed', description: 'The same; what the ICV covers is as it was emitted.' } },
  options: {},
  counters: { restored: { unit: 'packets', description: 'Data packets whose ports were restored.' } },
  drops: { unknownFlow: 'No control packet told the ports its sender emits.' },
});

type Context = StageContext<typeof portRestorerDescriptor>;

class PortRestorer implements Stage<typeof portRestorerDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#restoreAll(batch) };
  readonly #context: Context;
  readonly #sad: Sad;
  readonly #table: PeerTable;
  readonly #scratch = flowKey();
  readonly #key = flowKey();

  constructor(context: Context, sad: Sad, table: PeerTable) {
    this.#context = context;
    this.#sad = sad;
    this.#table = table;
  }

  #restoreAll(batch: Batch): void {
    const { pool, outputs } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      pool.flow[packet] = -1;
      const payload = pool.payload[packet]!;
      const isWhole = pool.end[packet]! - payload >= esp.HEADER_BYTES;
      const sa = isWhole ? this.#sad.findInbound(esp.spi(pool.bytes, payload)) : undefined;
      if (sa?.scope === scopes.ports) {
        this.#restore(packet);
        continue;
      }
      outputs.out.push(packet);
      // What it teaches, the data right behind it needs.
      outputs.out.flush();
    }
  }

  /** Data: its sender's ports go into the header, for the ICV covers them. */
  #restore(packet: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    readKeyAsSent(pool, packet, this.#scratch, this.#key);
    const flow = this.#table.findOuter(this.#key);
    if (flow < 0) return drops.unknownFlow.drop(packet);
    pool.flow[packet] = flow;
    const { bytes } = pool;
    const transport = pool.transport[packet]!;
    const protocol = pool.protocol[packet]!;
    const source = this.#table.emittedSource(flow);
    const destination = this.#table.emittedDestination(flow);
    if (isEcho(protocol)) {
      const before = icmp.identifier(bytes, transport);
      write16(bytes, transport + icmp.IDENTIFIER, source);
      this.#adjust(packet, transport, protocol, before, source);
    } else {
      const before = read16(bytes, transport) + read16(bytes, transport + 2);
      write16(bytes, transport, source);
      write16(bytes, transport + 2, destination);
      this.#adjust(packet, transport, protocol, before, source + destination);
    }
    counters.restored.value += 1;
    outputs.out.push(packet);
  }

  #adjust(packet: number, transport: number, protocol: number, before: number, after: number): void {
    const { pool } = this.#context;
    if (pool.checksumPending[packet] === 1) return;
    ip.adjustTransportChecksum(pool.bytes, transport, protocol, checksum.adjustment(before, after));
  }
}

export const portRestorer = (sad: Sad, table: PeerTable): StageFactory =>
  stageFactory(portRestorerDescriptor, (context) => new PortRestorer(context, sad, table));
