import { RandomToken, StageFactoryToken } from '@ngisec/core';
import { ContainerModule } from 'inversify';
import { controlRateDetector } from './control-rate-detector.ts';
import { flowMonitor } from './flow-monitor.ts';
import { discardRecords } from './record-sink.ts';
import { ControlRateAlarmSinkToken, FlowRecordSinkToken } from './tokens.ts';

/** What watches traffic without changing it. What it finds is counted and discarded until a sink is bound instead. */
export const visibilityModule = new ContainerModule(({ bind }) => {
  bind(FlowRecordSinkToken).toConstantValue(discardRecords);
  bind(ControlRateAlarmSinkToken).toConstantValue(discardRecords);
  bind(StageFactoryToken)
    .toResolvedValue((random, sink) => flowMonitor(random, sink), [RandomToken, FlowRecordSinkToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue(
      (random, sink) => controlRateDetector(random, sink),
      [RandomToken, ControlRateAlarmSinkToken],
    )
    .inSingletonScope();
});
