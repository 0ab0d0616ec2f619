import {
  destinationPortOf,
  flowKey,
  reverseFlowKey,
  seededRandom,
  setDestination,
  setPorts,
  setSource,
  type FlowKey,
} from '@ngisec/core';
import { ip, tcp } from '@ngisec/wire';
import fc from 'fast-check';
import { BindingTable, OUTER_IN_USE, PORTS_EXHAUSTED, TABLE_FULL, type BindingLimits } from './binding-table.ts';

const { TCP, UDP, ICMP } = ip;
const OWN = Uint8Array.of(198, 51, 100, 2);
const PEERS = [Uint8Array.of(203, 0, 113, 2), Uint8Array.of(203, 0, 113, 3)] as const;
const PEER = PEERS[0];
const host = (last: number): Uint8Array => Uint8Array.of(10, 1, 0, last);
const server = (last: number): Uint8Array => Uint8Array.of(10, 2, 0, last);

function key(source: Uint8Array, sport: number, destination: Uint8Array, dport: number, protocol: number): FlowKey {
  const made = flowKey();
  setSource(made, source, 0, 4);
  setDestination(made, destination, 0, 4);
  setPorts(made, sport, dport);
  made[9] = (4 << 8) | protocol;
  return made;
}

const flow = (last: number, sport: number, far: number, dport: number, protocol = TCP): FlowKey =>
  key(host(last), sport, server(far), dport, protocol);
const outerKey = (peer: number, sport: number, dport: number, protocol = TCP): FlowKey =>
  key(PEERS[peer]!, sport, OWN, dport, protocol);

/** The outer tuple as the WAN delivers it, and the inner one as the LAN sends it. */
function tuplesOf(table: BindingTable, binding: number): { inner: string; outer: string; port: number } {
  const [left, turned] = [flowKey(), flowKey()];
  table.readOuter(binding, left);
  reverseFlowKey(left, turned);
  const [outer, port] = [turned.join(), destinationPortOf(turned)];
  table.readInner(binding, left);
  reverseFlowKey(left, turned);
  return { inner: turned.join(), outer, port };
}

const tableOf = (options: Partial<BindingLimits> = {}): BindingTable => new BindingTable(seededRandom(7), { capacity: 16, ...options });
const create = (table: BindingTable, inner: FlowKey, nowMs = 0, peer = 0): number =>
  table.create(inner, peer, OWN, PEERS[peer]!, nowMs);

