import type { z } from 'zod';

/** What a schema calls a type, in the words of a file's author. */
const kinds: Readonly<Record<string, string>> = {
  array: 'a list',
  object: 'a map of keys',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** Where a schema has no sentence of its own, what it expects; undefined leaves it to zod. */
export function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return expectation(issue.expected, issue.input);
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return 'must not be empty';
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `must have at most ${issue.maximum} entries`
        : `must be at most ${issue.maximum}`;
    default:
      return undefined;
  }
}

/** Never shows the value: it may be a key, of digits only, which YAML reads as a number. */
function expectation(expected: string, given: unknown): string {
  const wanted = `must be ${kinds[expected] ?? expected}`;
  if (given === null) return `${wanted}, and nothing is there`;
  if (expected === 'array' && typeof given !== 'object') return `${wanted}; put it in [ ]`;
  if (expected === 'string' && typeof given !== 'object') return `${wanted}; put it in quotes`;
  if (expected === 'int' && typeof given === 'number') return wanted;
  return `${wanted}, not ${kinds[Array.isArray(given) ? 'array' : typeof given] ?? typeof given}`;
}
