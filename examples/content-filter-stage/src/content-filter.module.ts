import { StageFactoryToken } from '@ngisec/core';
import { ContainerModule } from 'inversify';
import { contentFilter } from './content-filter.ts';

/** What an application loads to know the stage's kind. */
export const contentFilterModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken).toConstantValue(contentFilter);
});
