/** Wireshark judges what the builders and the scripted stack make. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tcp } from '@ngisec/wire';
import { capture, toPcap, type TappedPacket } from './capture.ts';
import { Stack } from './endpoint/stack.ts';
import { buildEcho, buildTcp, buildUdp } from './packet-builders.ts';
import { SimulatedNetwork } from './simulated-network.ts';

const isMissing = spawnSync('tshark', ['--version']).status !== 0;
const withTshark = !isMissing || process.env['CI'] ? test : test.skip;
if (withTshark !== test) process.stderr.write('skipping wireshark.test.ts: no tshark here\n');

const folder = mkdtempSync(join(tmpdir(), 'ngisec-testkit-'));
afterAll(() => rmSync(folder, { recursive: true }));

const CHECKSUMS = ['ip', 'tcp', 'udp', 'icmp', 'icmpv6'];
const BAD = ['_ws.malformed', ...CHECKSUMS.map((name) => `${name}.checksum.status == 0`)].join(' || ');

function tshark(packets: readonly TappedPacket[], filter: string, fields: readonly string[]): string[] {
  const file = join(folder, 'packets.pcap');
  writeFileSync(file, toPcap(packets));
  const checks = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
  const wanted = fields.flatMap((field) => ['-e', field]);
  const parameters = ['-r', file, ...checks, '-Y', filter, '-T', 'fields', '-E', 'separator=|', ...wanted];
  const output = execFileSync('tshark', parameters, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return output.split('\n').filter((line) => line !== '');
}

const onWire = (octets: Uint8Array): TappedPacket => ({ octets, direction: 'a2b', timeMs: 0 });

const families = [
  { src: '10.0.0.1', dst: '10.0.0.2', ttl: 7, dscp: 46, ecn: 2 },
  { src: 'fd00::1', dst: 'fd00::2', ttl: 7, dscp: 46, ecn: 2 },
];
// Ports no dissector claims: it would judge the payload.
const payload = Uint8Array.of(1, 2, 3, 4, 5);
const built = families.flatMap((fields) => [
  buildTcp({ ...fields, sport: 34567, dport: 34568, seq: 1, ack: 2, flags: tcp.ACK | tcp.PSH, payload }),
  buildUdp({ ...fields, sport: 34567, dport: 34568, payload }),
  buildEcho({ ...fields, identifier: 6, sequence: 7, payload }),
]);

withTshark('built packets are well formed, their checksums right', () => {
  expect(tshark(built.map(onWire), BAD, ['frame.number'])).toEqual([]);
  const good = CHECKSUMS.map((name) => `${name}.checksum.status == 1`).join(' || ');
  expect(tshark(built.map(onWire), good, ['frame.number'])).toEqual(['1', '2', '3', '4', '5', '6']);
});

withTshark('built packets say what was asked for', () => {
  const fields = [
    'ip.dsfield.dscp',
    'ip.ttl',
    'ipv6.tclass.dscp',
    'ipv6.hlim',
    'tcp.srcport',
    'udp.dstport',
    'data.len',
  ];
  expect(tshark(built.map(onWire), 'tcp || udp', fields)).toEqual([
    '46|7|||34567||5',
    '46|7||||34568|5',
    '||46|7|34567||5',
    '||46|7||34568|5',
  ]);
});

withTshark('the check itself sees a flipped bit in any of them', () => {
  const flipped = built.map((octets) => {
    const copy = octets.slice();
    copy[copy.length - 1]! ^= 1;
    return onWire(copy);
  });
  expect(tshark(flipped, BAD, ['frame.number'])).toEqual(['1', '2', '3', '4', '5', '6']);
});

/** A download of `length` octets with both sides closing, as the wire saw it. */
function session(address: string, length: number): readonly TappedPacket[] {
  const network = new SimulatedNetwork(11);
  const link = network.link({ latencyMs: 10 });
  const packets = capture(link);
  const client = new Stack(network, { addresses: ['10.0.0.1', 'fd00::1'] }, link.a);
  const server = new Stack(network, { addresses: ['10.0.0.2', 'fd00::2'] }, link.b);
  server.tcp.listen(34569, (connection) => {
    connection.write(new Uint8Array(length).fill(0x61));
    connection.close();
  });
  const connection = client.tcp.connect({ address, port: 34569 });
  connection.onEnd = () => connection.close();
  network.run(10_000);
  return packets;
}

describe.each(['10.0.0.2', 'fd00::2'])('a TCP session with %s', (address) => {
  const packets = session(address, 100_000);

  withTshark('is well formed and without anything Wireshark would remark on', () => {
    expect(tshark(packets, BAD, ['frame.number', '_ws.col.Info'])).toEqual([]);
    expect(tshark(packets, 'tcp.analysis.flags', ['frame.number', '_ws.col.Info'])).toEqual([]);
  });

  withTshark('opens, carries every octet once and closes', () => {
    // SYN, SYN-ACK, ACK, data and FIN were seen, and no RST.
    expect(tshark(packets, 'tcp', ['tcp.completeness']).at(-1)).toBe('31');
    const lengths = tshark(packets, 'tcp.len > 0', ['tcp.len']).map(Number);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(100_000);
    expect(
      tshark(packets, 'tcp.flags.syn == 1', ['tcp.options.mss_val', 'tcp.options.wscale.shift']),
    ).toEqual(Array(2).fill(address === 'fd00::2' ? '1440|2' : '1460|2'));
  });
});
