import { expect, it } from "vitest";
import { ListDraft } from "./listDraft.svelte";

const file = [
  { term: "Project Falcon", rule: "acme/deny-1" },
  { term: "Ann Lee", action: "redact", note: "patient" },
  { pattern: "ACME-\\d{6}", action: "ask" },
  { pack: "secrets", note: null },
];

it("gives the file's list back unchanged while nothing is edited", () => {
  const draft = new ListDraft(file);
  expect(draft.isDirty).toBe(false);
  expect(draft.faults.size).toBe(0);
  expect(draft.entries).toEqual([
    { term: "Project Falcon" },
    { term: "Ann Lee", action: "redact", note: "patient" },
    { pattern: "ACME-\\d{6}", action: "ask" },
    { pack: "secrets" },
  ]);
});

it("adds, edits and removes, and is clean again when all is undone", () => {
  const draft = new ListDraft(file);
  const id = draft.add("term", "Globex");
  expect(draft.isDirty).toBe(true);
  expect(draft.entries.at(-1)).toEqual({ term: "Globex" });
  draft.remove(id);
  expect(draft.isDirty).toBe(false);
  const first = draft.rows[0];
  if (!first) throw new Error("the list is empty");
  first.value = "Project Eagle";
  first.kind = "pattern";
  expect(draft.entries[0]).toEqual({ pattern: "Project Eagle" });
  draft.revert();
  expect(draft.isDirty).toBe(false);
  expect(draft.entries[0]).toEqual({ term: "Project Falcon" });
});

it("does not count white space around a term, but keeps it in a pattern", () => {
  const draft = new ListDraft([{ term: "Ann" }, { pattern: "a b" }]);
  const [term, pattern] = draft.rows;
  if (!term || !pattern) throw new Error("rows are missing");
  term.value = "  Ann ";
  term.note = " ";
  expect(draft.isDirty).toBe(false);
  pattern.value = "a b ";
  expect(draft.entries[1]).toEqual({ pattern: "a b " });
});

it("names rows that are empty or doubled", () => {
  const draft = new ListDraft([{ term: "Ann" }]);
  const empty = draft.add();
  const doubled = draft.add("term", "ann ");
  draft.add("pattern", "Ann");
  expect([...draft.faults.keys()]).toEqual([empty, doubled]);
});

it("keeps edits over a file that changed, and knows what differs from it now", () => {
  const draft = new ListDraft([{ term: "Ann" }]);
  draft.add("term", "Bob");
  draft.rebase([{ term: "Ann" }, { term: "Bob" }]);
  expect(draft.entries).toEqual([{ term: "Ann" }, { term: "Bob" }]);
  expect(draft.isDirty).toBe(false);
});
