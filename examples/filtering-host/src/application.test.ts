import {
  contentFilter,
  contentFilterDescriptor,
  contentFilterModule,
} from '@example/ngisec-stage-content-filter';
import { GraphError, insertStage, StageFactoryToken, unaccounted, type StageFactory } from '@ngisec/core';
import { importApplication, ngisec, type Node } from '@ngisec/runtime';
import { capture, directPorts, SimulatedNetwork, Stack, type TappedPacket } from '@ngisec/testkit';
import { ContainerModule } from 'inversify';
import { altered, channel, NodeFiles, startNode } from '../test/simulated-nodes.ts';
import { application } from './application.ts';

const PORT = 9000;
const WORD = 'forbidden';
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const lanPolicy = (own: string, peer: string): string =>
  `interface: eth0\naddresses: [${own}]\npolicy: [{ name: peer, mode: lan, remote: [${peer}] }]\n`;

const files = new NodeFiles();
afterAll(() => files.remove());

/** Packets in which a text stands in the clear. */
const showing = (packets: readonly TappedPacket[], text: string): number =>
  packets.filter(({ octets }) => Buffer.from(octets).includes(text)).length;

const filterOf = ({ graph }: Node) => graph.report()['content-filter']!;

describe('the filtering host', () => {
  const configuration = `app: '@example/ngisec-filtering-host'\n${lanPolicy('10.1.0.3', '10.1.0.2')}words: [${WORD}]\n`;
  const keys = [channel('alice', 'both', '10.1.0.2', 4097, 4096)];

  async function check(text: string): Promise<string[]> {
    const said: string[] = [];
    const note = (line: string): void => void said.push(line);
    const path = files.write('carol', text, keys);
    const code = await ngisec(['check', '--graph', path], { out: note, err: note });
    return [`exit ${code}`, ...said.join('\n').replaceAll(`${files.directory}/`, '').split('\n')];
  }

  test('F13 is found by its package’s name, and the filter stands before the stack and nowhere else', async () => {
    expect(await importApplication('@example/ngisec-filtering-host')).toBe(application);
    const [code, , ...links] = await check(configuration);
    expect(code).toBe('exit 0');
    expect(links.filter((link) => link.includes('content-filter'))).toEqual([
      '  flows.deliver -> content-filter.in',
      '  content-filter.out -> device.inbound',
    ]);
    expect(links).toContain('  open.out -> flows.inbound');
  });

  test.each([
    ['a misspelt key', 'words:', 'wrods:', 'unknown key "wrods" (did you mean "words"?)'],
    ['no words', `[${WORD}]`, '[]', 'words: must not be empty'],
    ['a mistake in a key of the host', 'mode: lan', 'mode: lam', 'policy[0].mode: "lam" is not one of'],
  ])('%s is named in its place', async (_, passage, other, said) => {
    const [code, ...lines] = await check(configuration.replace(passage, other));
    expect(code).toBe('exit 2');
    expect(lines.join('\n')).toMatch(/^carol\.yaml:\d+:\d+: /);
    expect(lines.join('\n')).toContain(said);
  });
});

describe('#94 on the host that opens the packets', () => {
  async function twoHosts() {
    const network = new SimulatedNetwork(94);
    const link = network.link({ latencyMs: 1 });
    const packets = capture(link);
    const [stackA, insideA] = directPorts();
    const [stackB, insideB] = directPorts();
    const alice = new Stack(network, { addresses: ['10.1.0.2'], mtuBytes: 1471 }, stackA);
    const bob = new Stack(network, { addresses: ['10.1.0.3'], mtuBytes: 1471 }, stackB);
    const plain = files.write('alice', `app: host\n${lanPolicy('10.1.0.2', '10.1.0.3')}`, [
      channel('bob', 'both', '10.1.0.3', 4096, 4097),
    ]);
    const filtering = files.write(
      'bob',
      `app: '@example/ngisec-filtering-host'\n${lanPolicy('10.1.0.3', '10.1.0.2')}words: [${WORD}, unwanted]\n`,
      [channel('alice', 'both', '10.1.0.2', 4097, 4096)],
    );
    await startNode(plain, network, { role: 'host', inside: insideA, outside: link.a });
    const node = await startNode(filtering, network, { role: 'host', inside: insideB, outside: link.b });
    return { network, packets, alice, bob, node };
  }

  test('datagrams with a word are dropped, the others arrive, and the wire shows neither', async () => {
    const { network, packets, alice, bob, node } = await twoHosts();
    const texts = Array.from(
      { length: 20 },
      (_, index) => `${index % 2 === 0 ? 'harmless' : WORD} fruit ${index}`,
    );
    const received: string[] = [];
    bob.udp.bind(PORT).onDatagram = (payload) => void received.push(new TextDecoder().decode(payload));
    const socket = alice.udp.bind();
    for (const text of texts) socket.sendTo('10.1.0.3', PORT, encode(text));
    network.run(1000);
    expect(received).toEqual(texts.filter((text) => text.startsWith('harmless')));
    expect([showing(packets, WORD), showing(packets, 'harmless')]).toEqual([0, 0]);
    expect(filterOf(node).drops['containsWord']).toBe(10);
    expect(filterOf(node).counters['octets']).toBe(texts.join('').length);
    for (const [stage, report] of Object.entries(node.graph.report()))
      expect([stage, unaccounted(report)]).toEqual([stage, 0]);
  });

  test('a TCP transfer without a word arrives whole; one with it delivers nothing from there on', async () => {
    const { network, alice, bob, node } = await twoHosts();
    const received: string[] = [];
    bob.tcp.listen(PORT, (connection) => {
      const which = received.push('') - 1;
      connection.onData = (octets) => void (received[which] += new TextDecoder().decode(octets));
    });
    const clean = 'a harmless line\n'.repeat(2000);
    for (const text of [clean, `${'x'.repeat(5000)} ${WORD} ${'y'.repeat(5000)}`]) {
      alice.tcp.connect({ address: '10.1.0.3', port: PORT }).write(encode(text));
      network.run(5000);
    }
    expect(received[0]).toBe(clean);
    expect(received[1]).toMatch(/^x+$/);
    expect(filterOf(node).drops['containsWord']).toBeGreaterThan(0);
  });
});

