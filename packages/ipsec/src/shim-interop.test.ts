/** An implementation in Python, written from the description, as the other end of both profiles. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PacketPool, seededRandom } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { countingKey, fromHex, onTheWire, saPair, suiteNames, toHex } from '../test/sa-pair.ts';
import * as shim from './shim.ts';
import { workingProviders } from './crypto/choose-provider.ts';
import type { SuiteName } from './crypto/suites.ts';
import type { Scope } from './header-image.ts';
import { SEQUENCE_MAX } from './replay-window.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../test/peer.py', import.meta.url));
const canRun = spawnSync(PYTHON, ['-c', 'import scapy, cryptography']).status === 0;
const withPython = canRun || process.env['CI'] ? test : test.skip;
if (withPython !== test) {
  process.stderr.write('skipping shim-interop.test.ts: no python3-scapy and python3-cryptography here\n');
}

interface Case {
  readonly suite: SuiteName;
  readonly scope: Scope;
  readonly spi: number;
  readonly key: string;
  readonly sequence: number;
  readonly next: number;
  /** The emitted packet, in hex. */
  readonly packet: string;
}

const random = seededRandom(4303);
const octetsOf = (length: number): Uint8Array => {
  const octets = new Uint8Array(length);
  random.fill(octets);
  return octets;
};

const builders = [
  { build: buildTcp, options: () => new Uint8Array(4 * random.integer(11)).fill(1) },
  { build: buildUdp, options: undefined },
  { build: buildEcho, options: undefined },
];
const SEQUENCES = [1, 2, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 40 + 7, SEQUENCE_MAX];

/** Every suite, IP version and protocol, with 8 payload sizes each: 0, 1, 1400 and random ones. */
function* cases(): Generator<Case> {
  for (const suite of suiteNames) {
    for (const bytes of [4, 16]) {
      for (const { build, options } of builders) {
        for (let round = 0; round < 8; round += 1) {
          const packet = build({
            src: octetsOf(bytes),
            dst: octetsOf(bytes),
            dscp: random.integer(64),
            ttl: 1 + random.integer(255),
            sport: random.integer(0x1_0000),
            dport: random.integer(0x1_0000),
            seq: random.integer(2 ** 32),
            ack: random.integer(2 ** 32),
            identifier: random.integer(0x1_0000),
            payload: octetsOf([0, 1, 1400][round] ?? random.integer(1401)),
            ...(options === undefined ? {} : { options: options() }),
          });
          yield {
            suite,
            scope: (['full', 'ports', 'none'] as const)[round % 3]!,
            spi: 256 + random.integer(0x3200_0000 - 256),
            key: toHex(octetsOf(countingKey(suite).length)),
            sequence: SEQUENCES[round] ?? 1 + random.integer(2 ** 32),
            next: round % 2 === 0 ? 254 : 252,
            packet: toHex(packet),
          };
        }
      }
    }
  }
}

const pool = new PacketPool({ packets: 1 });

function load(hex: string): number {
  const packet = pool.allocateCopy(fromHex(hex));
  expect(preparePacket(pool, packet)).toBe(true);
  return packet;
}

/** One answer for each order, from one run of the script. */
function ask(orders: readonly object[]): Record<string, unknown>[] {
  const input = orders.map((order) => JSON.stringify(order)).join('\n');
  const { stdout, stderr, status } = spawnSync(PYTHON, [SCRIPT], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  expect([status, stderr]).toEqual([0, '']);
  const answers = stdout.trimEnd().split('\n');
  expect(answers).toHaveLength(orders.length);
  return answers.map((answer) => JSON.parse(answer));
}

const all = [...cases()];
// Providers take turns, so that each seals and opens what Python made.
const providers = workingProviders();
const pairOf = (each: Case, index: number): ReturnType<typeof saPair> =>
  saPair({ ...each, keyMaterial: fromHex(each.key), provider: providers[index % providers.length]! });

withPython('#22 #23 #37 Python opens what we seal: all suites, protocols, scopes, sizes', () => {
  const sealed = all.map((each, index) => {
    const { outbound, inbound } = pairOf(each, index);
    outbound.nextSequence = () => each.sequence;
    const packet = load(each.packet);
    pool.nextHeader[packet] = each.next;
    expect(shim.seal(pool, packet, outbound)).toBe(shim.SEAL_OK);
    const wire = toHex(onTheWire(pool, packet));
    pool.release(packet);
    outbound.destroy();
    inbound.destroy();
    return wire;
  });
  const answers = ask(all.map((each, index) => ({ ...each, do: 'open', packet: sealed[index] })));
  for (const [index, each] of all.entries()) {
    expect(answers[index]).toEqual({ packet: each.packet, next: each.next, rebuilt: sealed[index] });
  }
  expect(all).toHaveLength(384);
});

withPython('#22 #23 #37 we open what Python seals: all suites, protocols, scopes, sizes', () => {
  const answers = ask(all.map((each) => ({ ...each, do: 'seal' })));
  for (const [index, each] of all.entries()) {
    const { outbound, inbound } = pairOf(each, index);
    if (each.sequence > 1) inbound.window.markAccepted(each.sequence - 1);
    const packet = load(answers[index]!['packet'] as string);
    expect([index, shim.open(pool, packet, inbound)]).toEqual([index, shim.OPEN_OK]);
    expect(inbound.window.top).toBe(each.sequence);
    expect(pool.nextHeader[packet]).toBe(each.next);
    expect(toHex(onTheWire(pool, packet))).toBe(each.packet);
    pool.release(packet);
    outbound.destroy();
    inbound.destroy();
  }
});

withPython.each(suiteNames)(
  '#90 Python refuses a packet of ours with a changed port, address or octet: %s',
  (suite) => {
    const each = all.find((other) => other.suite === suite)!;
    const { outbound } = pairOf(each, 0);
    outbound.nextSequence = () => each.sequence;
    const packet = load(each.packet);
    shim.seal(pool, packet, outbound);
    const wire = onTheWire(pool, packet);
    pool.release(packet);
    outbound.destroy();
    const orders = [12, 19, 21, 23, wire.length - 3, wire.length - 1].map((at) => {
      const forged = wire.slice();
      forged[at]! ^= 1;
      return { ...each, do: 'open', packet: toHex(forged) };
    });
    for (const answer of ask(orders)) expect(answer).toEqual({ error: 'InvalidTag()' });
  },
);
