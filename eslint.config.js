// The rules of the house for machines. Layout is prettier's business; these rules look for defects.
import { defineConfig } from 'eslint/config';
import { builtinRules } from 'eslint/use-at-your-own-risk';
import tseslint from 'typescript-eslint';
import { dependencyDirection } from './tools/dependency-rule.mjs';

const stage = ['wire', 'core', 'ipsec', 'inversify'];
const stages = ['stage-classify', 'stage-nat', 'stage-crypto', 'stage-qos'];
const container = ['inversify', 'reflect-metadata'];
const app = ['runtime', 'wire', 'core', 'ipsec', ...stages, 'link-linux', ...container, 'zod'];

/**
 * What each package, app and example may import, from the ground up: packages of this repository by their short name, others
 * by the name they are installed under. `node:` modules are free to all but wire; a package's tests may also
 * use what a test needs (see the rule).
 */
const may = {
  wire: [],
  core: ['wire', 'rxjs', ...container],
  ipsec: ['wire', 'core', '@noble/ciphers', '@noble/hashes', 'koffi', 'inversify'],
  'stage-classify': stage,
  'stage-nat': stage,
  'stage-crypto': stage,
  'stage-qos': stage,
  'link-linux': ['wire', 'core', 'koffi', 'inversify'],
  testkit: ['wire', 'core'],
  runtime: ['wire', 'core', 'ipsec', ...stages, 'link-linux', ...container, 'commander', 'yaml', 'zod'],
  host: app,
  gateway: app,
  lab: [...app, 'testkit', 'host', 'gateway', 'commander', 'yaml'],
  'content-filter-stage': ['core', 'wire', 'inversify'],
  'filtering-host': ['core', 'runtime', 'host', '@example/ngisec-stage-content-filter', 'zod'],
};

const tests = ['**/*.test.ts'];
const scripts = ['**/*.{js,mjs}'];
const recommended = [...builtinRules]
  .filter(([, rule]) => rule.meta.docs.recommended)
  .map(([name]) => [name, 'error']);
const unused = ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }];
const nodeGlobals =
  'AbortController AbortSignal Buffer TextDecoder TextEncoder URL clearInterval clearTimeout console fetch performance ' +
  'process queueMicrotask setImmediate setInterval setTimeout structuredClone';

export default defineConfig(
  { ignores: ['**/dist/', '**/node_modules/', '**/coverage/', '.nx/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-unused-vars': unused,
      '@typescript-eslint/no-floating-promises': 'error',
      // Typed arrays under noUncheckedIndexedAccess need the `!`.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // It takes casts that the compiler asks for, such as the one in `stageFactory`, for idle ones.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // An implementation of an asynchronous interface may have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: scripts,
    languageOptions: {
      sourceType: 'module',
      globals: Object.fromEntries(nodeGlobals.split(' ').map((name) => [name, 'readonly'])),
    },
    rules: { ...Object.fromEntries(recommended), 'no-unused-vars': unused },
  },
  {
    files: ['**/*.ts', ...scripts],
    plugins: { ngisec: { rules: { 'dependency-direction': dependencyDirection } } },
    rules: { 'ngisec/dependency-direction': ['error', { root: import.meta.dirname, may }] },
  },
  {
    files: tests,
    rules: {
      // Tests read JSON and reports of other programs, whose shape the assertions check.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