describe('#94 at a gateway', () => {
  const LINK = 'from-lan.data -> nat.data';
  const texts = Array.from({ length: 50 }, (_, index) =>
    `${WORD} fruit number ${index} `.repeat(1 + (index % 9)),
  );

  /** Alice behind her gateway, whose application is altered; she sends every text to a host of the far site. */
  async function behindGateway(alter: Parameters<typeof startNode>[3]) {
    const network = new SimulatedNetwork(94);
    const [lan, wan] = [network.link(), network.link()];
    const [stack, inside] = directPorts();
    const alice = new Stack(network, { addresses: ['10.1.0.2'], mtuBytes: 1471 }, stack);
    const host = files.write(
      'alice',
      'app: host\ninterface: eth0\naddresses: [10.1.0.2]\npolicy: [{ name: far, mode: vpn, remote: [10.2.0.0/24] }]\n',
      [channel('gw', 'control', '10.2.0.0/24', 4096, 4097), channel('dave', 'data', '10.2.0.2', 4200, 4201)],
    );
    const gateway = files.write(
      'gw',
      'app: gateway\nlan: { interface: lan0, prefixes: [10.1.0.0/24] }\nwan: { interface: wan0, addresses: [198.51.100.2] }\n' +
        'peers: [{ name: far, addresses: [203.0.113.2], prefixes: [10.2.0.0/24] }]\n',
      [
        channel('alice', 'control', '10.1.0.2', 4097, 4096),
        channel('far', 'control', '203.0.113.2', 4300, 4301),
      ],
    );
    wan.b.onPacket = () => undefined;
    await startNode(host, network, { role: 'host', inside, outside: lan.a });
    const node = await startNode(gateway, network, { role: 'gateway', inside: lan.b, outside: wan.a }, alter);
    const packets = capture(lan);
    const socket = alice.udp.bind();
    for (const text of texts) socket.sendTo('10.2.0.2', PORT, encode(text));
    network.run(1000);
    return { node, packets };
  }

  test('the graph check refuses it: no packet there is opened', async () => {
    const misplaced = behindGateway((gateway) =>
      altered(
        gateway,
        (spec) => insertStage(spec, LINK, 'content-filter', contentFilterDescriptor, { words: [WORD] }),
        contentFilterModule,
      ),
    );
    await expect(misplaced).rejects.toThrow(GraphError);
    await expect(misplaced).rejects.toThrow(
      '"content-filter.in" accepts opened packets, but "from-lan.data" emits sealed-data ones',
    );
  });

  test('changed to take sealed data it finds nothing: it sees 0 octets of plaintext', async () => {
    const blindDescriptor = {
      ...contentFilterDescriptor,
      kind: 'example/blind-filter',
      inputs: { in: { accepts: ['sealed-data'], description: 'Data packets.' } },
      outputs: { out: { emits: 'sealed-data', description: 'The same.' } },
    } as const;
    const blind: StageFactory = {
      descriptor: blindDescriptor,
      create: (context) => contentFilter.create(context),
    };
    const blindModule = new ContainerModule(
      ({ bind }) => void bind(StageFactoryToken).toConstantValue(blind),
    );
    // Not only the word: any four letters in a row of what was sent.
    const all = texts.join('');
    const words = [...new Set(Array.from({ length: all.length - 3 }, (_, at) => all.slice(at, at + 4)))];
    const { node, packets } = await behindGateway((gateway) =>
      altered(
        gateway,
        (spec) => insertStage(spec, LINK, 'content-filter', blindDescriptor, { words }),
        blindModule,
      ),
    );
    const { received, emitted, drops, counters } = filterOf(node);
    expect([received, emitted['out'], drops['containsWord']]).toEqual([texts.length, texts.length, 0]);
    // It did look: every payload, and the 26 to 29 octets of its shim.
    expect(counters['octets']).toBeGreaterThanOrEqual(all.length + 26 * texts.length);
    expect(counters['octets']).toBeLessThanOrEqual(all.length + 29 * texts.length);
    expect(packets.length).toBeGreaterThan(texts.length);
    expect(showing(packets, WORD)).toBe(0);
  });
});
