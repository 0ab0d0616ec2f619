import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

const root = path.resolve(import.meta.dirname, '..');
// The files below do not exist, so the rules that need types are off; the table and the rule are the real ones.
const eslint = new ESLint({ cwd: root, overrideConfig: [tseslint.configs.disableTypeChecked] });

async function faults(file: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: path.join(root, file) });
  const messages = result!.messages.filter(
    ({ ruleId, fatal }) => fatal ?? ruleId === 'ngisec/dependency-direction',
  );
  return messages.map(({ message }) => message);
}

const importing = (specifier: string): string => `import { x } from '${specifier}';\nx();\n`;

describe('dependency direction: refused', () => {
  test.each([
    ['packages/wire/src/a.ts', 'node:buffer', 'wire imports nothing'],
    ['packages/wire/src/a.ts', '@ngisec/core', 'wire may import nothing'],
    ['packages/core/src/a.ts', '@ngisec/ipsec', 'core may import wire, rxjs'],
    ['packages/core/src/a.ts', 'koffi', 'core may import'],
    ['packages/core/src/a.ts', 'fs', "write 'node:fs'"],
    ['packages/core/src/graph.ts', 'inversify', 'inversify belongs in *.module.ts'],
    ['packages/core/src/a.ts', '../../wire/src/ip.ts', 'reaches into packages/wire/ by path'],
    ['packages/core/src/a.ts', '@ngisec/wire/src/ip.ts', "import '@ngisec/wire'"],
    ['packages/stage-nat/src/a.ts', '@ngisec/stage-qos', 'stage-nat may import wire, core, ipsec'],
    ['packages/stage-nat/src/a.ts', '@ngisec/testkit', 'stage-nat may import'],
    ['packages/stage-nat/src/a.test.ts', '@ngisec/stage-qos', 'stage-nat may import'],
    ['packages/ipsec/src/a.ts', '@noble/curves/ed25519.js', 'ipsec may import'],
    ['packages/runtime/src/a.ts', '@ngisec/gateway', 'runtime may import'],
    ['apps/gateway/src/main.ts', '@ngisec/host', 'gateway may import'],
    ['bench/main.mjs', '../packages/core/dist/index.js', "import '@ngisec/core'"],
  ])('%s does not import %s', async (file, specifier, why) => {
    const found = await faults(file, importing(specifier));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('Dependency direction');
    expect(found[0]).toContain(why);
  });

  test.each([
    "export * from 'koffi';",
    "export { x } from 'koffi';",
    "await import('koffi');",
    "let a: import('koffi').B;",
  ])('in each form: %s', async (code) =>
    expect(await faults('packages/core/src/a.ts', code)).toHaveLength(1),
  );
});

describe('dependency direction: allowed', () => {
  test.each([
    ['packages/wire/src/a.ts', './ip.ts'],
    ['packages/wire/src/a.test.ts', 'node:fs'],
    ['packages/core/src/a.ts', 'node:crypto'],
    ['packages/core/src/core.module.ts', 'inversify'],
    ['packages/core/src/tokens.ts', 'inversify'],
    ['packages/ipsec/src/crypto/openssl.ts', 'koffi'],
    ['packages/ipsec/src/crypto/noble.ts', '@noble/ciphers/aes.js'],
    ['packages/ipsec/src/crypto/noble.ts', '../sad.ts'],
    ['packages/stage-nat/src/a.test.ts', '@ngisec/testkit'],
    ['packages/stage-nat/src/a.test.ts', 'fast-check'],
    ['packages/runtime/src/a.ts', '@ngisec/stage-nat'],
    ['apps/gateway/src/app.ts', 'inversify'],
    ['apps/lab/src/a.ts', '@ngisec/gateway'],
    ['bench/main.mjs', '@ngisec/core'],
  ])('%s imports %s', async (file, specifier) => {
    expect(await faults(file, importing(specifier))).toEqual([]);
  });
});

test('no package.json asks for more than the table allows', async () => {
  for (const floor of ['packages', 'apps', 'examples']) {
    for (const room of readdirSync(path.join(root, floor))) {
      const manifest = JSON.parse(readFileSync(path.join(root, floor, room, 'package.json'), 'utf8'));
      for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
        expect(await faults(`${floor}/${room}/src/main.ts`, importing(name))).toEqual([]);
      }
    }
  }
});
