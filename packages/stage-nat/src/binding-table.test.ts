import { seededRandom } from '@ngisec/core';
import { ip, tcp } from '@ngisec/wire';
import { create, flow, outerKey, tuplesOf } from '../test/binding-keys.ts';
import {
  BindingTable,
  OUTER_IN_USE,
  PORTS_EXHAUSTED,
  TABLE_FULL,
  type BindingLimits,
} from './binding-table.ts';

const { TCP, UDP, ICMP } = ip;

const tableOf = (options: Partial<BindingLimits> = {}): BindingTable =>
  new BindingTable(seededRandom(7), { capacity: 16, ...options });

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
    expect(table.findOuter(outerKey(0, 40001, 80))).toBe(moved);
    expect(table.foundReplaced).toBe(false);
    expect(table.size).toBe(1);
  });

  test('#66 the replaced outer tuple is understood at -1 and 0 of its grace, and gone at +1', () => {
    const table = tableOf();
    const binding = table.learn(inner, outerKey(0, 40000, 80), 0, 0);
    table.learn(inner, outerKey(0, 40001, 80), 0, 0);
    const { graceMs, capacity } = table.limits;
    for (const nowMs of [graceMs - 1, graceMs]) {
      table.sweep(nowMs, capacity);
      expect(table.findOuter(outerKey(0, 40000, 80))).toBe(binding);
      expect(table.foundReplaced).toBe(true);
    }
    table.sweep(graceMs + 1, capacity);
    expect(table.findOuter(outerKey(0, 40000, 80))).toBe(-1);
    expect(table.findOuter(outerKey(0, 40001, 80))).toBe(binding);
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
    [
      'N20 TCP, SYN and SYN-ACK: 240 s',
      TCP,
      [
        [true, SYN],
        [false, SYN | ACK],
      ],
      240 * SECOND,
    ],
    [
      'N20 TCP established: 7440 s',
      TCP,
      [
        [true, SYN],
        [false, SYN | ACK],
        [true, ACK],
      ],
      7440 * SECOND,
    ],
    [
      'N35 TCP after a RST: 240 s',
      TCP,
      [
        [true, SYN],
        [true, ACK],
        [false, RST],
      ],
      240 * SECOND,
    ],
    [
      'N35 TCP, data after a forged RST: 7440 s',
      TCP,
      [
        [true, ACK],
        [false, RST],
        [true, ACK],
      ],
      7440 * SECOND,
    ],
    [
      'N20 TCP, FIN one way: 7440 s',
      TCP,
      [
        [true, ACK],
        [true, FIN | ACK],
        [false, ACK],
      ],
      7440 * SECOND,
    ],
    [
      'N20 TCP, FIN both ways: 240 s',
      TCP,
      [
        [true, ACK],
        [true, FIN | ACK],
        [false, FIN | ACK],
      ],
      240 * SECOND,
    ],
    [
      'N20 TCP, FIN both ways and the last ACK: 240 s',
      TCP,
      [
        [true, ACK],
        [true, FIN | ACK],
        [false, FIN | ACK],
        [true, ACK],
      ],
      240 * SECOND,
    ],
    [
      'N20 TCP, two FINs of one side: 7440 s',
      TCP,
      [
        [true, ACK],
        [true, FIN | ACK],
        [true, FIN | ACK],
      ],
      7440 * SECOND,
    ],
    [
      'N20 TCP reused by a new SYN: 240 s',
      TCP,
      [
        [true, ACK],
        [true, SYN],
      ],
      240 * SECOND,
    ],
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
