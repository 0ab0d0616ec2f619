export { application } from './application.ts';
export { hostGraph } from './graph.ts';
