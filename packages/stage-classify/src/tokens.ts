import { token } from '@ngisec/core';
import type { ControlRateAlarm } from './control-rate-detector.ts';
import type { FlowRecord } from './flow-accounts.ts';
import type { RecordSink } from './record-sink.ts';

export const FlowRecordSinkToken = token<RecordSink<FlowRecord>>('stage-classify/FlowRecordSink');
export const ControlRateAlarmSinkToken = token<RecordSink<ControlRateAlarm>>(
  'stage-classify/ControlRateAlarmSink',
);
