export { makeNodeFiles, writeNodeFiles, type NodeFiles } from './node-files.ts';
export { sites, type NodeName, type Site } from './topology.ts';
export { available, type Availability } from './namespaces/availability.ts';
export { find, run } from './namespaces/command.ts';
export { Interruption } from './namespaces/interruption.ts';
export { Network, type NetworkOptions, type Place } from './namespaces/network.ts';
export { NodeProcess } from './namespaces/node-process.ts';
export { Program, type Exit } from './namespaces/program.ts';
export type { LabMode } from './modes.ts';
