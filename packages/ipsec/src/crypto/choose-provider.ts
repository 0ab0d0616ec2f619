import type { CryptoProvider } from './aead.ts';
import { cipherAnswers, knownAnswers, tryCipherAnswer, tryKnownAnswer } from './known-answers.ts';
import { nobleProvider } from './noble-provider.ts';
import { nodeProvider } from './node-provider.ts';
import { createOpensslProvider } from './openssl-provider.ts';

export type ProviderName = CryptoProvider['name'];

export interface ProviderChoice {
  readonly provider: CryptoProvider;
  /** One sentence for the log: what is used, and what was passed over for which reason. */
  readonly why: string;
}

export interface ProviderCandidate {
  readonly name: ProviderName;
  create(): CryptoProvider;
}

/** Fastest first. */
const candidates: readonly ProviderCandidate[] = [
  { name: 'openssl', create: createOpensslProvider },
  { name: 'node', create: () => nodeProvider },
  { name: 'noble', create: () => nobleProvider },
];

/**
 * The fastest provider that works on this machine: openssl, node, noble in this order, or only `preferred`. Each must
 * first reproduce published test vectors. Throws where none does.
 */
export function chooseProvider(preferred?: ProviderName): ProviderChoice {
  return chooseAmong(candidates.filter(({ name }) => preferred === undefined || name === preferred));
}

/** The first candidate that passes; separate so that tests can bring broken ones. */
export function chooseAmong(from: readonly ProviderCandidate[]): ProviderChoice {
  const failures: string[] = [];
  for (const candidate of from) {
    const provider = tryCandidate(candidate);
    if (typeof provider !== 'string') return { provider, why: sentence(provider.name, failures) };
    failures.push(provider);
  }
  throw new Error(`No crypto provider works: ${failures.join(', ')}.`);
}

/** Every provider that works on this machine, fastest first; for tests and benchmarks. */
export const workingProviders = (): readonly CryptoProvider[] =>
  candidates.map(tryCandidate).filter((provider) => typeof provider !== 'string');

/** The provider, or what is wrong with it. */
function tryCandidate(candidate: ProviderCandidate): CryptoProvider | string {
  try {
    const provider = candidate.create();
    const problem = problemOf(provider);
    return problem === undefined ? provider : `${candidate.name} ${problem}`;
  } catch (error) {
    return `${candidate.name} cannot be used (${firstLine(error)})`;
  }
}

function problemOf(provider: CryptoProvider): string | undefined {
  for (const answer of knownAnswers) {
    const problem = tryKnownAnswer(provider, answer);
    if (problem !== undefined) return problem;
  }
  for (const answer of cipherAnswers) {
    const problem = tryCipherAnswer(provider, answer);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function sentence(name: ProviderName, failures: readonly string[]): string {
  const passed = `Crypto provider ${name} is used, it reproduces the published test vectors`;
  return failures.length === 0 ? `${passed}.` : `${passed}; ${failures.join(', ')}.`;
}

const firstLine = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).split('\n')[0]!;
