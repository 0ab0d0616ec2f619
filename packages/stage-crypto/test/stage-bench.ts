import {
  describeStage,
  Graph,
  limits,
  PacketPool,
  stageFactory,
  StageRegistry,
  unaccounted,
  VirtualClock,
  type OutputPort,
  type PacketState,
  type StageFactory,
  type StageReport,
} from '@ngisec/core';
import { chooseProvider, keyMaterialBytes, Sad, type ChannelParameters, type SuiteName } from '@ngisec/ipsec';
import { ip, parsePrefix } from '@ngisec/wire';

/** What came out of the stage, in order. */
export interface Emitted {
  readonly octets: Uint8Array;
  readonly nextHeader: number;
  readonly channel: number;
}

/** A graph of a feeder, the stage with input `in` and output `out`, and a sink that keeps what it gets. */
export class StageBench {
  readonly pool: PacketPool;
  readonly emitted: Emitted[] = [];
  readonly #graph: Graph;
  #feed: OutputPort | undefined;

  constructor(factory: StageFactory, pool = new PacketPool({ packets: 2 * limits.batchPackets })) {
    this.pool = pool;
    const { kind, inputs, outputs } = factory.descriptor;
    const feeder = this.#feeder(inputs['in']!.accepts[0]!);
    const sink = this.#sink(outputs['out']!.emits);
    this.#graph = new Graph(
      {
        stages: { feeder: { kind: 'feeder' }, stage: { kind }, sink: { kind: 'sink' } },
        links: ['feeder.out -> stage.in', 'stage.out -> sink.in'],
      },
      { pool, clock: new VirtualClock(), registry: new StageRegistry([feeder, factory, sink]) },
    );
  }

  /** Hands packets of the pool to the stage. */
  feed(...packets: readonly number[]): void {
    for (const packet of packets) this.#feed!.push(packet);
    this.#feed!.flush();
  }

  get report(): StageReport {
    return this.#graph.report()['stage']!;
  }

  /** The reasons for which packets were dropped, and how many. */
  get drops(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.report.drops).filter(([, count]) => count > 0));
  }

  /** What is wrong with the accounts: packets without a way out, slots not given back, exceptions. */
  get problems(): readonly unknown[] {
    const missing = [...Array<string>(Math.abs(unaccounted(this.report))).fill('unaccounted')];
    const kept = [...Array<string>(this.pool.capacity - this.pool.available).fill('not given back')];
    return [...missing, ...kept, ...this.#graph.failures().values()];
  }

  #feeder(emits: PacketState): StageFactory {
    const outputs = { out: { emits, description: '' } };
    return stageFactory(describeStage({ ...nothing, kind: 'feeder', outputs }), (context) => {
      this.#feed = context.outputs.out;
      return { inputs: {} };
    });
  }

  #sink(accepted: PacketState): StageFactory {
    const inputs = { in: { accepts: [accepted], description: '' } };
    return stageFactory(describeStage({ ...nothing, kind: 'sink', inputs }), ({ delivered, pool }) => ({
      inputs: {
        in: ({ packets, length }) => {
          for (let index = 0; index < length; index += 1) {
            const packet = packets[index]!;
            const [nextHeader, channel] = [pool.nextHeader[packet]!, pool.channel[packet]!];
            this.emitted.push({ octets: wireOctets(pool, packet), nextHeader, channel });
            pool.release(packet);
          }
          delivered.add(length);
        },
      },
    }));
  }
}

const nothing = {
  summary: '',
  specifications: [],
  inputs: {},
  outputs: {},
  options: {},
  counters: {},
  drops: {},
};

/** The packet as a device would send it: its transport checksum computed where that was left to it. */
export function wireOctets(pool: PacketPool, packet: number): Uint8Array {
  const [start, transport, end] = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!];
  const [family, protocol] = [pool.family[packet]!, pool.protocol[packet]!];
  if (pool.checksumPending[packet] === 1) {
    ip.completeTransportChecksum(pool.bytes, start, transport, end, family, protocol);
  }
  return pool.octets(packet);
}

export const SPI_A_TO_B = 0x1000;
export const SPI_B_TO_A = 0x2000;

const keyMaterial = (suite: SuiteName, first: number): Uint8Array =>
  Uint8Array.from({ length: keyMaterialBytes(suite) }, (_, index) => first + index);

/** Host B's channel to host A; channel `index` of the two has SPIs and keys of its own. */
function channelToA(index: number, suite: SuiteName, peers: readonly string[]): ChannelParameters {
  const common = { suite, scope: 'full' } as const;
  return {
    name: `channel ${index}`,
    role: 'both',
    peers: peers.map((text) => parsePrefix(text)!),
    inbound: {
      ...common,
      spi: SPI_A_TO_B + index,
      keyMaterial: keyMaterial(suite, 40 * index),
      windowPackets: 1024,
    },
    outbound: { ...common, spi: SPI_B_TO_A + index, keyMaterial: keyMaterial(suite, 40 * index + 20) },
  };
}

/** The databases of hosts A, 10.1.0.0/24 and fd01::/64, and B, with two channels between them. */
export function databases(suite: SuiteName = 'aes-128-gcm'): { a: Sad; b: Sad } {
  const { provider } = chooseProvider();
  const [a, b] = [new Sad(provider), new Sad(provider)];
  for (const index of [0, 1]) {
    const toA = channelToA(index, suite, ['10.1.0.0/24', 'fd01::/64']);
    b.add(toA);
    const peers = ['10.2.0.0/24', 'fd02::/64'].map((text) => parsePrefix(text)!);
    a.add({ ...toA, peers, inbound: toA.outbound, outbound: toA.inbound });
  }
  return { a, b };
}
