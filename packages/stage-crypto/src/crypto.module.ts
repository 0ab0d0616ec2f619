import { StageFactoryToken } from '@ngisec/core';
import { SadToken } from '@ngisec/ipsec';
import { ContainerModule } from 'inversify';
import { espOpen } from './esp-open.ts';
import { espSeal } from './esp-seal.ts';

export const cryptoModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken)
    .toResolvedValue((sad) => espSeal(sad), [SadToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((sad) => espOpen(sad), [SadToken])
    .inSingletonScope();
});
