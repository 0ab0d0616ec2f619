import {
  describeStage,
  destinationPortOf,
  flowKey,
  sourcePortOf,
  stageFactory,
  writeFlowKey,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { shim, suites, type Sad, type SuiteName } from '@ngisec/ipsec';
import { ip, tcp } from '@ngisec/wire';
import type { BindingTable } from './binding-table.ts';
import { allowsTls, gatewayAt, peerOf, type Site } from './site.ts';

export const tlsClassifierDescriptor = describeStage({
  kind: 'tls-classifier',
  summary: 'Finds the flows of LAN hosts that only TLS, QUIC or DTLS protects, where policy lets them pass.',
  specifications: ['draft section 7', '#9', '#86', '#87', '#88'],
  inputs: {
    lan: { accepts: ['ip'], description: 'Checked packets of the LAN’s hosts.' },
    wan: { accepts: ['ip'], description: 'Checked packets from the WAN.' },
  },
  outputs: {
    control: {
      emits: 'tls-control',
      description: 'From the LAN: TCP with SYN=1, and a UDP flow’s first packet in each direction.',
    },
    leaving: { emits: 'tls-data', description: 'All else of such flows, from the LAN.' },
    arriving: {
      emits: 'tls-data',
      description: 'The same from the WAN, and what may be of a flow this gateway forgot.',
    },
    lan: { emits: 'ip', description: 'All other packets of the LAN’s hosts.' },
    wan: { emits: 'ip', description: 'All other packets from the WAN.' },
  },
  options: {
    sealedBytesMax: {
      type: 'integer',
      minimum: 576,
      maximum: 65_535,
      default: 1500,
      description:
        'A first UDP packet that duplicate and shim would make longer goes unsealed, behind a mapping update.',
    },
  },
  counters: {
    control: { unit: 'packets', description: 'First packets, to be duplicated and sealed.' },
    data: { unit: 'packets', description: 'Packets to be translated only.' },
  },
  drops: {},
});

const OTHER = 0;
const CONTROL = 1;
const DATA = 2;

/** Of any suite a control channel may have. */
const SHIM_BYTES_MAX = Math.max(
  ...(Object.keys(suites) as SuiteName[]).map((suite) => shim.bytesMax(suite, 6)),
);

type Context = StageContext<typeof tlsClassifierDescriptor>;

class TlsClassifier implements Stage<typeof tlsClassifierDescriptor> {
  readonly inputs = {
    lan: (batch: Batch): void => this.#lanAll(batch),
    wan: (batch: Batch): void => this.#wanAll(batch),
  };
  readonly #context: Context;
  readonly #table: BindingTable;
  readonly #site: Site;
  readonly #sad: Sad;
  readonly #key = flowKey();

  constructor(context: Context, table: BindingTable, site: Site, sad: Sad) {
    this.#context = context;
    this.#table = table;
    this.#site = site;
    this.#sad = sad;
  }

  #lanAll(batch: Batch): void {
    const { outputs, counters } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const kind = this.#kindOfLeaving(packet);
      if (kind === OTHER) {
        outputs.lan.push(packet);
      } else if (kind === CONTROL) {
        counters.control.value += 1;
        outputs.control.push(packet);
      } else {
        counters.data.value += 1;
        outputs.leaving.push(packet);
      }
    }
  }

  #kindOfLeaving(packet: number): number {
    const { pool } = this.#context;
    const { bytes } = pool;
    const start = pool.start[packet]!;
    const family = pool.family[packet]!;
    const protocol = pool.protocol[packet]!;
    if (protocol !== ip.TCP && protocol !== ip.UDP) return OTHER;
    const peer = this.#site.peers[peerOf(this.#site, bytes, start + ip.destinationOffset(family), family)];
    if (peer?.tls === undefined || peer.tls.length === 0) return OTHER;
    this.#readKey(packet);
    const binding = this.#table.findInner(this.#key);
    const isSyn = protocol === ip.TCP && (tcp.flags(bytes, pool.transport[packet]!) & tcp.SYN) !== 0;
    if (binding >= 0) {
      if (this.#table.isTls[binding] === 0) return OTHER;
      if (protocol === ip.TCP) return isSyn ? CONTROL : DATA;
      if (this.#table.hasLeft[binding] === 1 || !this.#fitsSealed(packet)) return DATA;
      this.#table.hasLeft[binding] = 1;
      return CONTROL;
    }
    const isToServer = allowsTls(peer, protocol, destinationPortOf(this.#key));
    // A server's packet of a flow forgotten here; the peer gateway takes it up only where it remembers the flow.
    const isFromServer = !isSyn && allowsTls(peer, protocol, sourcePortOf(this.#key));
    if (!isToServer && !isFromServer) return OTHER;
    // A host with a control channel runs NGISec: what it sends unprotected shall not pass.
    if (this.#sad.channelFor('control', bytes, start + ip.sourceOffset(family), family) !== undefined)
      return OTHER;
    const isFirst = isToServer && (protocol === ip.TCP ? isSyn : this.#fitsSealed(packet));
    return isFirst ? CONTROL : DATA;
  }

  #fitsSealed(packet: number): boolean {
    const { pool, options } = this.#context;
    const start = pool.start[packet]!;
    const headers = pool.payload[packet]! - start;
    return pool.end[packet]! - start + headers + SHIM_BYTES_MAX <= options.sealedBytesMax;
  }

  #wanAll(batch: Batch): void {
    const { outputs, counters } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      if (this.#isDataArriving(packet)) {
        counters.data.value += 1;
        outputs.arriving.push(packet);
      } else outputs.wan.push(packet);
    }
  }

  #isDataArriving(packet: number): boolean {
    const { pool } = this.#context;
    const { bytes } = pool;
    const family = pool.family[packet]!;
    const protocol = pool.protocol[packet]!;
    if (protocol !== ip.TCP && protocol !== ip.UDP) return false;
    const source = pool.start[packet]! + ip.sourceOffset(family);
    const peer = gatewayAt(this.#site, bytes, source, family);
    if (peer?.tls === undefined || peer.tls.length === 0) return false;
    // A SYN has to come sealed; the peer gateway's control packets have an SPI of ours.
    if (protocol === ip.TCP && (tcp.flags(bytes, pool.transport[packet]!) & tcp.SYN) !== 0) return false;
    const spi = shim.findSpi(pool, packet);
    if (spi !== shim.NO_SPI && this.#sad.findInbound(spi) !== undefined) return false;
    this.#readKey(packet);
    const binding = this.#table.findOuter(this.#key);
    return binding < 0 || this.#table.isTls[binding] === 1;
  }

  #readKey(packet: number): void {
    const { pool } = this.#context;
    const start = pool.start[packet]!;
    const transport = pool.transport[packet]!;
    writeFlowKey(this.#key, pool.bytes, start, transport, pool.family[packet]!, pool.protocol[packet]!);
  }
}

export const tlsClassifier = (table: BindingTable, site: Site, sad: Sad): StageFactory =>
  stageFactory(tlsClassifierDescriptor, (context) => new TlsClassifier(context, table, site, sad));
