import { describe, expect, it } from "vitest";
import { delayMs, Feed, type FeedState, type StreamListener, type Transport } from "./feed";

/** A transport whose streams the test opens, feeds and ends by hand. */
class Stage implements Transport {
  streams: { listener: StreamListener; end: () => void; fail: () => void }[] = [];
  #arrivals: (() => void)[] = [];

  run(listener: StreamListener): Promise<void> {
    return new Promise((end, reject) => {
      this.streams.push({ listener, end, fail: () => reject(new Error("broken")) });
      this.#arrivals.splice(0).forEach((tell) => tell());
    });
  }

  /** The n-th attempt, once it has been made. */
  async attempt(n: number) {
    while (this.streams.length <= n) await new Promise<void>((tell) => this.#arrivals.push(tell));
    return this.streams[n] as (typeof this.streams)[number];
  }
}

function house(stage: Stage) {
  const told: string[] = [];
  const states: FeedState[] = [];
  const waits: number[] = [];
  const feed = new Feed(
    stage,
    {
      state: (state) => states.push(state),
      resync: () => told.push("resync"),
      event: (event) => told.push(event.type),
    },
    async (ms) => void waits.push(ms),
    () => 0.5,
  );
  return { feed, told, states, waits };
}

describe("Feed", () => {
  it("tells events, and that lists must load anew each time the stream opens", async () => {
    const stage = new Stage();
    const { feed, told, states } = house(stage);
    feed.start();
    const first = await stage.attempt(0);
    first.listener.opened();
    first.listener.event({ type: "lagged" });
    first.end();
    (await stage.attempt(1)).listener.opened();
    feed.stop();
    expect(told).toEqual(["resync", "lagged", "resync"]);
    expect(states).toEqual(["connecting", "live", "lost", "live"]);
  });

  it("waits longer after each failure in a row, and briefly again after a success", async () => {
    const stage = new Stage();
    const { feed, waits } = house(stage);
    feed.start();
    for (let n = 0; n < 4; n += 1) (await stage.attempt(n)).fail();
    const fifth = await stage.attempt(4);
    fifth.listener.opened();
    fifth.end();
    await stage.attempt(5);
    feed.stop();
    expect(waits).toEqual([500, 1000, 2000, 4000, 500]);
  });

  it("says nothing more once stopped", async () => {
    const stage = new Stage();
    const { feed, told, states } = house(stage);
    feed.start();
    const stream = await stage.attempt(0);
    feed.stop();
    stream.listener.opened();
    stream.listener.event({ type: "lagged" });
    stream.end();
    await Promise.resolve();
    expect(told).toEqual([]);
    expect(states).toEqual(["connecting"]);
    expect(stage.streams).toHaveLength(1);
  });

  it("opens one stream, not two, when started twice", async () => {
    const stage = new Stage();
    const { feed } = house(stage);
    feed.start();
    feed.start();
    await stage.attempt(0);
    feed.stop();
    expect(stage.streams).toHaveLength(1);
  });

  it("tries at once when woken", async () => {
    const stage = new Stage();
    let waiting: () => void = () => undefined;
    const isWaiting = new Promise<void>((resolve) => (waiting = resolve));
    const feed = new Feed(
      stage,
      { state: () => undefined, resync: () => undefined, event: () => undefined },
      (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve());
          waiting();
        }),
    );
    feed.start();
    (await stage.attempt(0)).fail();
    await isWaiting;
    feed.wake();
    await stage.attempt(1);
    feed.stop();
    expect(stage.streams).toHaveLength(2);
  });
});

describe("delayMs", () => {
  it("stays within a quarter of its step and never exceeds the longest wait by more", () => {
    for (let failures = 0; failures < 40; failures += 1) {
      const step = Math.min(500 * 2 ** failures, 15_000);
      expect(delayMs(failures, 0)).toBe(Math.round(step * 0.75));
      expect(delayMs(failures, 0.999)).toBeLessThanOrEqual(step * 1.25);
    }
  });
});
