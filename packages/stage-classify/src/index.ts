export { classifyModule, hostClassifyModule } from './classify.module.ts';
export { controlClassifier, controlClassifierDescriptor } from './control-classifier.ts';
export {
  controlRateDetector,
  controlRateDetectorDescriptor,
  type ControlRateAlarm,
} from './control-rate-detector.ts';
export { direction, directionDescriptor } from './direction.ts';
export { flowDirections, flowEndReasons, type FlowRecord } from './flow-accounts.ts';
export { flowMonitor, flowMonitorDescriptor } from './flow-monitor.ts';
export { flowTracker, flowTrackerDescriptor } from './flow-tracker.ts';
export { ipCheck, ipCheckDescriptor } from './ip-check.ts';
export {
  inboundPolicy,
  inboundPolicyDescriptor,
  outboundPolicy,
  outboundPolicyDescriptor,
} from './policy.ts';
export { type RecordSink } from './record-sink.ts';
export { ControlRateAlarmSinkToken, FlowRecordSinkToken } from './tokens.ts';
export { visibilityModule } from './visibility.module.ts';
