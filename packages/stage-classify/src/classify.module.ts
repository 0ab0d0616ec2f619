import { RandomToken, StageFactoryToken } from '@ngisec/core';
import { SadToken, SpdToken } from '@ngisec/ipsec';
import { ContainerModule } from 'inversify';
import { controlClassifier } from './control-classifier.ts';
import { direction } from './direction.ts';
import { flowTracker } from './flow-tracker.ts';
import { ipCheck } from './ip-check.ts';
import { inboundPolicy, outboundPolicy } from './policy.ts';

/** What both apps use. */
export const classifyModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken).toConstantValue(ipCheck);
  bind(StageFactoryToken).toConstantValue(direction);
  bind(StageFactoryToken)
    .toResolvedValue((sad) => controlClassifier(sad), [SadToken])
    .inSingletonScope();
});

/** What only an end host uses: it needs a policy. */
export const hostClassifyModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken)
    .toResolvedValue((spd) => outboundPolicy(spd), [SpdToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((spd) => inboundPolicy(spd), [SpdToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((sad, spd, random) => flowTracker(sad, spd, random), [SadToken, SpdToken, RandomToken])
    .inSingletonScope();
});
