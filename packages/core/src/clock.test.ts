import fc from 'fast-check';
import { systemClock, VirtualClock } from './clock.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

test('systemClock never goes back', () => {
  const times = Array.from({ length: 1000 }, () => systemClock.nowMs());
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

describe('F11 VirtualClock', () => {
  test('runs timers by time and, at equal times, in order of scheduling', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2, max: 6 }), { maxLength: 40 }), (delays) => {
        const clock = new VirtualClock();
        const ran: { index: number; atMs: number }[] = [];
        delays.forEach((delay, index) =>
          clock.schedule(delay, () => ran.push({ index, atMs: clock.nowMs() })),
        );
        expect(clock.pending).toBe(delays.length);
        clock.advance(6);
        const expected = delays
          .map((delay, index) => ({ index, atMs: Math.max(0, delay) }))
          .toSorted((a, b) => a.atMs - b.atMs || a.index - b.index);
        expect(ran).toEqual(expected);
        expect(clock.pending).toBe(0);
      }),
    );
  });

  test('stands still until advanced, and ends where it was told to', () => {
    const clock = new VirtualClock();
    let runs = 0;
    clock.schedule(10, () => (runs += 1));
    expect(clock.nowMs()).toBe(0);
    clock.advance(9.5);
    expect([clock.nowMs(), runs, clock.pending]).toEqual([9.5, 0, 1]);
    clock.advance(0.5);
    expect([clock.nowMs(), runs, clock.pending]).toEqual([10, 1, 0]);
    clock.advance(90);
    expect(clock.nowMs()).toBe(100);
  });

  test('a timer scheduled by a timer runs in the same advance where it falls due', () => {
    const clock = new VirtualClock();
    const ran: number[] = [];
    const again = (): void => {
      ran.push(clock.nowMs());
      clock.schedule(3, again);
    };
    clock.schedule(1, again);
    clock.advance(10);
    expect(ran).toEqual([1, 4, 7, 10]);
    expect(clock.pending).toBe(1);
  });

  test('step runs one timer and moves to its time, unless it lies behind the bound', () => {
    const clock = new VirtualClock();
    clock.schedule(5, () => undefined);
    expect(clock.step(4.9)).toBe(false);
    expect(clock.nowMs()).toBe(0);
    expect(clock.step()).toBe(true);
    expect(clock.nowMs()).toBe(5);
    expect(clock.step()).toBe(false);
  });

  test('does not go back where a timer advances it', () => {
    const clock = new VirtualClock();
    clock.schedule(1, () => clock.advance(100));
    clock.advance(2);
    expect(clock.nowMs()).toBe(101);
  });
});
