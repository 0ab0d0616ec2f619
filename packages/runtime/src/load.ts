import { suggest } from '@ngisec/core';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Application, CommonConfiguration } from './application.ts';
import { ConfigurationError, ConfigurationFile, validate } from './configuration.ts';
import { KeyFile } from './key-file.ts';

export interface Loaded {
  readonly application: Application;
  readonly configuration: CommonConfiguration;
  readonly keyFile: KeyFile;
}

const ownApplications = ['host', 'gateway'];
const PACKAGE_NAME = /^(@[\w.~-]+\/)?\w[\w.~-]*$/;

/** An application by the `app` key: one of ours by its short name, anybody's by its package name. */
export type FindApplication = (name: string) => Promise<Application | undefined>;

export const importApplication: FindApplication = async (name) => {
  const specifier = ownApplications.includes(name) ? `@ngisec/${name}` : name;
  if (!PACKAGE_NAME.test(specifier)) return undefined;
  try {
    const { application } = (await import(specifier)) as { application?: Application };
    return application;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // A package that is there, but lacks one that it imports, is another matter.
    if (code?.endsWith('MODULE_NOT_FOUND') === true && message.includes(`'${specifier}'`)) return undefined;
    throw error;
  }
};

/** Reads and checks a configuration and its key file; throws `ConfigurationError`. Changes nothing. */
export async function load(path: string, find: FindApplication = importApplication): Promise<Loaded> {
  const file = new ConfigurationFile(path);
  const { app } = validate(file, z.looseObject({ app: z.string() }));
  const application = await find(app);
  if (application === undefined) {
    const message = `app: no application "${app}"${suggest(app, ownApplications)}, nor a package that exports one`;
    throw new ConfigurationError([file.problem(['app'], message)]);
  }
  const configuration = validate(file, application.schema);
  const keyPath = resolve(dirname(path), configuration.keys);
  if (!existsSync(keyPath)) {
    const message = `keys: there is no file ${keyPath}; a start takes the keys away, so that each start needs new ones`;
    throw new ConfigurationError([file.problem(['keys'], message)]);
  }
  const keyFile = new KeyFile(keyPath);
  const complaints = application.check(configuration, keyFile.channels);
  if (complaints.length > 0) {
    throw new ConfigurationError(
      complaints.map(({ file: which, path: at, message }) =>
        (which === 'keys' ? keyFile : file).problem(at, message),
      ),
    );
  }
  return { application, configuration, keyFile };
}
