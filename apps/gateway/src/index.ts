export { application } from './application.ts';
export { gatewayGraph } from './graph.ts';
