/** The dissector in extras/wireshark, run by tshark: a peer that shares no code with us opens what we sealed. */
import { seededRandom } from '@ngisec/core';
import { buildUdp, packetMutator } from '@ngisec/testkit';
import { linkTypes, PcapngReader, pcapWriter } from '@ngisec/wire';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CIPHER_FOLDER, fieldsOf, hasTshark, runLua, tshark } from '../test/dissector.ts';
import { goldenPackets, keyingOctets } from '../test/golden-packets.ts';
import { aeadVectors, counterVectors, hashVectors, poly1305Vectors } from '../test/published-vectors.ts';
import { seal, sealedSamples } from '../test/sealed-samples.ts';
import { MARKER } from './check.ts';
import { writeLabKeyLog } from './key-log.ts';
import { MemoryLaboratory } from './memory/laboratory.ts';
import { runScenario, scenarios } from './scenarios.ts';
import { gateways, legs, sites, type Leg } from './topology.ts';

const withTshark = hasTshark() || process.env['CI'] ? test : test.skip;
if (withTshark !== test) process.stderr.write('skipping wireshark.test.ts: no tshark here\n');

const folder = mkdtempSync(join(tmpdir(), 'ngisec-wireshark-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const amounts = {
  seed: 1,
  transferOctets: 20_000,
  datagramCount: 40,
  pingCount: 2,
  progress: () => undefined,
};
beforeAll(async () => {
  for (const scenario of scenarios.filter(({ name }) => name === 'vpn' || name === 'lan')) {
    await runScenario(scenario, 'memory', { ...amounts, pcapDirectory: at(scenario.name) });
  }
});

const capture = (leg: Leg, scenario = 'vpn'): string => at(`${scenario}/${leg}.pcapng`);
const keyLog = at('vpn/keys.log');
const FAULTS = '_ws.malformed || _ws.lua.error || ngisec.expert.padding || ngisec.expert.item';
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const unique = (lines: readonly string[]): string[] => [...new Set(lines)].sort();

/** A capture of raw IP packets, cut to `snapLength`. */
function writePackets(name: string, packets: readonly Uint8Array[], snapLength?: number): string {
  const writer = pcapWriter(linkTypes.raw, snapLength);
  writeFileSync(
    at(name),
    Buffer.concat([writer.header(), ...packets.map((octets, index) => writer.packet(octets, BigInt(index)))]),
  );
  return at(name);
}

function readPackets(file: string): Uint8Array[] {
  const reader = new PcapngReader();
  reader.push(readFileSync(file));
  const packets: Uint8Array[] = [];
  for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet.octets);
  return packets;
}

describe('ciphers in Lua', () => {
  const literal = (text: string): string => `from_hex('${text}')`;
  const FROM_HEX = `local function from_hex(text) return (text:gsub('%x%x', function(x) return string.char(tonumber(x, 16)) end)) end
local function to_hex(text) return (text:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end
local function part(name) return dofile(${JSON.stringify(CIPHER_FOLDER)} .. name) end
local aes, chacha, sha = part('ngisec-aes.lua'), part('ngisec-chacha.lua'), part('ngisec-sha.lua')
`;
  const run = (lines: readonly string[]): string[] => {
    writeFileSync(at('ciphers.lua'), FROM_HEX + lines.join('\n') + '\n');
    return runLua(at('ciphers.lua'), writePackets('empty.pcap', [])).trim().split('\n');
  };

  withTshark('published vectors of AES-GCM and ChaCha20-Poly1305', () => {
    const said = run(
      aeadVectors.flatMap(({ algorithm, key, nonce, associated, ciphertext, icv }) => {
        const open = `${algorithm}(${literal(key)})(${[nonce, associated, ciphertext].map(literal).join(', ')}`;
        const wrong = icv.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
        return [icv, wrong].map(
          (value) => `do local p, ok = ${open}, ${literal(value)}) print(to_hex(p), ok) end`,
        );
      }),
    );
    expect(said).toEqual(
      aeadVectors.flatMap(({ plaintext }) => [`${plaintext}\ttrue`, `${plaintext}\tfalse`]),
    );
  });

  withTshark('published vectors of Poly1305, those where carries and the modulus matter', () => {
    const said = run(
      poly1305Vectors.map(
        ({ key, text }) => `print(to_hex(chacha.poly1305(${literal(key)}, ${literal(text)})))`,
      ),
    );
    expect(said).toEqual(poly1305Vectors.map(({ tag }) => tag));
  });

  withTshark('published vectors of SHA-256, HMAC-SHA-256-128 and AES-CTR', () => {
    const hashes = hashVectors.map(({ call: [name, key, text] }) =>
      key === '' ? `${name}(${literal(text)})` : `${name}(${literal(key)})(${literal(text)})`,
    );
    const counters = counterVectors.map(
      ({ key, nonce, ciphertext }) => `aes.ctr(${literal(key)})(${literal(nonce)}, ${literal(ciphertext)})`,
    );
    expect(run([...hashes, ...counters].map((call) => `print(to_hex(${call}))`))).toEqual([
      ...hashVectors.map(({ result }) => result),
      ...counterVectors.map(({ plaintext }) => plaintext),
    ]);
  });
});

