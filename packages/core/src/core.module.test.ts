import 'reflect-metadata';
import { Container } from 'inversify';
import { systemClock } from './clock.ts';
import { coreModule } from './core.module.ts';
import { describeStage } from './descriptor.ts';
import { stageFactory } from './stage.ts';
import {
  ClockToken,
  PacketDeviceToken,
  PacketPoolToken,
  RandomToken,
  StageFactoryToken,
  StageRegistryToken,
} from './tokens.ts';
import { systemRandom } from './random.ts';

const extra = describeStage({
  kind: 'extra',
  summary: '',
  specifications: [],
  inputs: {},
  outputs: {},
  options: {},
  counters: {},
  drops: {},
});

test('F32 the container gives one pool, the machine’s clock and randomness, and every kind of stage it knows', () => {
  const container = new Container();
  container.load(coreModule);
  container.bind(PacketDeviceToken).toConstantValue({ name: 'none', receive: () => 0, transmit: () => 0 });
  container.bind(StageFactoryToken).toConstantValue(stageFactory(extra, () => ({ inputs: {} })));
  expect(container.get(ClockToken)).toBe(systemClock);
  expect(container.get(RandomToken)).toBe(systemRandom);
  expect(container.get(PacketPoolToken)).toBe(container.get(PacketPoolToken));
  expect(container.get(StageRegistryToken).kinds).toEqual(['device', 'extra']);
});
