import type { Approval } from "$lib/api";
import { expect, it } from "vitest";
import { nextEnd, takeAnswered, takeOpen } from "./asks";

const ask = (id: string, more: Partial<Approval> = {}): Approval => ({
  id, context: "acme", client: null, model: "demo/echo", side: "request", rules: [], targets: [],
  asked: "2026-01-01T12:00:00Z", expires: "2026-01-01T12:10:00Z", calls: 1, waiting: 1, decision: null, ...more,
});

it("adds a new ask at the end, replaces a known one in its place, drops an answered one", () => {
  const open = takeOpen([ask("a"), ask("b")], ask("a", { calls: 2 }));
  expect(open.map(({ id, calls }) => [id, calls])).toEqual([["a", 2], ["b", 1]]);
  expect(takeOpen(open, ask("c")).map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(takeOpen(open, ask("a", { decision: "deny" })).map(({ id }) => id)).toEqual(["b"]);
});

it("keeps what was written, whichever of answer and event comes first", () => {
  const approval = ask("a", { decision: "always" });
  const answer = { approval, written: ["contexts/acme.yml, outbound_deny entry 1"] };
  const event = { approval, written: [] };
  for (const order of [[answer, event], [event, answer]]) {
    const list = order.reduce(takeAnswered, [] as ReturnType<typeof takeAnswered>);
    expect(list).toEqual([answer]);
  }
});

it("shows the newest answers and not more than twenty", () => {
  let list: ReturnType<typeof takeAnswered> = [];
  for (let n = 0; n < 30; n += 1) list = takeAnswered(list, { approval: ask(`${n}`, { decision: "deny" }), written: [] });
  expect(list.map(({ approval }) => approval.id)).toEqual(Array.from({ length: 20 }, (_, n) => `${29 - n}`));
});

it("knows when the next ask ends, and nothing of those that have ended", () => {
  const now = Date.parse("2026-01-01T12:05:00Z");
  expect(nextEnd([], now)).toBeNull();
  expect(nextEnd([ask("a", { expires: "2026-01-01T12:04:00Z" })], now)).toBeNull();
  expect(nextEnd([ask("a"), ask("b", { expires: "2026-01-01T12:07:00Z" })], now)).toBe(Date.parse("2026-01-01T12:07:00Z"));
});
