/** ` (did you mean "x"?)` where a known name is near the given one, else a list of what is known. */
export function suggest(given: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const ranked = known.map((name) => ({ name, distance: editDistance(given, name) }));
  ranked.sort((left, right) => left.distance - right.distance);
  const best = ranked[0]!;
  return best.distance <= Math.max(2, best.name.length / 3)
    ? ` (did you mean "${best.name}"?)`
    : ` (known: ${known.join(', ')})`;
}

/** Levenshtein's distance over one row. */
export function editDistance(from: string, to: string): number {
  const row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    let diagonal = row[0]!;
    row[0] = i;
    for (let j = 1; j <= to.length; j += 1) {
      const above = row[j]!;
      const substituted = diagonal + (from[i - 1] === to[j - 1] ? 0 : 1);
      row[j] = Math.min(above + 1, row[j - 1]! + 1, substituted);
      diagonal = above;
    }
  }
  return row[to.length]!;
}
