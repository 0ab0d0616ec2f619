/** Wireshark's tools as the other party: they read what we write, we read what they write. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkTypes, type CapturedPacket } from './capture.ts';
import { PcapReader, pcapWriter } from './pcap.ts';
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  PcapngReader,
  sectionHeader,
} from './pcapng.ts';

const TOOLS = ['tshark', 'capinfos', 'text2pcap', 'editcap'];
const missing = TOOLS.filter((tool) => spawnSync(tool, ['--version']).status !== 0);
const withTools = missing.length === 0 || process.env['CI'] ? test : test.skip;
if (withTools !== test)
  process.stderr.write(`skipping capture-tools.test.ts: no ${missing.join(', ')} here\n`);

const folder = mkdtempSync(join(tmpdir(), 'ngisec-capture-'));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (tool: string, ...parameters: string[]): string =>
  execFileSync(tool, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const FIELDS = ['frame.time_epoch', 'frame.len', 'frame.cap_len', 'ip.src', 'ip.dst', 'udp.dstport'];
const PCAPNG_FIELDS = ['frame.interface_name', 'frame.packet_flags_direction', 'frame.comment'];

/** Per packet, the values of the fields, in their order. */
function tshark(file: string, fields: readonly string[]): string[][] {
  const wanted = fields.flatMap((field) => ['-e', field]);
  const lines = run('tshark', '-r', file, '-T', 'fields', '-E', 'separator=|', ...wanted);
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|'));
}

function readAll(reader: PcapReader | PcapngReader, file: string): CapturedPacket[] {
  reader.push(readFileSync(file));
  const packets: CapturedPacket[] = [];
  for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  expect(reader.error).toBeUndefined();
  expect(reader.pendingBytes).toBe(0);
  return packets;
}

/** 10.1.0.2:1000 -> 10.2.0.3:4242 over UDP, four octets of data. */
const datagram = Buffer.from('45000020000100004011663b0a0100020a02000303e81092000c000074657374', 'hex');
const frame = Buffer.concat([Buffer.from('0200000000010200000000020800', 'hex'), datagram]);
const timeNs = 1_700_000_000_123_456_789n;

describe('F9 captures against Wireshark', () => {
  withTools('tshark reads our pcap: time to the nanosecond, lengths, addresses', () => {
    const file = join(folder, 'written.pcap');
    const writer = pcapWriter(linkTypes.raw, 30);
    writeFileSync(
      file,
      Buffer.concat([writer.header(), writer.packet(datagram, timeNs), writer.packet(datagram, 1n, 99)]),
    );
    expect(tshark(file, FIELDS)).toEqual([
      ['1700000000.123456789', '32', '30', '10.1.0.2', '10.2.0.3', '4242'],
      ['0.000000001', '99', '30', '10.1.0.2', '10.2.0.3', '4242'],
    ]);
    const infos = run('capinfos', '-M', file);
    expect(infos).toMatch(/File type: +nsecpcap/);
    expect(infos).toMatch(/Number of packets: +2/);
    expect(infos).toMatch(/encapsulation: +rawip/i);
  });

  withTools('tshark reads our pcapng: interfaces, directions, comments', () => {
    const file = join(folder, 'written.pcapng');
    const blocks = [
      sectionHeader('ngisec test'),
      interfaceDescription({ name: 'wan0', linkType: linkTypes.raw }),
      interfaceDescription({ name: 'lan0', linkType: linkTypes.ethernet, snapLength: 2048 }),
      decryptionSecrets(0x544c534b, Buffer.from('# a key log line\n')),
      enhancedPacket({
        interfaceId: 0,
        timeNs,
        octets: datagram,
        direction: 'outbound',
        comment: 'nat: 10.1.0.2 → 10.9.0.1',
      }),
      enhancedPacket({
        interfaceId: 1,
        timeNs: timeNs + 1n,
        octets: frame,
        originalBytes: 1514,
        direction: 'inbound',
      }),
    ];
    writeFileSync(file, Buffer.concat(blocks));
    expect(tshark(file, [...FIELDS, ...PCAPNG_FIELDS])).toEqual([
      [
        '1700000000.123456789',
        '32',
        '32',
        '10.1.0.2',
        '10.2.0.3',
        '4242',
        'wan0',
        '0x00000002',
        'nat: 10.1.0.2 → 10.9.0.1',
      ],
      ['1700000000.123456790', '1514', '46', '10.1.0.2', '10.2.0.3', '4242', 'lan0', '0x00000001', ''],
    ]);
    const infos = run('capinfos', '-M', file);
    expect(infos).toMatch(/Number of decryption secrets in file: +1/);
    expect(infos).toMatch(/Capture application: +ngisec test/);
    expect(infos).toMatch(
      /Name = wan0[^]*Time ticks per second = 1000000000[^]*Name = lan0[^]*Capture length = 2048/,
    );
  });

  withTools('we read what text2pcap and editcap write', () => {
    const dump = join(folder, 'dump.txt');
    const octets = [...datagram].map((octet) => octet.toString(16).padStart(2, '0')).join(' ');
    writeFileSync(
      dump,
      `I 2023-11-14 22:13:20.123456789\n0000 ${octets}\nO 2023-11-14 22:13:21.000000000\n0000 ${octets}\n`,
    );
    const made = (format: string): string => {
      const file = join(folder, `made.${format}`);
      run('text2pcap', '-D', '-t', '%Y-%m-%d %H:%M:%S.%f', '-F', format, '-l', '101', dump, file);
      return file;
    };
    const expected = { octets: Uint8Array.from(datagram), originalBytes: 32, linkType: 101 };
    // text2pcap reads the local time, so only differences are certain.
    const since = (packets: readonly CapturedPacket[]): bigint => packets[1]!.timeNs - packets[0]!.timeNs;

    const nanoseconds = readAll(new PcapReader(), made('nsecpcap'));
    expect(nanoseconds).toMatchObject([expected, expected]);
    expect(nanoseconds[0]!.timeNs % 1_000_000_000n).toBe(123_456_789n);
    expect(since(nanoseconds)).toBe(876_543_211n);

    const microseconds = readAll(new PcapReader(), made('pcap'));
    expect(microseconds).toMatchObject([expected, expected]);
    expect(since(microseconds)).toBe(876_544_000n);

    const commented = join(folder, 'commented.pcapng');
    run('editcap', '-a', '2:second packet', made('pcapng'), commented);
    const blocks = readAll(new PcapngReader(), commented);
    expect(blocks).toMatchObject([
      { ...expected, direction: 'inbound' },
      { ...expected, direction: 'outbound', comment: 'second packet' },
    ]);
    expect(blocks[0]).not.toHaveProperty('comment');
    expect(blocks[0]!.interfaceName).toMatch(/text2pcap/);
    expect(since(blocks)).toBe(876_543_211n);
  });
});
