export { application } from './application.ts';
export { hostSchema, type HostConfiguration } from './configuration.ts';
export { hostGraph } from './graph.ts';
