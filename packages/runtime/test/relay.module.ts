/** A small application for the tests: everything the device brings goes out again. */
import {
  describeStage,
  deviceDescriptor,
  GraphBuilder,
  RandomToken,
  stageFactory,
  StageFactoryToken,
  type Random,
  type StageFactory,
} from '@ngisec/core';
import { ContainerModule } from 'inversify';
import { z } from 'zod';
import { commonSchema, defineApplication } from '../src/application.ts';
import { addressSchema, prefixSchema } from '../src/configuration.ts';

const relayDescriptor = describeStage({
  kind: 'test/relay',
  summary: 'Passes packets on, and notes what its clock and its random source said.',
  specifications: [],
  inputs: { in: { accepts: ['raw'], description: 'Everything.' } },
  outputs: { out: { emits: 'clear', description: 'The same.' } },
  options: {},
  counters: {
    clockMs: { unit: 'operations', description: 'The clock at the last batch.' },
    drawn: { unit: 'operations', description: 'Drawn at random at the last batch.' },
  },
  drops: {},
});

const relayStage = (random: Random): StageFactory =>
  stageFactory(relayDescriptor, ({ outputs, counters, clock }) => ({
    inputs: {
      in: (batch) => {
        counters.clockMs.value = clock.nowMs();
        counters.drawn.value = random.integer(0x1_0000_0000);
        for (let index = 0; index < batch.length; index += 1) outputs.out.push(batch.packets[index]!);
      },
    },
  }));

const relayModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken)
    .toResolvedValue((random) => relayStage(random), [RandomToken])
    .inSingletonScope();
});

const relaySchema = z.strictObject({
  ...commonSchema,
  interface: z.string().min(1),
  addresses: z.array(addressSchema).min(1),
  remote: z.array(prefixSchema).min(1),
  limits: z
    .strictObject({ packets: z.int().min(1).default(64), isStrict: z.boolean().default(false) })
    .prefault({}),
});

export const relay = defineApplication<z.output<typeof relaySchema>>({
  name: 'relay',
  schema: relaySchema,
  check: () => [],
  modules: () => [relayModule],
  graph: () => {
    const graph = new GraphBuilder();
    const device = graph.add('device', deviceDescriptor);
    const pass = graph.add('relay', relayDescriptor);
    graph.link(device.out.rx, pass.in.in);
    graph.link(pass.out.out, device.in.outbound);
    return graph.spec();
  },
  interception: ({ name, interface: dev, remote }) => ({
    kind: 'host',
    name,
    interface: dev,
    addresses: ['192.0.2.1', '2001:db8::1'],
    peers: remote.map(({ text }) => text),
    overheadBytes: 29,
  }),
});
