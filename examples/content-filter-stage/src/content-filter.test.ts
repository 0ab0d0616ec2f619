import {
  Graph,
  PacketPool,
  StageFactoryToken,
  StageRegistry,
  VirtualClock,
  type PacketDevice,
} from '@ngisec/core';
import { deviceStage, describeStage, stageFactory } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, preparePacket, stageCompliance } from '@ngisec/testkit';
import { Container } from 'inversify';
import { contentFilterModule } from './content-filter.module.ts';
import { contentFilter } from './content-filter.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const ends = { src: '10.2.0.2', dst: '10.1.0.2', sport: 80, dport: 40000 };
const end6 = { src: 'fd02::2', dst: 'fd01::2', sport: 53, dport: 40000 };

const suite = stageCompliance({
  factory: contentFilter,
  options: { words: ['secret', 'geheim'] },
  validPackets: [
    buildTcp({ ...ends, payload: encode('nothing of the kind') }),
    buildTcp({ ...end6, payload: encode('a secret') }),
    buildUdp({ ...end6, payload: encode('geheim') }),
    buildEcho({ ...ends, payload: encode('secret') }),
  ],
});
for (const { name, run } of suite) test(name, run);

/** Stands for all that is before the filter on a host: headers are checked, the packet was verified and opened. */
const opened = stageFactory(
  describeStage({
    kind: 'test/opened',
    summary: 'Says that packets are opened.',
    specifications: [],
    inputs: { in: { accepts: ['raw'], description: '' } },
    outputs: { out: { emits: 'opened', description: '' } },
    options: {},
    counters: {},
    drops: {},
  }),
  ({ pool, outputs }) => ({
    inputs: {
      in: ({ packets, length }) => {
        for (let index = 0; index < length; index += 1) {
          expect(preparePacket(pool, packets[index]!)).toBe(true);
          outputs.out.push(packets[index]!);
        }
      },
    },
  }),
);

/** What of the packets comes out, and the filter's report. */
function filtered(words: readonly string[], packets: readonly Uint8Array[]) {
  const passed: Uint8Array[] = [];
  const device: PacketDevice = {
    name: 'test',
    receive: (batch) => {
      for (const octets of packets) batch.push(batch.pool.allocateCopy(octets));
      return packets.length;
    },
    transmit: ({ pool, packets: sent, length }) => {
      for (let index = 0; index < length; index += 1) {
        passed.push(pool.octets(sent[index]!));
        pool.release(sent[index]!);
      }
      return 0;
    },
  };
  const graph = new Graph(
    {
      stages: {
        device: { kind: 'device' },
        opened: { kind: 'test/opened' },
        filter: { kind: 'example/content-filter', options: { words } },
      },
      links: ['device.rx -> opened.in', 'opened.out -> filter.in', 'filter.out -> device.inbound'],
    },
    {
      pool: new PacketPool(),
      clock: new VirtualClock(),
      registry: new StageRegistry([deviceStage(device), opened, contentFilter]),
    },
  );
  graph.poll();
  return { passed, report: graph.report()['filter']! };
}

describe('#94 the filter', () => {
  const word = 'forbidden';
  const text = (payload: string): Uint8Array => buildUdp({ ...ends, payload: encode(payload) });

  test.each([
    ['at the start', text(`${word} fruit`)],
    ['in the middle', text(`a ${word} fruit`)],
    ['at the very end', text(`fruit, ${word}`)],
    ['alone', text(word)],
    ['behind a false start', text('forbforbidden')],
    ['over TCP', buildTcp({ ...ends, payload: encode(`a ${word} fruit`) })],
    ['over IPv6', buildTcp({ ...end6, options: new Uint8Array(12).fill(1), payload: encode(word) })],
  ])('drops a payload with the word %s', (_, octets) => {
    const { passed, report } = filtered(['other', word], [octets]);
    expect(passed).toEqual([]);
    expect(report.drops['containsWord']).toBe(1);
  });

  test.each([
    ['without it', text('an apple')],
    ['that breaks off in it', text('an apple, forbidde')],
    ['that spells it otherwise', text('Forbidden')],
    ['that is empty', text('')],
    ['of an echo', buildEcho({ ...ends, payload: encode(word) })],
    // Its ports spell "forb": only payloads are searched.
    [
      'behind headers that look like it',
      buildUdp({ ...ends, sport: 0x666f, dport: 0x7262, payload: encode('idden') }),
    ],
  ])('passes a payload %s, unchanged', (_, octets) => {
    const { passed, report } = filtered([word], [octets]);
    expect(passed).toEqual([octets]);
    expect(report.drops['containsWord']).toBe(0);
  });

  test('keeps the order, counts what it searched, and knows words beyond ASCII', () => {
    const [one, two, three] = ['eins', 'zwei: Äpfel', 'drei'].map(text);
    const { passed, report } = filtered(['Äpfel'], [one!, two!, three!]);
    expect(passed).toEqual([one, three]);
    expect(report.counters['octets']).toBe(4 + encode('zwei: Äpfel').length + 4);
  });

  test('without words passes everything; an empty word is a mistake of the configuration', () => {
    expect(filtered([], [text(word)]).passed).toHaveLength(1);
    expect(() => filtered([''], [])).toThrow(new RangeError('stage "filter": a word is empty'));
  });
});

test('F13 the module makes the kind known to a container', () => {
  const container = new Container();
  container.load(contentFilterModule);
  expect(container.getAll(StageFactoryToken)).toEqual([contentFilter]);
});
