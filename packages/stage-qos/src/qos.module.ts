import { StageFactoryToken } from '@ngisec/core';
import { ContainerModule } from 'inversify';
import { dscpMarker } from './dscp-marker.ts';

export const qosModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken).toConstantValue(dscpMarker);
});
