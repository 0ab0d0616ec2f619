import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { shim, type Sad } from '@ngisec/ipsec';
import { ip, tcp } from '@ngisec/wire';

export const controlClassifierDescriptor = describeStage({
  kind: 'control-classifier',
  summary: 'At a gateway: control packets name one of its own SAs; data packets are for the end hosts alone.',
  specifications: ['draft section 6', '#26', '#27', '#32', '#92', '#105'],
  inputs: { in: { accepts: ['ip'], description: 'Checked packets of one side.' } },
  outputs: {
    control: { emits: 'sealed', description: 'The SPI is this gateway’s.' },
    data: { emits: 'sealed-data', description: 'To be translated, never opened.' },
  },
  options: {},
  counters: {},
  drops: {
    unprotected: 'No shim can stand in what there is.',
    undeclaredControl: 'TCP with SYN=1, but under no SA of this gateway.',
    unsupported: 'Neither TCP nor UDP nor ICMP.',
  },
});

type Context = StageContext<typeof controlClassifierDescriptor>;

class ControlClassifier implements Stage<typeof controlClassifierDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#classify(batch) };
  readonly #context: Context;
  readonly #sad: Sad;

  constructor(context: Context, sad: Sad) {
    this.#context = context;
    this.#sad = sad;
  }

  #classify(batch: Batch): void {
    const { pool, outputs, drops } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const protocol = pool.protocol[packet]!;
      const spi = shim.findSpi(pool, packet);
      if (ip.checksumOffset(protocol) < 0) drops.unsupported.drop(packet);
      else if (spi === shim.NO_SPI) drops.unprotected.drop(packet);
      else if (this.#sad.findInbound(spi) !== undefined) outputs.control.push(packet);
      else if (protocol === ip.TCP && (tcp.flags(pool.bytes, pool.transport[packet]!) & tcp.SYN) !== 0) {
        drops.undeclaredControl.drop(packet);
      } else outputs.data.push(packet);
    }
  }
}

export const controlClassifier = (sad: Sad): StageFactory =>
  stageFactory(controlClassifierDescriptor, (context) => new ControlClassifier(context, sad));
