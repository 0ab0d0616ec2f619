import { Batch } from './batch.ts';
import { describeStage } from './descriptor.ts';
import type { Heading, PacketDevice } from './device.ts';
import { stageFactory, type Stage, type StageContext, type StageFactory } from './stage.ts';

export const deviceDescriptor = describeStage({
  kind: 'device',
  summary: 'Where packets enter and leave the graph.',
  specifications: ['draft section 6'],
  inputs: {
    outbound: {
      accepts: ['sealed', 'translated', 'clear'],
      description: 'Towards the network: a host’s wire, a gateway’s WAN.',
    },
    inbound: {
      accepts: ['opened', 'sealed', 'translated', 'clear'],
      description: 'Towards what the node protects: a host’s own stack, a gateway’s LAN.',
    },
  },
  outputs: { rx: { emits: 'raw', description: 'Everything the device delivers.' } },
  options: {},
  counters: {
    refused: { unit: 'packets', description: 'Sent, but the far side of the device did not take them.' },
  },
  drops: {},
});

type Context = StageContext<typeof deviceDescriptor>;

class DeviceStage implements Stage<typeof deviceDescriptor> {
  readonly inputs = {
    outbound: (batch: Batch): void => this.#transmit(batch, 'outbound'),
    inbound: (batch: Batch): void => this.#transmit(batch, 'inbound'),
  };
  readonly #context: Context;
  readonly #device: PacketDevice;
  readonly #received: Batch;

  constructor(context: Context, device: PacketDevice) {
    this.#context = context;
    this.#device = device;
    this.#received = new Batch(context.pool);
  }

  poll(): number {
    const batch = this.#received;
    const count = this.#device.receive(batch);
    this.#context.created.add(count);
    const { rx } = this.#context.outputs;
    for (let index = 0; index < batch.length; index += 1) rx.push(batch.packets[index]!);
    batch.clear();
    return count;
  }

  #transmit(batch: Batch, heading: Heading): void {
    this.#context.counters.refused.add(this.#device.transmit(batch, heading));
    this.#context.delivered.add(batch.length);
  }
}

export const deviceStage = (device: PacketDevice): StageFactory =>
  stageFactory(deviceDescriptor, (context) => new DeviceStage(context, device));