describe('sealed packets of every suite, family, protocol and many sizes', () => {
  const samples = sealedSamples(seededRandom(4));
  const file = (): string =>
    writePackets(
      'sealed.pcap',
      samples.map(({ octets }) => octets),
    );
  const sealedKeys = at('sealed.log');
  beforeAll(() => writeFileSync(sealedKeys, samples.map(({ keyLogLine }) => keyLogLine).join('\n')));

  withTshark('open to what was sealed', () => {
    const fields = ['ngisec.suite', 'ngisec.status', 'ngisec.data', 'ngisec.next'];
    expect(fieldsOf(file(), fields, { keyLog: sealedKeys })).toEqual(
      samples.map(({ suite, payload }) => `${suite}|1|${hex(payload)}|254`),
    );
  });

  withTshark('a flipped bit in what the ICV covers: not verified, no plaintext', () => {
    const flipped = samples.map(({ octets, payloadAt }, index) => {
      const copy = octets.slice();
      // In turn: the sender's address, the sequence number, the ciphertext, the ICV.
      const positions = [copy[0]! >>> 4 === 4 ? 15 : 23, payloadAt + 7, payloadAt + 8, copy.length - 1];
      copy[positions[index % 4]!]! ^= 1;
      return copy;
    });
    const fields = ['ngisec.status', 'ngisec.data', 'ngisec.expert.not_verified'];
    expect(fieldsOf(writePackets('flipped.pcap', flipped), fields, { keyLog: sealedKeys })).toEqual(
      samples.map(() => '3||1'),
    );
  });

  withTshark('two receivers that chose the same SPI: the key that fits is found', () => {
    const others = samples.map(({ keyLogLine }) =>
      keyLogLine.replace(/ [0-9a-f]{40,} /, (key) =>
        key.replaceAll(/./g, (digit) => (digit === ' ' ? ' ' : '7')),
      ),
    );
    writeFileSync(at('twice.log'), [...others, ...samples.map(({ keyLogLine }) => keyLogLine)].join('\n'));
    expect(unique(fieldsOf(file(), ['ngisec.status'], { keyLog: at('twice.log') }))).toEqual(['1']);
  });
});

const goldenKeyLog = goldenPackets
  .map(([suite, spi]) => {
    const key = hex(Uint8Array.from({ length: keyingOctets[suite]! }, (_, index) => index));
    return `ngisec-sa ${spi.toString(16)} data ${suite} full ${key} a>b\n`;
  })
  .join('');

