// What stands between the two hosts in each set-up of the benchmark.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRandom } from '@ngisec/core';
import { makeNodeFiles, NodeProcess, run, sites, writeNodeFiles } from '@ngisec/lab';

const farHost = sites.b.host[0];

const startKernel = async () => ({ address: farHost, daemons: [] });

/** Options for the node processes, to profile them: NGISEC_BENCH_NODE_OPTIONS='--cpu-prof --cpu-prof-dir=/tmp/p'. */
const nodeOptions = (process.env.NGISEC_BENCH_NODE_OPTIONS ?? '')
  .split(' ')
  .filter((option) => option !== '');

const startOurs = (mode) => async (network) => {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-bench-'));
  const release = () => rmSync(directory, { recursive: true, force: true });
  try {
    const files = makeNodeFiles(mode, systemRandom);
    writeNodeFiles(directory, files);
    const nodes = Object.keys(files.nodes).map(
      (name) => new NodeProcess(network, name, directory, nodeOptions),
    );
    for (const node of nodes) await node.ready();
    return { address: farHost, daemons: nodes.map(({ program }) => program), release };
  } catch (error) {
    release();
    throw error;
  }
};

const SOCKETS = '/var/run/wireguard';
const PORT = 51820;
/** 1500 less 20 for IP, 8 for UDP and 32 for WireGuard: the largest inner packet that is not fragmented. */
const INNER_MTU = 1440;
const ends = [
  { place: 'host-a', letter: 'a', inner: '10.99.0.1', outer: sites.a.host[0] },
  { place: 'host-b', letter: 'b', inner: '10.99.0.2', outer: sites.b.host[0] },
];

async function startWireguardGo(network) {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-bench-'));
  try {
    const peers = [];
    for (const end of ends) peers.push(await startWireguardEnd(network, directory, end));
    peers.forEach((peer, index) => connect(network, peer, peers[1 - index]));
    return { address: ends[1].inner, daemons: peers.map(({ daemon }) => daemon) };
  } finally {
    // wireguard-go has its key by now.
    rmSync(directory, { recursive: true, force: true });
  }
}

async function startWireguardEnd(network, directory, end) {
  // Its control sockets lie in one directory for all namespaces, so that names must differ.
  const device = `w${end.letter}${process.pid}`;
  const command = ['env', 'LOG_LEVEL=error', 'wireguard-go', '-f', device];
  const daemon = network.start(end.place, command, 'wireguard-go');
  const socket = join(SOCKETS, `${device}.sock`);
  for (let waitedMs = 0; !existsSync(socket); waitedMs += 20) {
    if (waitedMs > 5000 || !daemon.isRunning)
      throw new Error(`wireguard-go did not start:\n${daemon.output}`);
    await sleep(20);
  }
  const key = run(['wg', 'genkey']);
  const keyFile = join(directory, `${end.letter}.key`);
  writeFileSync(keyFile, key, { mode: 0o600 });
  return { ...end, device, daemon, keyFile, publicKey: run(['wg', 'pubkey'], key).trim() };
}

function connect(network, own, far) {
  const peer = `peer ${far.publicKey} endpoint ${far.outer}:${PORT} allowed-ips ${far.inner}/32`;
  const words = `wg set ${own.device} listen-port ${PORT} private-key ${own.keyFile} ${peer}`;
  network.run(own.place, words.split(' '));
  network.ip(own.place, `address add ${own.inner}/24 dev ${own.device}`);
  network.ip(own.place, `link set ${own.device} mtu ${INNER_MTU} up`);
}

export const setUps = {
  kernel: { summary: 'three routers that forward, no protection', routing: 'private', start: startKernel },
  lan: {
    summary: 'ours, mode lan: the hosts protect, the routers only forward',
    routing: 'private',
    start: startOurs('lan'),
  },
  'wireguard-go': {
    summary: 'wireguard-go on both hosts, the routers only forward',
    routing: 'private',
    start: startWireguardGo,
  },
  vpn: {
    summary: 'ours, mode vpn: both hosts and both NAT gateways, four processes',
    routing: 'public',
    start: startOurs('vpn'),
  },
};
