// A node that protects nothing: intercepts as the plan in argv[2] says and passes packets on as they are. A gateway
// translates one address each way. Prints "ready <method>", ends at SIGTERM, undoing everything.
import { Batch, PacketPool } from '@ngisec/core';
import { ip, ipv4, parseAddress, parsePrefix, prefixContains } from '@ngisec/wire';
import { TunDevice, intercept } from '../dist/index.js';

const { plan, offload, method, stateDirectory, translate } = JSON.parse(process.argv[2]);
const pool = new PacketPool();
const device = TunDevice.open({ name: 'ngtest%d', offload }, pool);
const interception = intercept(plan, device, { method, stateDirectory });
device.ttlIncrementInbound = interception.method === 'rules';
const inside = (plan.kind === 'host' ? plan.addresses : plan.lan.prefixes).map(parsePrefix);
const received = new Batch(pool);
const headings = { outbound: new Batch(pool), inbound: new Batch(pool) };
let running = true;
let refused = 0;

function isOutbound(bytes, at, family) {
  const source = at + ip.sourceOffset(family);
  return inside.some(
    (prefix) => prefix.address.length === ip.addressBytes(family) && prefixContains(prefix, bytes, source),
  );
}

/** Puts addresses in place of others and leaves both checksums to be computed. */
function rewrite(packet, family, [source, destination]) {
  const { bytes, start } = pool;
  const at = start[packet];
  bytes.set(parseAddress(source), at + ip.sourceOffset(family));
  bytes.set(parseAddress(destination), at + ip.destinationOffset(family));
  const transport = at + (family === 4 ? ipv4.headerBytes(bytes, at) : 40);
  pool.family[packet] = family;
  pool.protocol[packet] = bytes[family === 4 ? at + 9 : at + 6];
  pool.transport[packet] = transport;
  pool.checksumPending[packet] = 1;
  if (family === 4) ipv4.completeChecksum(bytes, at);
}

function pass() {
  device.receive(received);
  for (let index = 0; index < received.length; index += 1) {
    const packet = received.packets[index];
    const at = pool.start[packet];
    const family = pool.bytes[at] >>> 4;
    const heading = isOutbound(pool.bytes, at, family) ? 'outbound' : 'inbound';
    if (translate) rewrite(packet, family, translate[family][heading]);
    headings[heading].push(packet);
  }
  received.clear();
  for (const [heading, batch] of Object.entries(headings)) {
    refused += device.transmit(batch, heading);
    batch.clear();
  }
}

function turn() {
  if (!running) {
    interception.undo();
    device.close();
    process.stdout.write(`${JSON.stringify({ ...device.counters, refused, available: pool.available })}\n`);
    return;
  }
  for (let round = 0; round < 64 && device.wait(round === 0 ? 20 : 0); round += 1) pass();
  setImmediate(turn);
}

process.on('SIGTERM', () => {
  running = false;
});
process.stdout.write(`ready ${interception.method}\n`);
turn();