describe('golden packets of the ah-esp profile and of suites that only authenticate', () => {
  const file = (): string =>
    writePackets(
      'golden.pcap',
      goldenPackets.map(([, , packet]) => Buffer.from(packet, 'hex')),
    );
  beforeAll(() => writeFileSync(at('golden.log'), goldenKeyLog));

  withTshark('open to what was sealed', () => {
    const fields = ['ngisec.suite', 'ngisec.profile', 'ngisec.status', 'ngisec.data'];
    expect(fieldsOf(file(), fields, { keyLog: at('golden.log') })).toEqual(
      goldenPackets.map(([suite]) => {
        const profile = suite === 'aes-128-gmac' ? 'compact' : 'ah-esp';
        return `${suite}|${profile}|1|${hex(Buffer.from(`hello, ${suite}`))}`;
      }),
    );
    expect(tshark(file(), { keyLog: at('golden.log'), filter: FAULTS })).toBe('');
  });

  withTshark('any changed octet behind the transport header: not verified', () => {
    const [, spi, packet] = goldenPackets[5]!;
    const octets = Buffer.from(packet, 'hex');
    const shimAt = 48;
    const changed = Array.from({ length: octets.length - shimAt }, (_, index) => {
      const copy = Uint8Array.from(octets);
      copy[shimAt + index]! ^= 0x80;
      return copy;
    });
    const all = fieldsOf(writePackets('changed.pcap', changed), ['ngisec.status', 'ngisec.data'], {
      keyLog: at('golden.log'),
    });
    // Some are no shim of a known SPI any more.
    const known = all.filter((line) => line !== '|');
    expect([spi, unique(known), known.length > changed.length - 10]).toEqual([0x1005, ['3|'], true]);
  });

  withTshark('without keys AH and ESP fields are shown', () => {
    const fields = [
      'ngisec.profile',
      'ngisec.ah.next',
      'ngisec.ah.spi',
      'ngisec.ah.seq',
      'ngisec.spi',
      'ngisec.seq',
    ];
    const guessed = fieldsOf(file(), fields, { preferences: ['ngisec.guess:TRUE'] });
    expect(guessed.slice(2, 4)).toEqual([
      'ah-esp|50|0x00001002|1|0x00001002|1',
      'ah-esp|50|0x00001003|1|0x00001003|1',
    ]);
  });
});

