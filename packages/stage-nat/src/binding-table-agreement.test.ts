import { seededRandom, type FlowKey } from '@ngisec/core';
import { ip, tcp } from '@ngisec/wire';
import fc from 'fast-check';
import { create, flow, outerKey, tuplesOf } from '../test/binding-keys.ts';
import {
  BindingTable,
  OUTER_IN_USE,
  PORTS_EXHAUSTED,
  TABLE_FULL,
  type BindingLimits,
} from './binding-table.ts';

const { TCP, UDP, ICMP } = ip;

describe('N66 N3 #54 any run of operations', () => {
  const small: BindingLimits = {
    ...{ capacity: 8, portMin: 5000, portMax: 5003, portTries: 8 },
    ...{ udpIdleMs: 300, icmpIdleMs: 60, tcpEstablishedIdleMs: 7440, tcpTransitoryIdleMs: 240 },
    ...{ graceMs: 0, updatePauseMs: 100, updatePauseMaxMs: 1000 },
  };
  const limitOf = (protocol: number): number => (protocol === UDP ? 300 : protocol === ICMP ? 60 : 240);

  const port = fc.constantFrom(5000, 5001, 5003, 80);
  const inner = fc
    .record({
      host: fc.integer({ min: 1, max: 2 }),
      sport: port,
      far: fc.integer({ min: 1, max: 2 }),
      dport: fc.constantFrom(80, 443),
      protocol: fc.constantFrom(TCP, UDP, ICMP),
    })
    .map((f) => ({
      key: flow(f.host, f.sport, f.far, f.protocol === ICMP ? f.sport : f.dport, f.protocol),
      ...f,
    }));
  const outer = fc.record({
    peer: fc.integer({ min: 0, max: 1 }),
    sport: fc.constantFrom(80, 443, 5000),
    dport: port,
  });
  const operation = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('create' as const), inner }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('learn' as const), inner, outer }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), inner }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('note' as const), inner, leaving: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('expire' as const),
        waitMs: fc.integer({ min: 1, max: 150 }),
      }),
    },
  );

  type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

  interface Entry {
    readonly key: FlowKey;
    readonly outer: FlowKey;
    readonly isOwn: boolean;
    readonly protocol: number;
    seenMs: number;
  }

  class Model {
    readonly entries = new Map<string, Entry>();
    holder(outerText: string): Entry | undefined {
      return [...this.entries.values()].find((entry) => entry.outer.join() === outerText);
    }
  }

  /** Both indices name exactly the model's bindings, and each other. */
  function checkAgreement(table: BindingTable, model: Model, everSeen: ReadonlyMap<string, FlowKey>): void {
    expect(table.size).toBe(model.entries.size);
    const outers = new Set<string>();
    for (const entry of model.entries.values()) {
      const binding = table.findInner(entry.key);
      expect(binding).toBeGreaterThanOrEqual(0);
      expect(tuplesOf(table, binding)).toMatchObject({ inner: entry.key.join(), outer: entry.outer.join() });
      expect(table.findOuter(entry.outer)).toBe(binding);
      outers.add(entry.outer.join());
    }
    expect(outers.size).toBe(model.entries.size);
    for (const [text, seen] of everSeen) if (!outers.has(text)) expect(table.findOuter(seen)).toBe(-1);
  }

  function step(table: BindingTable, model: Model, op: Operation, nowMs: number): void {
    if (op.kind === 'expire') {
      const idle = [...model.entries].filter(
        ([, { seenMs, protocol }]) => nowMs - seenMs > limitOf(protocol),
      );
      expect(table.sweep(nowMs, small.capacity)).toBe(idle.length);
      for (const [text] of idle) model.entries.delete(text);
      return;
    }
    const text = op.inner.key.join();
    const known = model.entries.get(text);
    const { protocol } = op.inner;
    if (op.kind === 'create') {
      if (known !== undefined) return;
      const binding = create(table, op.inner.key, nowMs);
      const isTaken = (candidate: number): boolean =>
        model.holder(
          outerKey(0, protocol === ICMP ? candidate : op.inner.dport, candidate, protocol).join(),
        ) !== undefined;
      if (binding === TABLE_FULL) return expect(model.entries.size).toBe(small.capacity);
      if (binding === PORTS_EXHAUSTED)
        return expect([op.inner.sport, 5000, 5001, 5002, 5003].every(isTaken)).toBe(true);
      const chosen = tuplesOf(table, binding).port;
      expect(isTaken(chosen)).toBe(false);
      expect(chosen === op.inner.sport || isTaken(op.inner.sport)).toBe(true);
      const made = outerKey(0, protocol === ICMP ? chosen : op.inner.dport, chosen, protocol);
      model.entries.set(text, { key: op.inner.key, outer: made, isOwn: true, protocol, seenMs: nowMs });
    } else if (op.kind === 'learn') {
      const taught = outerKey(
        op.outer.peer,
        protocol === ICMP ? op.outer.dport : op.outer.sport,
        op.outer.dport,
        protocol,
      );
      const holder = model.holder(taught.join());
      const result = table.learn(op.inner.key, taught, op.outer.peer, nowMs);
      if (holder !== undefined && holder === known) return void (known.seenMs = nowMs);
      if (holder?.isOwn === true) return expect(result).toBe(OUTER_IN_USE);
      if (holder === undefined && known === undefined && model.entries.size === small.capacity) {
        return expect(result).toBe(TABLE_FULL);
      }
      expect(result).toBeGreaterThanOrEqual(0);
      expect(table.peer[result]).toBe(op.outer.peer);
      if (holder !== undefined) model.entries.delete(holder.key.join());
      model.entries.set(text, { key: op.inner.key, outer: taught, isOwn: false, protocol, seenMs: nowMs });
    } else if (known !== undefined && op.kind === 'remove') {
      table.remove(table.findInner(op.inner.key));
      model.entries.delete(text);
    } else if (known !== undefined && op.kind === 'note') {
      table.note(table.findInner(op.inner.key), op.leaving, protocol, tcp.SYN, nowMs);
      if (op.leaving || protocol === TCP) known.seenMs = nowMs;
    }
  }

  test('leaves the two indices in agreement and no outer tuple with two bindings', () => {
    const kinds = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 60 }), fc.integer(), (operations, seed) => {
        const table = new BindingTable(seededRandom(seed), small);
        const model = new Model();
        const everSeen = new Map<string, FlowKey>();
        let nowMs = 0;
        for (const op of operations) {
          if (op.kind === 'expire') nowMs += op.waitMs;
          step(table, model, op, nowMs);
          kinds.set(op.kind, (kinds.get(op.kind) ?? 0) + 1);
          for (const { outer: seen } of model.entries.values()) everSeen.set(seen.join(), seen);
          checkAgreement(table, model, everSeen);
        }
      }),
      { numRuns: 150 },
    );
    expect([...kinds.keys()].sort()).toEqual(['create', 'expire', 'learn', 'note', 'remove']);
  });
});
