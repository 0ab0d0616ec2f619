// An ESLint rule: which way imports may point. The table is in eslint.config.js; this is only how it is read.
import { isBuiltin } from 'node:module';
import path from 'node:path';

/** What any test may use besides what its package may. */
const FOR_TESTS = ['testkit', 'fast-check', 'inversify', 'reflect-metadata', '@jest/globals'];

/** The container is met at the edges only: no stage reaches for it. The runtime is the room that assembles. */
const CONTAINER_FILES = /(?:^|[./])(?:module|tokens|main)\.ts$/;

const SCOPE = '@ngisec/';
const ROOM = /^(packages|apps|examples)\/([^/]+)\//;

/** `@scope/name/deep/path.js` -> `@scope/name`, `name/deep` -> `name`. */
const packageName = (specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;

/** The sentence that says what is wrong with one import, or undefined. Paths are relative to the root. */
function fault(file, specifier, may) {
  const [, floor, room] = ROOM.exec(file) ?? [];
  if (specifier.startsWith('.') || specifier.startsWith('/')) {
    const target = ROOM.exec(path.posix.join(path.posix.dirname(file), specifier));
    if (target === null || target[2] === room) return undefined;
    return `reaches into ${target[0]} by path: import '${SCOPE}${target[2]}'`;
  }
  const name = packageName(specifier);
  if (name.startsWith(SCOPE) && name !== specifier) return `passes the entry point: import '${name}'`;
  if (room === undefined) return undefined;

  const test = file.endsWith('.test.ts') || file.includes('/test/');
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith('node:')) return `write 'node:${specifier}'`;
    return room === 'wire' && !test ? 'wire imports nothing, so that it runs anywhere' : undefined;
  }
  const short = name.startsWith(SCOPE) ? name.slice(SCOPE.length) : name;
  const allowed = [...(may[room] ?? []), ...(test ? FOR_TESTS : [])];
  if (!allowed.includes(short)) return `${room} may import ${allowed.join(', ') || 'nothing'}`;
  const assembles = floor === 'apps' || room === 'runtime';
  if (short === 'inversify' && !assembles && !test && !CONTAINER_FILES.test(file)) {
    return 'inversify belongs in *.module.ts, tokens.ts, main.ts, the runtime and the apps';
  }
  return undefined;
}

export const dependencyDirection = {
  meta: {
    type: 'problem',
    schema: [{ type: 'object', properties: { root: { type: 'string' }, may: { type: 'object' } } }],
    messages: {
      wrong: "Dependency direction: '{{specifier}}': {{fault}} (table `may` in eslint.config.js).",
    },
  },
  create(context) {
    const { root, may } = context.options[0];
    const file = path.relative(root, context.filename).split(path.sep).join('/');
    const check = ({ source }) => {
      if (typeof source?.value !== 'string') return;
      const wrong = fault(file, source.value, may);
      if (wrong === undefined) return;
      context.report({ node: source, messageId: 'wrong', data: { specifier: source.value, fault: wrong } });
    };
    return {
      ImportDeclaration: check,
      ExportAllDeclaration: check,
      ExportNamedDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};