describe('captures of the laboratory', () => {
  withTshark.each(legs)('%s: every packet is opened and verified, and none is malformed', (leg) => {
    const file = capture(leg);
    const statuses = unique(fieldsOf(file, ['ngisec.kind', 'ngisec.status', 'ngisec.mode'], { keyLog }));
    expect(statuses).toEqual(['control|1|', leg === 'wan' ? 'data|2|vpn' : 'data|1|vpn']);
    expect(tshark(file, { keyLog, filter: FAULTS })).toBe('');
    expect(tshark(file, { keyLog, filter: '!ngisec' })).toBe('');
  });

  withTshark('wan: a SYN opens to the IP and TCP headers of its host', () => {
    const fields = [
      'ip.src',
      'ip.dst',
      'tcp.dstport',
      'ngisec.next',
      'ngisec.sa',
      'ngisec.suite',
      'ngisec.scope',
    ];
    const filter = 'ngisec.kind == "control" && ip && tcp.flags.syn == 1 && tcp.flags.ack == 0';
    expect(unique(fieldsOf(capture('wan'), fields, { keyLog, filter }))).toEqual([
      '198.51.100.2,10.1.0.2|203.0.113.2,10.2.0.2|8080,8080|4|gw-a>gw-b|aes-128-gcm|none',
    ]);
  });

  withTshark('the columns stay those of the packet around a duplicate', () => {
    const [first] = tshark(capture('wan'), { keyLog, filter: 'ngisec.duplicate' }).split('\n');
    expect(first).toMatch(
      /198\.51\.100\.2 → 203\.0\.113\.2 +NGISec .* → 8080 \[SYN\].*TSecr=0 .*\[NGISec control, SPI 0x\w+, verified\]$/,
    );
  });

  withTshark('wan: an announcement shows the emitted header and what it declares', () => {
    const fields = [
      'ngisec.next',
      'ngisec.item',
      'ngisec.mapping',
      'ngisec.declaration.suite',
      'ngisec.declaration.mode',
    ];
    const found = fieldsOf(capture('wan'), fields, { keyLog, filter: 'ngisec.item == 4' });
    expect(found.map((line) => line.replaceAll(/(?<=identifier )\d+|\d{5}/g, 'n'))).toEqual([
      '252|1,4|UDP 10.1.0.2 port n > 10.2.0.2 port 9000|1|2',
      '252|1,4|UDP fd01::2 port n > fd02::2 port 9000|1|2',
      '252|1,4|ICMP echo 10.1.0.2 > 10.2.0.2 identifier n|1|2',
      '252|1,4|ICMP echo fd01::2 > fd02::2 identifier n|1|2',
    ]);
  });

  withTshark.each(legs)('%s: data packets open to the known plaintext, which is nowhere else', (leg) => {
    const filter = `ngisec.data contains "${MARKER}"`;
    const found = fieldsOf(capture(leg), ['_ws.col.Protocol', 'ip.proto', 'ipv6.nxt'], { keyLog, filter });
    const protocols = ['1|', '17|', '6|', '|17', '|58', '|6'];
    expect(unique(found)).toEqual(unique(protocols.map((protocol) => `NGISec|${protocol}`)));
    const onWire = `frame contains "${MARKER}" || ${filter}`;
    expect(tshark(capture(leg), { filter: onWire, preferences: ['ngisec.guess:TRUE'] })).toBe('');
  });

  withTshark('wan: the reason why a data packet verifies is the header it was emitted with', () => {
    const [line] = fieldsOf(capture('wan'), ['ip.src', 'ngisec.emitted'], {
      keyLog,
      filter: 'ip && udp && ngisec.status == 2',
    });
    expect(line).toMatch(/^198\.51\.100\.2\|UDP 10\.1\.0\.2 port \d+ > 10\.2\.0\.2 port 9000$/);
  });

  withTshark('lan: one SA for both kinds', () => {
    const found = fieldsOf(
      capture('wan', 'lan'),
      ['ngisec.kind', 'ngisec.role', 'ngisec.mode', 'ngisec.status'],
      { keyLog: at('lan/keys.log') },
    );
    expect(unique(found)).toEqual(['control|both|lan|1', 'data|both|lan|1']);
  });

  withTshark('another key: not verified, and no plaintext unless asked for', () => {
    const wrong = readFileSync(keyLog, 'utf8').replaceAll(/ [0-9a-f]{40} /g, ` ${'5a'.repeat(20)} `);
    writeFileSync(at('wrong.log'), wrong);
    const wrongKey = { keyLog: at('wrong.log') };
    const fields = ['ngisec.status', 'ngisec.expert.not_verified', 'ngisec.plaintext'];
    expect(unique(fieldsOf(capture('lan-a'), fields, wrongKey))).toEqual(['3|1|']);
    expect(tshark(capture('lan-a'), { ...wrongKey, filter: 'ngisec' })).toContain('not verified]');
    const asked = { ...wrongKey, preferences: ['ngisec.show_unverified:TRUE'] };
    expect(tshark(capture('lan-a'), { ...asked, filter: '!ngisec.plaintext || _ws.lua.error' })).toBe('');
  });

  withTshark('without a key log nothing is taken for a shim; with a guess its fields are shown', () => {
    expect(tshark(capture('lan-a'), { filter: 'ngisec' })).toBe('');
    const fields = ['ngisec.profile', 'ngisec.status', 'ngisec.plaintext'];
    const preferences = ['ngisec.guess:TRUE'];
    expect(unique(fieldsOf(capture('lan-a'), fields, { preferences }))).toEqual(['compact|0|']);
    const [first] = fieldsOf(capture('lan-a'), ['ngisec.seq', 'ngisec.ciphertext.len', 'ngisec.icv'], {
      preferences,
    });
    expect(first).toMatch(/^1\|4\|[0-9a-f]{32}$/);
  });

  withTshark('heuristics first: no dissector of a port sees ciphertext', () => {
    const [way, payload] = [{ src: '10.1.0.2', dst: '10.2.0.2' }, new Uint8Array(40)];
    const query = buildUdp({ ...way, sport: 40000, dport: 53, payload });
    const sealed = seal(query, payload, 'aes-128-gcm', seededRandom(6));
    writeFileSync(at('dns.log'), sealed.keyLogLine);
    const file = writePackets('dns.pcap', [sealed.octets]);
    const seen = (preferences: string[]): string[] =>
      fieldsOf(file, ['frame.protocols', 'ngisec.data'], { keyLog: at('dns.log'), preferences });
    expect(seen(['udp.try_heuristic_first:TRUE'])).toEqual([`raw:ip:udp:ngisec|${hex(payload)}`]);
    expect(seen([])).toEqual([`raw:ip:udp:dns|${hex(payload)}`]);
  });

  withTshark('a key log with mistakes: each is named, the others serve', () => {
    writeFileSync(
      at('mixed.log'),
      `# by hand\n\nngisec-sa 12\n${readFileSync(keyLog, 'utf8')}ngisec-sa 100 data aes-128-gcm full 0011 short\n`,
    );
    const said = tshark(capture('lan-a'), { keyLog: at('mixed.log'), filter: '!ngisec' });
    expect(said).toContain('mixed.log:3 is no SA');
    expect(said).toMatch(/mixed\.log:\d+ has a key of the wrong length/);
    expect(tshark(capture('lan-a'), { keyLog: at('none.log'), filter: 'ngisec' })).toContain(
      'none.log: No such file',
    );
  });

  test('the key log is for its owner only', () => {
    expect(statSync(keyLog).mode & 0o777).toBe(0o600);
    expect(readFileSync(keyLog, 'utf8').trim().split('\n')).toHaveLength(8);
  });
});

