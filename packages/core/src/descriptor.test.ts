import { describeStage, readOptions, type OptionsOf } from './descriptor.ts';
import { StageRegistry } from './registry.ts';
import { stageFactory } from './stage.ts';

const descriptor = describeStage({
  kind: 'sample',
  summary: '',
  specifications: [],
  inputs: {},
  outputs: {},
  options: {
    portMin: { type: 'integer', minimum: 1024, maximum: 65_535, default: 32_768, description: '' },
    strict: { type: 'boolean', default: false, description: '' },
    mode: { type: 'text', choices: ['fast', 'safe'], default: 'safe', description: '' },
    label: { type: 'text', default: '', description: '' },
    prefixes: { type: 'texts', default: ['10.0.0.0/8'], description: '' },
  },
  counters: {},
  drops: {},
});

describe('readOptions', () => {
  test('fills in the defaults', () => {
    const { options, problems } = readOptions(descriptor, { mode: 'fast' });
    expect(problems).toEqual([]);
    const expected: OptionsOf<typeof descriptor> = {
      portMin: 32_768,
      strict: false,
      mode: 'fast',
      label: '',
      prefixes: ['10.0.0.0/8'],
    };
    expect(options).toEqual(expected);
  });

  test('takes values at the bounds', () => {
    const given = { portMin: 1024, strict: true, label: 'anything', prefixes: [] };
    expect(readOptions(descriptor, given)).toEqual({ options: { ...given, mode: 'safe' }, problems: [] });
    expect(readOptions(descriptor, { portMin: 65_535 }).problems).toEqual([]);
  });

  test.each([
    ['portMin', 1023, 'must be an integer from 1024 to 65535'],
    ['portMin', 65_536, 'must be an integer from 1024 to 65535'],
    ['portMin', 2048.5, 'must be an integer from 1024 to 65535'],
    ['portMin', '2048', 'must be an integer from 1024 to 65535'],
    ['portMin', NaN, 'must be an integer from 1024 to 65535'],
    ['strict', 'yes', 'must be true or false'],
    ['mode', 'slow', 'must be one of fast, safe'],
    ['mode', 1, 'must be text'],
    ['label', [], 'must be text'],
    ['prefixes', '10.0.0.0/8', 'must be a list of texts'],
    ['prefixes', ['10.0.0.0/8', 8], 'must be a list of texts'],
    ['ports', 1, 'is not an option of this kind'],
    ['constructor', 1, 'is not an option of this kind'],
  ])('F2 %s: %p %s', (name, value, message) => {
    expect(readOptions(descriptor, { [name]: value }).problems).toEqual([{ name, message }]);
  });

  test('F2 tells every mistake, not only the first', () => {
    const { problems } = readOptions(descriptor, { portMin: 1, strict: 1, colour: 'red' });
    expect(problems.map(({ name }) => name)).toEqual(['portMin', 'strict', 'colour']);
  });
});

describe('StageRegistry', () => {
  const factory = (kind: string) => stageFactory({ ...descriptor, kind }, () => ({ inputs: {} }));

  test('finds a factory by its kind', () => {
    const [one, two] = [factory('one'), factory('two')];
    const registry = new StageRegistry([one, two]);
    expect(registry.kinds).toEqual(['one', 'two']);
    expect(registry.find('two')).toBe(two);
    expect(registry.find('three')).toBeUndefined();
    expect(registry.find('constructor')).toBeUndefined();
  });

  test('refuses two factories of one kind', () => {
    expect(() => new StageRegistry([factory('one'), factory('two'), factory('one')])).toThrow(
      'two stage factories are registered for kind "one"',
    );
  });

  test('names the nearest kind to an unknown one', () => {
    const registry = new StageRegistry([factory('classify'), factory('napt')]);
    expect(registry.unknownKind('clasify')).toBe('unknown kind "clasify" (did you mean "classify"?)');
    expect(registry.unknownKind('cheese')).toBe('unknown kind "cheese" (known: classify, napt)');
    expect(new StageRegistry([]).unknownKind('cheese')).toBe('unknown kind "cheese"');
  });
});
