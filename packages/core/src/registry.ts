import type { StageFactory } from './stage.ts';
import { suggest } from './suggest.ts';

/** All kinds of stage a process knows, one factory a kind. */
export class StageRegistry {
  readonly #factories = new Map<string, StageFactory>();

  constructor(factories: readonly StageFactory[]) {
    for (const factory of factories) {
      const { kind } = factory.descriptor;
      if (this.#factories.has(kind)) throw new Error(`two stage factories are registered for kind "${kind}"`);
      this.#factories.set(kind, factory);
    }
  }

  get kinds(): readonly string[] {
    return [...this.#factories.keys()];
  }

  find(kind: string): StageFactory | undefined {
    return this.#factories.get(kind);
  }

  /** `unknown kind "x"`, with the nearest known one. */
  unknownKind(kind: string): string {
    return `unknown kind "${kind}"${suggest(kind, this.kinds)}`;
  }
}