withTshark(
  'healing: updates teach the dissector what gateways forgot, and need-mapping is shown',
  async () => {
    const lab = await MemoryLaboratory.open('vpn', 7);
    const packets: Uint8Array[] = [];
    lab.links.wan.tap((octets) => void packets.push(octets));
    const { a, b } = lab.stacks;
    const server = b.udp.bind(7000);
    server.onDatagram = (payload, from) => server.sendTo(from.address, from.port, payload);
    const client = a.udp.bind();
    const pulse = (): void => {
      client.sendTo(sites.b.host[0], 7000, Buffer.from(MARKER));
      lab.network.run(500);
    };
    for (const gateway of [undefined, ...gateways]) {
      if (gateway !== undefined) lab.bindings.get(gateway)!.clear();
      for (let turn = 0; turn < 4; turn += 1) pulse();
    }
    lab.close();
    writeLabKeyLog(at('heal'), lab.files);
    const file = writePackets('heal.pcap', packets);
    const dissection = { keyLog: at('heal/keys.log') };
    expect(unique(fieldsOf(file, ['ngisec.kind', 'ngisec.status'], dissection))).toEqual([
      'control|1',
      'data|2',
    ]);
    const messages = fieldsOf(file, ['ngisec.item'], { ...dissection, filter: 'ngisec.item' });
    // The announcement and its far host's confirmation; updates, the peer's confirmation of one, a request for one.
    expect(unique(messages)).toEqual(['1', '1,2', '1,4', '2', '3']);
    expect(tshark(file, { ...dissection, filter: FAULTS })).toBe('');
  },
);

describe('bad packets', () => {
  const everything = {
    keyLog: at('all.log'),
    preferences: ['ngisec.guess:TRUE', 'ngisec.show_unverified:TRUE'],
  };
  const goldens = goldenPackets.map(([, , packet]) => new Uint8Array(Buffer.from(packet, 'hex')));
  const captured = (): Uint8Array[] =>
    legs.flatMap((leg) => readPackets(capture(leg)).filter((_, index) => index % 9 === 0));
  beforeAll(() => writeFileSync(at('all.log'), readFileSync(keyLog, 'utf8') + goldenKeyLog));

  withTshark('mutated ones raise no Lua error', () => {
    const seeds = captured();
    // A third of them.
    const rounds = Math.ceil(seeds.length / (2 * goldens.length));
    for (let round = 0; round < rounds; round += 1) seeds.push(...goldens);
    const mutate = packetMutator(seededRandom(5), seeds);
    const scratch = new Uint8Array(2048);
    const packets = Array.from({ length: 4000 }, () => scratch.slice(0, mutate(scratch)));
    const file = writePackets('mutated.pcap', packets);
    expect(tshark(file, { ...everything, filter: '_ws.lua.error' })).toBe('');
    const seen = fieldsOf(file, ['ngisec.profile', 'ngisec.status'], { ...everything, filter: 'ngisec' });
    for (const status of [0, 1, 3, 4]) {
      expect(seen).toEqual(expect.arrayContaining([`compact|${status}`, `ah-esp|${status}`]));
    }
  });

  withTshark('truncated ones neither, cut anywhere', () => {
    const packets = [...captured(), ...goldens];
    const filter = '_ws.lua.error || (ngisec.data && frame.cap_len < frame.len)';
    for (const snapLength of [21, 40, 41, 52, 60, 61, 63, 64, 68, 75, 80, 99]) {
      const file = writePackets('truncated.pcap', packets, snapLength);
      expect(tshark(file, { ...everything, filter })).toBe('');
    }
  });

  withTshark('the check itself sees a Lua error', () => {
    writeFileSync(
      at('error.lua'),
      `local p = Proto('broken', 'Broken')\nfunction p.dissector(tvb) tvb(100000, 1) end\nregister_postdissector(p)\n`,
    );
    const said = tshark(capture('lan-a'), {
      script: at('error.lua'),
      filter: '_ws.lua.error',
      more: ['-c', '1', '-V'],
    });
    expect(said).toContain('Lua Error');
  });
});
