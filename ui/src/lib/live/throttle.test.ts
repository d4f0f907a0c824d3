import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Throttle } from "./throttle";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function make() {
  const task = vi.fn();
  return { task, throttle: new Throttle(task, 1_000, () => Date.now()) };
}

it("runs at once the first time", () => {
  const { task, throttle } = make();
  throttle.ask();
  vi.advanceTimersByTime(0);
  expect(task).toHaveBeenCalledTimes(1);
});

it("runs once a second under a storm, and once more for what came last", () => {
  const { task, throttle } = make();
  for (let ms = 0; ms < 2_900; ms += 10) {
    throttle.ask();
    vi.advanceTimersByTime(10);
  }
  expect(task).toHaveBeenCalledTimes(3);
  vi.advanceTimersByTime(1_000);
  expect(task).toHaveBeenCalledTimes(4);
  vi.advanceTimersByTime(10_000);
  expect(task).toHaveBeenCalledTimes(4);
});

it("does not run after it was cancelled", () => {
  const { task, throttle } = make();
  throttle.ask();
  throttle.cancel();
  vi.advanceTimersByTime(5_000);
  expect(task).not.toHaveBeenCalled();
});
