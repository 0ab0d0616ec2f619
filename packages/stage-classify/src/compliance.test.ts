import type { PacketPool } from '@ngisec/core';
import { seededRandom } from '@ngisec/core';
import { controlMessage, nextHeaders, Spd } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, preparePacket, stageCompliance } from '@ngisec/testkit';
import { tcp, write32 } from '@ngisec/wire';
import { prefixes, TestSad } from '../test/secure-channels.ts';
import { controlClassifier } from './control-classifier.ts';
import { controlRateDetector } from './control-rate-detector.ts';
import { direction } from './direction.ts';
import { flowMonitor } from './flow-monitor.ts';
import { flowTracker } from './flow-tracker.ts';
import { ipCheck } from './ip-check.ts';
import { inboundPolicy, outboundPolicy } from './policy.ts';
import { discardRecords } from './record-sink.ts';

const sad = new TestSad();
const control = sad.addChannel('gateway', 'control', '10.0.0.0/8', 'fd00::/8');
const data = sad.addChannel('peer', 'data', '10.0.0.0/8', 'fd00::/8');
const spd = new Spd([{ name: 'all', mode: 'vpn', remote: prefixes('10.2.0.0/24', 'fd02::/64') }]);

const ends = [
  { src: '10.1.0.2', dst: '10.2.0.2' },
  { src: 'fd01::2', dst: 'fd02::2' },
  { src: '10.2.0.2', dst: '10.1.0.2' },
];
const payload = new Uint8Array(28);
write32(payload, 0, 1001);
const declaration = new Uint8Array(controlMessage.DECLARATION_BYTES);
controlMessage.writeDeclaration(declaration, 0, 4711, 1, 2);
const validPackets = ends.flatMap((way) => [
  buildTcp({ ...way, sport: 1, dport: 80, flags: tcp.SYN, payload }),
  buildTcp({ ...way, sport: 1, dport: 80, payload }),
  buildUdp({ ...way, sport: 1, dport: 53, payload: declaration }),
  buildEcho({ ...way, payload }),
]);

/**
 * Policy and ESP ran before the flow tracker: a rule is set, and a channel on what comes in; a declaration
 * is a message.
 */
function prepareForFlows(pool: PacketPool, packet: number, input: string): boolean {
  if (!preparePacket(pool, packet)) return false;
  pool.rule[packet] = 0;
  if (input === 'outbound') return true;
  const isMessage = pool.bytes[pool.payload[packet]!] === controlMessage.items.declaration;
  pool.nextHeader[packet] = isMessage ? nextHeaders.controlMessage : nextHeaders.transportData;
  pool.channel[packet] = (isMessage || pool.protocol[packet] === 6 ? control : data).index;
  return true;
}

const suites = [
  ...stageCompliance({ factory: ipCheck, validPackets }),
  ...stageCompliance({ factory: direction, options: { inside: ['10.1.0.0/24'] }, validPackets }),
  ...stageCompliance({ factory: controlClassifier(sad), validPackets }),
  ...stageCompliance({ factory: controlRateDetector(seededRandom(1), discardRecords), validPackets }),
  ...stageCompliance({
    factory: flowMonitor(seededRandom(1), discardRecords),
    options: { capacity: 64 },
    validPackets,
  }),
  ...stageCompliance({ factory: outboundPolicy(spd), validPackets }),
  ...stageCompliance({ factory: inboundPolicy(spd), validPackets }),
  ...stageCompliance({
    factory: flowTracker(sad, spd, seededRandom(1)),
    options: { capacity: 64 },
    validPackets,
    prepare: prepareForFlows,
  }),
];
for (const { name, run } of suites) test(name, run);
