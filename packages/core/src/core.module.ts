import { ContainerModule } from 'inversify';
import { systemClock } from './clock.ts';
import { deviceStage } from './device-stage.ts';
import { PacketPool } from './packet-pool.ts';
import { systemRandom } from './random.ts';
import { StageRegistry } from './registry.ts';
import type { StageFactory } from './stage.ts';
import {
  ClockToken,
  PacketDeviceToken,
  PacketPoolToken,
  RandomToken,
  StageFactoryToken,
  StageRegistryToken,
} from './tokens.ts';

/** Clock, randomness and pool as the machine has them; a simulation rebinds them. */
export const coreModule = new ContainerModule(({ bind }) => {
  bind(ClockToken).toConstantValue(systemClock);
  bind(RandomToken).toConstantValue(systemRandom);
  bind(PacketPoolToken)
    .toResolvedValue(() => new PacketPool())
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((device) => deviceStage(device), [PacketDeviceToken])
    .inSingletonScope();
  bind(StageRegistryToken)
    .toResolvedValue(
      (factories: StageFactory[]) => new StageRegistry(factories),
      [{ serviceIdentifier: StageFactoryToken, isMultiple: true }],
    )
    .inSingletonScope();
});
