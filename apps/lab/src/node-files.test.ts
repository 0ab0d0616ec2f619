import { seededRandom, systemRandom } from '@ngisec/core';
import { suites, type SuiteName } from '@ngisec/ipsec';
import { load } from '@ngisec/runtime';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeNodeFiles, writeNodeFiles } from './node-files.ts';
import type { LabMode } from './modes.ts';

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'ngisec-files-'))));
afterEach(() => rmSync(directory, { recursive: true }));

describe.each<[LabMode, string[]]>([
  ['vpn', ['gw-a', 'gw-b', 'host-a', 'host-b']],
  ['lan', ['host-a', 'host-b']],
  ['tls', ['gw-a', 'gw-b']],
])('mode %s', (mode, names) => {
  test.each(Object.keys(suites) as SuiteName[])(
    '%s: every node’s files load without complaint',
    async (suite) => {
      const files = makeNodeFiles(mode, systemRandom, { suite });
      writeNodeFiles(directory, files);
      expect(Object.keys(files.nodes).sort()).toEqual(names);
      for (const name of names)
        expect((await load(join(directory, `${name}.yaml`))).configuration.name).toBe(name);
    },
  );

  test('both ends of a channel have each other’s keys, and no two channels share an SPI or a key', async () => {
    const files = makeNodeFiles(mode, systemRandom);
    writeNodeFiles(directory, files);
    const ends = await Promise.all(
      names.map(
        async (name) => [name, (await load(join(directory, `${name}.yaml`))).keyFile.channels] as const,
      ),
    );
    const inbound = ends.flatMap(([node, channels]) =>
      channels.map((channel) => ({ node, ...channel.inbound })),
    );
    const outbound = ends.flatMap(([node, channels]) =>
      channels.map((channel) => ({ node, ...channel.outbound })),
    );
    expect(inbound).toHaveLength(2 * files.channels.length);
    for (const sending of outbound) {
      const matches = inbound.filter(({ spi }) => spi === sending.spi);
      expect(matches.map(({ keyMaterial, scope, suite }) => ({ keyMaterial, scope, suite }))).toEqual([
        { keyMaterial: sending.keyMaterial, scope: sending.scope, suite: sending.suite },
      ]);
      expect(matches[0]!.node).not.toBe(sending.node);
    }
    expect(new Set(inbound.map(({ keyMaterial }) => Buffer.from(keyMaterial).toString('hex'))).size).toBe(
      inbound.length,
    );
  });

  test('no gateway has a data key', () => {
    const { channels } = makeNodeFiles(mode, systemRandom);
    const ofData = channels.filter(({ role }) => role !== 'control');
    expect(ofData.map(({ nodes }) => nodes)).toEqual(mode === 'tls' ? [] : [['host-a', 'host-b']]);
  });

  test('key files are for their owner alone', () => {
    writeNodeFiles(directory, makeNodeFiles(mode, systemRandom));
    for (const name of names) expect(statSync(join(directory, `${name}.keys.yaml`)).mode & 0o777).toBe(0o600);
  });

  test('F11 a seed gives the same files, another seed other keys', () => {
    const [first, again, other] = [4, 4, 5].map((seed) => makeNodeFiles(mode, seededRandom(seed)));
    expect(again).toEqual(first);
    expect(other!.channels[0]!.keys).not.toEqual(first!.channels[0]!.keys);
  });
});
