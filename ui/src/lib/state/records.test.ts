import type { AuditRecord } from "$lib/api";
import { expect, it } from "vitest";
import { fromQuery, isBlock, matches, merge, NO_FILTER, toQuery } from "./records";

const record = (seq: number, more: Partial<AuditRecord> = {}) =>
  ({ seq, kind: "call", context: "acme", client: "", verdict: "allow", outcome: "completed", ...more }) as AuditRecord;

it("joins lists newest first, each record once, within the limit", () => {
  const joined = merge([[record(5), record(4)], [record(4), record(2)], [record(9)]], 3);
  expect(joined.map(({ seq }) => seq)).toEqual([9, 5, 4]);
});

it("lets through what the filter names, and all where it names nothing", () => {
  expect(matches(record(1), NO_FILTER)).toBe(true);
  expect(matches(record(1, { kind: "decision" }), NO_FILTER)).toBe(false);
  expect(matches(record(1, { kind: "decision" }), { ...NO_FILTER, kind: "" })).toBe(true);
  expect(matches(record(1), { ...NO_FILTER, context: "other" })).toBe(false);
  expect(matches(record(1), { ...NO_FILTER, verdict: "deny" })).toBe(false);
  expect(matches(record(1, { client: "zed" }), { ...NO_FILTER, client: "zed" })).toBe(true);
});

it("keeps a filter in an address and reads it back", () => {
  for (const filter of [
    NO_FILTER,
    { context: "acme & co", verdict: "deny", client: "claude=code", kind: "decision" },
    { ...NO_FILTER, kind: "" },
  ]) {
    expect(fromQuery(new URLSearchParams(toQuery(filter)))).toEqual(filter);
  }
  expect(toQuery(NO_FILTER)).toBe("");
});

it("counts as a block what the firewall denied, not what was refused or failed otherwise", () => {
  expect(isBlock(record(1, { verdict: "deny", outcome: "cut" }))).toBe(true);
  expect(isBlock(record(1, { outcome: "refused", code: "zos_budget_exceeded" }))).toBe(false);
  expect(isBlock(record(1, { outcome: "failed" }))).toBe(false);
  expect(isBlock(record(1, { verdict: "deny", kind: "decision" }))).toBe(false);
});
