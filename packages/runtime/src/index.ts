export {
  commonSchema,
  defineApplication,
  type Application,
  type CommonConfiguration,
  type Complaint,
} from './application.ts';
export { assemble, type Node } from './assemble.ts';
export { ngisec, type ExitCode, type Output } from './command.ts';
export {
  addressSchema,
  ConfigurationError,
  ConfigurationFile,
  portsSchema,
  prefixSchema,
  validate,
  type ConfigurationProblem,
} from './configuration.ts';
export { JsonLines } from './json-lines.ts';
export { KeyFile } from './key-file.ts';
export { keyLogLine, keyLogOf, type KeyLogEntry } from './key-log.ts';
export { importApplication, load, type Loaded } from './load.ts';
export { reportOf, writeReport, type NodeReport } from './report.ts';
export { run, type RunOptions } from './run.ts';
