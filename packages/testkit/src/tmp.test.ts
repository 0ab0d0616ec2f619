import { stageCompliance } from './stage-compliance.ts';
import { buildTcp, buildUdp, buildEcho } from './packet-builders.ts';
import { ipCheck } from '../../stage-classify/src/ip-check.ts';
import * as qos from '../../stage-qos/src/index.ts';
const v4 = { src: '10.0.0.1', dst: '10.0.0.2' },
  payload = new Uint8Array(100);
const validPackets = [
  buildTcp({ ...v4, sport: 1, dport: 2, payload }),
  buildUdp({ src: 'fd00::1', dst: 'fd00::2', sport: 1, dport: 2, payload }),
  buildEcho({ ...v4, payload }),
];
const factories = [ipCheck, ...Object.values(qos).filter((x: any) => x?.descriptor && x?.create)] as any[];
for (const factory of factories)
  for (const { name, run } of stageCompliance({ factory, validPackets })) test(name, run);
