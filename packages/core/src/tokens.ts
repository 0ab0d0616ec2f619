import type { ServiceIdentifier } from 'inversify';
import type { Clock } from './clock.ts';
import type { PacketDevice } from './device.ts';
import type { PacketPool } from './packet-pool.ts';
import type { Random } from './random.ts';
import type { StageRegistry } from './registry.ts';
import type { StageFactory } from './stage.ts';

/** A typed service identifier: with it a wrong token is a compile error. */
export const token = <T>(name: string): ServiceIdentifier<T> => Symbol.for(`@ngisec/${name}`);

export const ClockToken = token<Clock>('core/Clock');
export const RandomToken = token<Random>('core/Random');
export const PacketPoolToken = token<PacketPool>('core/PacketPool');
export const PacketDeviceToken = token<PacketDevice>('core/PacketDevice');
export const StageFactoryToken = token<StageFactory>('core/StageFactory');
export const StageRegistryToken = token<StageRegistry>('core/StageRegistry');
