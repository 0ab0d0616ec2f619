import type { Backend, Observations } from '../check.ts';

export const available = (): { ok: true } | { ok: false; reason: string; fix: string } => ({ ok: true });

export const namespacesBackend: Backend = {
  name: 'namespaces',
  run: (): Promise<Observations> => Promise.reject(new Error('not yet')),
};
