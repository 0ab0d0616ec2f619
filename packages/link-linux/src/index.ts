export { forbidCoreDumps } from './core-dump.ts';
export { ownerPid, STATE_DIRECTORY, undoStale } from './journal.ts';
export { intercept, type InterceptOptions, type Interception } from './interception.ts';
export { libc, type Libc } from './libc.ts';
export { LinkError } from './link-error.ts';
export type { GatewayPlan, HostPlan, Method, Plan } from './plan.ts';
export { TunDevice, type TunCounters, type TunOptions } from './tun-device.ts';
