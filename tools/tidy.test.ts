// Style that a machine can check, after TigerBeetle's tidy test: each ban names what to write instead.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

interface Ban {
  readonly what: RegExp;
  readonly instead: string;
  /** Which files it governs. */
  readonly within: RegExp;
  readonly except?: RegExp;
}

const SOURCE = /^(packages|apps|examples)\/[^/]+\/src\/.*(?<!\.test)\.ts$/;
const PACKAGE_SOURCE = /^(packages|examples)\/[^/]+\/src\/.*(?<!\.test)\.ts$/;
const TEXT = /\.(ts|js|mjs|md|json|ya?ml|sh|tsv|py|lua)$|^\.ci\//;

const BANS: readonly Ban[] = [
  {
    what: /\b(Date\.now|performance\.now)\(/,
    instead: 'an injected Clock (#137)',
    within: PACKAGE_SOURCE,
    except: /^packages\/core\/src\/clock\.ts$/,
  },
  {
    what: /\bMath\.random\(/,
    instead: 'an injected Random (#137)',
    within: PACKAGE_SOURCE,
    except: /^packages\/core\/src\/random\.ts$/,
  },
  {
    what: /\bconsole\./,
    instead: 'a counter, an error or a returned value; only commands print',
    within: PACKAGE_SOURCE,
    except: /^packages\/runtime\/src\/(main|cli|commands?)\b/,
  },
  {
    what: /\.(read|write)(U?Int|BigU?Int|Float|Double)(8|16|32|64|LE|BE)?/,
    instead: 'the free functions of wire over Uint8Array',
    within: PACKAGE_SOURCE,
  },
  { what: /\b(TODO|FIXME|XXX|HACK)\b/, instead: 'an issue', within: TEXT },
  { what: /\.(only|skip)\(/, instead: 'a condition that fails where CI is set', within: /\.test\.ts$/ },
  { what: /(?<![\w.])\/(work|root)\//, instead: 'a path relative to the repository', within: TEXT },
];

const EXEMPT = /^(package-lock\.json|tools\/tidy\.test\.ts)$/;
const MAX_FILE_LINES = 500;
const MAX_COLUMNS = 120;
/** A message or a fixture reads better whole than cut. */
const LONG_TEXT = /['`].{50,}/;
const MAX_FUNCTION_LINES = 70;

const root = path.resolve(import.meta.dirname, '..');
const listed = execFileSync(
  'git',
  ['-c', `safe.directory=${root}`, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: root, encoding: 'utf8' },
);
const files = listed.split('\0').filter((file) => file !== '' && existsSync(path.join(root, file)));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const typescript = files.filter((file) => file.endsWith('.ts'));
const parse = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, read(file), ts.ScriptTarget.ES2023, true);
const lineOf = (source: ts.SourceFile, at: number): number =>
  source.getLineAndCharacterOfPosition(at).line + 1;

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

/** The places that break a ban, as `file:line`. */
function breaches(ban: Ban, file: string, text: string): string[] {
  if (!ban.within.test(file) || ban.except?.test(file) === true || EXEMPT.test(file)) return [];
  return text.split('\n').flatMap((line, index) => (ban.what.test(line) ? [`${file}:${index + 1}`] : []));
}

const bansOn = (line: string): number =>
  BANS.filter((ban) => breaches(ban, 'packages/stage-nat/src/a.ts', line).length > 0).length;

/** Descriptors of stages, known by their shape, that lack a summary or the paragraphs they carry out. */
function barrenDescriptors(source: ts.SourceFile): string[] {
  const found: string[] = [];
  visit(source, (node) => {
    if (!ts.isCallExpression(node) || node.expression.getText() !== 'describeStage') return;
    const [literal] = node.arguments;
    if (literal === undefined || !ts.isObjectLiteralExpression(literal)) return;
    const valueOf = (name: string): ts.Expression | undefined => {
      const property = literal.properties.find((each) => each.name?.getText() === name);
      return property !== undefined && ts.isPropertyAssignment(property) ? property.initializer : undefined;
    };
    const summary = valueOf('summary');
    const specifications = valueOf('specifications');
    const bare =
      (summary !== undefined && ts.isStringLiteralLike(summary) && summary.text.trim() === '') ||
      (specifications !== undefined &&
        ts.isArrayLiteralExpression(specifications) &&
        specifications.elements.length === 0);
    if (bare) found.push(`${source.fileName}:${lineOf(source, node.getStart())}`);
  });
  return found;
}

function longFunctions(source: ts.SourceFile): string[] {
  const found: string[] = [];
  visit(source, (node) => {
    if (!ts.isFunctionLike(node)) return;
    const first = lineOf(source, node.getStart());
    const lines = lineOf(source, node.getEnd()) - first + 1;
    if (lines > MAX_FUNCTION_LINES) found.push(`${source.fileName}:${first} (${lines} lines)`);
  });
  return found;
}

test.each(BANS)('not $what but $instead', (ban) => {
  expect(files.flatMap((file) => breaches(ban, file, read(file)))).toEqual([]);
});

test.each(['Date.now()', 'Math.random()', 'console.log(1)', 'b.writeUInt32BE(1)', '// TODO', "'/root/x'"])(
  'one ban finds %s',
  (line) => expect(bansOn(line)).toBe(1),
);

test.each(['clock.nowMs()', 'random.next32()', 'writeUint16(bytes, at, 1)', '/network/x', 'mastodon'])(
  'no ban minds %s',
  (line) => expect(bansOn(line)).toBe(0),
);

test(`no TypeScript file is longer than ${MAX_FILE_LINES} lines`, () => {
  expect(typescript.filter((file) => read(file).split('\n').length - 1 > MAX_FILE_LINES)).toEqual([]);
});

test(`no TypeScript line is wider than ${MAX_COLUMNS} columns`, () => {
  const wide = (file: string): string[] =>
    read(file)
      .split('\n')
      .flatMap((line, index) =>
        line.length > MAX_COLUMNS && !LONG_TEXT.test(line) ? [`${file}:${index + 1}`] : [],
      );
  expect(typescript.flatMap(wide)).toEqual([]);
});

test(`no function outside tests is longer than ${MAX_FUNCTION_LINES} lines`, () => {
  expect(
    typescript.filter((file) => SOURCE.test(file)).flatMap((file) => longFunctions(parse(file))),
  ).toEqual([]);
});

test('every stage descriptor says what it is for and what it carries out', () => {
  expect(
    typescript.filter((file) => SOURCE.test(file)).flatMap((file) => barrenDescriptors(parse(file))),
  ).toEqual([]);
});

const packages = files.filter((file) => /^((packages|apps|examples)\/[^/]+\/)?package\.json$/.test(file));

test('every package.json names its licence', () => {
  expect(packages.filter((file) => JSON.parse(read(file)).license !== 'Apache-2.0')).toEqual([]);
});

test('every package has a README', () => {
  const readmes = packages.map((file) => path.join(path.dirname(file), 'README.md'));
  expect(readmes.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});
