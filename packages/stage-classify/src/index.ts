export { classifyModule, hostClassifyModule } from './classify.module.ts';
export { controlClassifier, controlClassifierDescriptor } from './control-classifier.ts';
export { direction, directionDescriptor } from './direction.ts';
export { flowTracker, flowTrackerDescriptor } from './flow-tracker.ts';
export { ipCheck, ipCheckDescriptor } from './ip-check.ts';
export {
  inboundPolicy,
  inboundPolicyDescriptor,
  outboundPolicy,
  outboundPolicyDescriptor,
} from './policy.ts';
