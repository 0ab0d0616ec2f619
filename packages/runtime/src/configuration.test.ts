import { complaintOf, exchange, NODE } from '../test/workbench.ts';

const inNode = (passage: string, other: string): Promise<string> => complaintOf({ node: exchange(NODE, passage, other) });

describe('a mistake in the configuration file is named in its place, with a way out', () => {
  test('no YAML', async () => {
    expect(await inNode('[198.51.100.0/24]', '[198.51.100.0/24')).toBe('');
  });

  test.each([
    ['a key twice', 'interface: lan0', 'name: eve', ''],
    ['an alias without its anchor', 'lan0', '*lan', ''],
    ['unknown key', 'addresses:', 'adresses:', ''],
    ['unknown key, unlike any', 'interface: lan0', 'interface: lan0\nzebra: 1', ''],
    ['unknown key of an inner map', 'interface: lan0', 'interface: lan0\nlimits:\n  packet: 5', ''],
    ['required key missing', 'interface: lan0\n', '', ''],
    ['bad address', '192.0.2.1', '192.0.2.256', ''],
    ['prefix length beyond the address', '198.51.100.0/24', '198.51.100.0/33', ''],
    ['prefix with bits behind its length', '198.51.100.0/24', "198.51.100.7/24, '2001:db8::1/33'", ''],
    ['text for a list', "[192.0.2.1, '2001:db8::1']", '192.0.2.1', ''],
    ['number for text', 'lan0', '7', ''],
    ['list for text', 'lan0', '[lan0]', ''],
    ['text for a number', 'interface: lan0', 'interface: lan0\nlimits: { packets: many }', ''],
    ['fraction for a whole number', 'interface: lan0', 'interface: lan0\nlimits: { packets: 1.5 }', ''],
    ['text for true or false', 'interface: lan0', 'interface: lan0\noffload: "yes"', ''],
    ['nothing', 'lan0', '', ''],
    ['an empty list', '[198.51.100.0/24]', '[]', ''],
    ['a value that is none of the choices', 'interface: lan0', 'interface: lan0\ninterception: rule', ''],
    ['a name of other characters', 'alice\n', 'Alice\n', ''],
    ['unknown app', 'relay', 'hots', ''],
    ['an app that is no package', 'relay', '../relay', ''],
    ['no app', 'app: relay\n', '', ''],
    ['a list for the whole', NODE, '- app', ''],
    ['an empty file', NODE, '', ''],
  ])('%s', async (_, passage, other, said) => {
    expect(await inNode(passage, other)).toBe(said);
  });
});