describe('N66 N3 #54 any run of operations', () => {
  const small: BindingLimits = {
    ...{ capacity: 8, portMin: 5000, portMax: 5003, portTries: 8 },
    ...{ udpIdleMs: 300, icmpIdleMs: 60, tcpEstablishedIdleMs: 7440, tcpTransitoryIdleMs: 240 },
  };
  const limitOf = (protocol: number): number => (protocol === UDP ? 300 : protocol === ICMP ? 60 : 240);

  const port = fc.constantFrom(5000, 5001, 5003, 80);
  const inner = fc
    .record({ host: fc.integer({ min: 1, max: 2 }), sport: port, far: fc.integer({ min: 1, max: 2 }), dport: fc.constantFrom(80, 443), protocol: fc.constantFrom(TCP, UDP, ICMP) })
    .map((f) => ({ key: flow(f.host, f.sport, f.far, f.protocol === ICMP ? f.sport : f.dport, f.protocol), ...f }));
  const outer = fc.record({ peer: fc.integer({ min: 0, max: 1 }), sport: fc.constantFrom(80, 443, 5000), dport: port });
  const operation = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('create' as const), inner }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('learn' as const), inner, outer }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), inner }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('note' as const), inner, leaving: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const), waitMs: fc.integer({ min: 1, max: 150 }) }) },
  );

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

  function step(table: BindingTable, model: Model, op: fc.TypeOfArbitrary<typeof operation>, nowMs: number): void {
    if (op.kind === 'expire') {
      const idle = [...model.entries].filter(([, { seenMs, protocol }]) => nowMs - seenMs > limitOf(protocol));
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
        model.holder(outerKey(0, protocol === ICMP ? candidate : op.inner.dport, candidate, protocol).join()) !== undefined;
      if (binding === TABLE_FULL) return expect(model.entries.size).toBe(small.capacity);
      if (binding === PORTS_EXHAUSTED) return expect([op.inner.sport, 5000, 5001, 5002, 5003].every(isTaken)).toBe(true);
      const chosen = tuplesOf(table, binding).port;
      expect(isTaken(chosen)).toBe(false);
      expect(chosen === op.inner.sport || isTaken(op.inner.sport)).toBe(true);
      const made = outerKey(0, protocol === ICMP ? chosen : op.inner.dport, chosen, protocol);
      model.entries.set(text, { key: op.inner.key, outer: made, isOwn: true, protocol, seenMs: nowMs });
    } else if (op.kind === 'learn') {
      const taught = outerKey(op.outer.peer, protocol === ICMP ? op.outer.dport : op.outer.sport, op.outer.dport, protocol);
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

describe('create', () => {
  test('N3 keeps the source port where it is free, and gives the second host another', () => {
    const table = tableOf();
    const first = create(table, flow(2, 40000, 2, 443));
    const second = create(table, flow(3, 40000, 2, 443));
    expect(tuplesOf(table, first).port).toBe(40000);
    expect(tuplesOf(table, second).port).not.toBe(40000);
  });

  test('#54 2 clients x 2 servers with equal ports get four distinct outer tuples', () => {
    const table = tableOf();
    const flows = [2, 3].flatMap((client) => [2, 3].map((far) => flow(client, 40000, far, 443)));
    const outers = flows.map((inner) => tuplesOf(table, create(table, inner)).outer);
    expect(new Set(outers).size).toBe(4);
  });

  test('an ICMP identifier is one port, on both sides of the outer tuple', () => {
    const table = tableOf();
    create(table, flow(2, 9, 2, 9, ICMP));
    const { port } = tuplesOf(table, create(table, flow(3, 9, 2, 9, ICMP)));
    expect(port).not.toBe(9);
    expect(table.findOuter(outerKey(0, port, port, ICMP))).toBe(table.findInner(flow(3, 9, 2, 9, ICMP)));
  });

  test('refuses where every port towards a destination is taken, others still get theirs', () => {
    const table = tableOf({ portMin: 6000, portMax: 6002 });
    for (const last of [2, 3, 4]) expect(create(table, flow(last, 6000, 2, 443))).toBeGreaterThanOrEqual(0);
    expect(create(table, flow(5, 6000, 2, 443))).toBe(PORTS_EXHAUSTED);
    expect(table.size).toBe(3);
    expect(create(table, flow(5, 6000, 2, 80))).toBeGreaterThanOrEqual(0);
    expect(create(table, flow(5, 6000, 2, 443), 0, 1)).toBeGreaterThanOrEqual(0);
  });

  test('refuses beyond its capacity, and takes flows again once one is gone', () => {
    const table = tableOf({ capacity: 3 });
    const bindings = [1, 2, 3].map((port) => create(table, flow(2, port, 2, 443)));
    expect(create(table, flow(2, 4, 2, 443))).toBe(TABLE_FULL);
    expect(table.learn(flow(2, 5, 2, 443), outerKey(0, 443, 5), 0, 0)).toBe(TABLE_FULL);
    table.remove(bindings[1]!);
    expect(create(table, flow(2, 4, 2, 443))).toBeGreaterThanOrEqual(0);
  });
});

describe('learn', () => {
  const inner = flow(2, 80, 2, 40000);

  test('a new outer tuple for a known flow replaces the old one', () => {
    const table = tableOf();
    table.learn(inner, outerKey(0, 40000, 80), 0, 0);
    const moved = table.learn(inner, outerKey(0, 40001, 80), 0, 0);
    expect(table.findOuter(outerKey(0, 40000, 80))).toBe(-1);
    expect(table.findOuter(outerKey(0, 40001, 80))).toBe(moved);
    expect(table.size).toBe(1);
  });

  test('an outer tuple that now means another flow moves to it', () => {
    const table = tableOf();
    table.learn(inner, outerKey(0, 40000, 80), 0, 0);
    const other = table.learn(flow(3, 80, 2, 40000), outerKey(0, 40000, 80), 0, 0);
    expect(table.findInner(inner)).toBe(-1);
    expect(table.findOuter(outerKey(0, 40000, 80))).toBe(other);
  });

  test('a flow of this gateway’s own keeps its outer tuple', () => {
    const table = tableOf();
    const own = create(table, flow(2, 40000, 2, 443));
    expect(table.learn(flow(3, 1, 3, 2), outerKey(0, 443, 40000), 0, 0)).toBe(OUTER_IN_USE);
    expect(table.findOuter(outerKey(0, 443, 40000))).toBe(own);
  });

  test('what is known already only lives longer', () => {
    const table = tableOf({ udpIdleMs: 100 });
    const [udpInner, udpOuter] = [flow(2, 80, 2, 40000, UDP), outerKey(0, 40000, 80, UDP)];
    const binding = table.learn(udpInner, udpOuter, 0, 0);
    expect(table.learn(udpInner, udpOuter, 0, 60)).toBe(binding);
    expect(table.sweep(160, 16)).toBe(0);
    expect(table.sweep(161, 16)).toBe(1);
  });
});

describe('a binding ends when it idled for longer than its limit', () => {
  const SECOND = 1000;
  const { SYN, ACK, FIN, RST } = tcp;
  type Event = readonly [leaving: boolean, flags: number];
  const cases: readonly [string, number, readonly Event[], number][] = [
    ['N6 UDP: 300 s', UDP, [[true, 0]], 300 * SECOND],
    ['N26 ICMP: 60 s', ICMP, [[true, 0]], 60 * SECOND],
    ['N20 TCP, SYN only: 240 s', TCP, [[true, SYN]], 240 * SECOND],
    ['N20 TCP, SYN and SYN-ACK: 240 s', TCP, [[true, SYN], [false, SYN | ACK]], 240 * SECOND],
    ['N20 TCP established: 7440 s', TCP, [[true, SYN], [false, SYN | ACK], [true, ACK]], 7440 * SECOND],
    ['N35 TCP after a RST: 240 s', TCP, [[true, SYN], [true, ACK], [false, RST]], 240 * SECOND],
    ['N35 TCP, data after a forged RST: 7440 s', TCP, [[true, ACK], [false, RST], [true, ACK]], 7440 * SECOND],
    ['N20 TCP, FIN one way: 7440 s', TCP, [[true, ACK], [true, FIN | ACK], [false, ACK]], 7440 * SECOND],
    ['N20 TCP, FIN both ways: 240 s', TCP, [[true, ACK], [true, FIN | ACK], [false, FIN | ACK]], 240 * SECOND],
    ['N20 TCP, FIN both ways and the last ACK: 240 s', TCP, [[true, ACK], [true, FIN | ACK], [false, FIN | ACK], [true, ACK]], 240 * SECOND],
    ['N20 TCP, two FINs of one side: 7440 s', TCP, [[true, ACK], [true, FIN | ACK], [true, FIN | ACK]], 7440 * SECOND],
    ['N20 TCP reused by a new SYN: 240 s', TCP, [[true, ACK], [true, SYN]], 240 * SECOND],
  ];

  test.each(cases)('%s, at -1, 0 and +1 ms', (_, protocol, events, limitMs) => {
    const table = tableOf();
    const binding = create(table, flow(2, 9, 2, 9, protocol));
    for (const [leaving, flags] of events) table.note(binding, leaving, protocol, flags, 5000);
    expect(table.idleLimitMs(binding, protocol)).toBe(limitMs);
    for (const early of [-1, 0]) expect(table.sweep(5000 + limitMs + early, 16)).toBe(0);
    expect(table.sweep(5000 + limitMs + 1, 16)).toBe(1);
    expect(table.size).toBe(0);
  });

  test('RFC 4787 REQ-6: what arrives does not keep UDP and ICMP alive, what leaves does', () => {
    for (const protocol of [UDP, ICMP]) {
      const table = tableOf();
      const binding = create(table, flow(2, 9, 2, 9, protocol));
      const limitMs = table.idleLimitMs(binding, protocol);
      table.note(binding, true, protocol, 0, 1000);
      table.note(binding, false, protocol, 0, 2000);
      expect(table.sweep(1000 + limitMs, 16)).toBe(0);
      expect(table.sweep(1000 + limitMs + 1, 16)).toBe(1);
    }
  });

  test('a sweep looks at no more entries than told, the next one goes on from there', () => {
    const table = tableOf();
    for (let port = 1; port <= 16; port += 1) create(table, flow(2, port, 2, 443));
    const gone = [1, 2, 3, 4].map(() => table.sweep(1e9, 4));
    expect(gone).toEqual([4, 4, 4, 4]);
  });
});
