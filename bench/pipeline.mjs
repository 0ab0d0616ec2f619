// Nanoseconds a packet through the real graphs, in memory: a host that seals and opens, a gateway that only translates.
// No device: what is measured is the work of the stages.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContainerModule } from 'inversify';
import { PacketDeviceToken, PacketPool, PacketPoolToken, seededRandom } from '@ngisec/core';
import { makeNodeFiles, writeNodeFiles } from '@ngisec/lab';
import { assemble, load } from '@ngisec/runtime';
import { buildTcp } from '@ngisec/testkit';
import { ip, parseAddress } from '@ngisec/wire';

const BATCH = 256;
const ROUNDS = 400;
const WARM_UP = 50;
const json = process.argv.includes('--json');

/** Hands out the same packets again and again, and keeps what comes out where asked. */
class LoopDevice {
  name = 'loop';
  packets = [];
  kept = [];
  keeps = false;

  receive(batch) {
    for (const octets of this.packets) batch.push(batch.pool.allocateCopy(octets));
    return this.packets.length;
  }

  transmit(batch) {
    const { pool } = batch;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index];
      if (this.keeps) {
        const fields = [pool.bytes, pool.start[packet], pool.transport[packet], pool.end[packet]];
        ip.completeTransportChecksum(...fields, pool.family[packet], pool.protocol[packet]);
        this.kept.push(pool.octets(packet));
      }
      pool.release(packet);
    }
    return 0;
  }
}

async function nodesOf(mode) {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-bench-'));
  try {
    const files = makeNodeFiles(mode, seededRandom(1));
    writeNodeFiles(directory, files);
    const nodes = {};
    for (const name of Object.keys(files.nodes)) {
      const { application, configuration, keyFile } = await load(join(directory, `${name}.yaml`));
      const device = new LoopDevice();
      const surroundings = new ContainerModule(({ bind, rebind }) => {
        bind(PacketDeviceToken).toConstantValue(device);
        rebind(PacketPoolToken).toConstantValue(new PacketPool({ packets: 4 * BATCH }));
      });
      nodes[name] = { device, ...assemble(application, configuration, keyFile.channels, surroundings) };
    }
    return nodes;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const packetOf = (payloadBytes, flags) =>
  buildTcp({
    src: parseAddress('10.1.0.2'),
    dst: parseAddress('10.2.0.2'),
    sport: 40000,
    dport: 80,
    seq: 1,
    ack: flags === 2 ? 0 : 1,
    flags,
    window: 512,
    payload: new Uint8Array(payloadBytes),
  });

function measure(node, packets) {
  node.device.packets = packets;
  for (let round = 0; round < WARM_UP; round += 1) node.graph.poll();
  const samples = [];
  for (let sample = 0; sample < 7; sample += 1) {
    const startedMs = performance.now();
    for (let round = 0; round < ROUNDS; round += 1) node.graph.poll();
    samples.push(((performance.now() - startedMs) * 1e6) / (ROUNDS * packets.length));
  }
  samples.sort((left, right) => left - right);
  node.device.packets = [];
  return Math.round(samples[3]);
}

/** Sends packets through a node once and returns what left it. */
function pass(node, packets) {
  node.device.keeps = true;
  node.device.packets = packets;
  node.graph.poll();
  node.device.packets = [];
  node.device.keeps = false;
  return node.device.kept.splice(0);
}

const results = [];
for (const payloadBytes of [64, 1400]) {
  const { 'host-a': host, 'gw-a': gateway } = await nodesOf('vpn');
  const data = Array.from({ length: BATCH }, () => packetOf(payloadBytes, 16));
  pass(gateway, pass(host, [packetOf(0, 2)]));
  const sealed = pass(host, data);
  const note = (what, nsPerPacket) => results.push({ what, payloadBytes, nsPerPacket });
  note('host: check, policy, flow, seal', measure(host, data));
  note('gateway: check, classify, NAT', measure(gateway, sealed));
}
if (json)
  process.stdout.write(
    JSON.stringify({ bench: 'pipeline', node: process.version, results }, undefined, 2) + '\n',
  );
else
  for (const { what, payloadBytes, nsPerPacket } of results)
    process.stdout.write(
      `${what.padEnd(34)} ${String(payloadBytes).padStart(5)} octets ${String(nsPerPacket).padStart(6)} ns a packet\n`,
    );
