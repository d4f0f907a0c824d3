import type { ListEntry } from "$lib/api";

/** Rules about the rows of a firewall list. Pure. */

export type EntryKind = "term" | "pattern" | "pack";

/** One row of a list while it is edited. */
export interface Row {
  /** For keyed lists; means nothing outside. */
  id: number;
  kind: EntryKind;
  value: string;
  /** Empty for the default. */
  action: string;
  note: string;
}

export function kindOf(entry: ListEntry): EntryKind {
  if (entry.pattern !== undefined && entry.pattern !== null) return "pattern";
  return entry.pack !== undefined && entry.pack !== null ? "pack" : "term";
}

/** The entry as the API takes it: nothing that is empty, no white space around a term. */
export function toEntry({ kind, value, action, note }: Row): ListEntry {
  const entry: ListEntry = {};
  // White space is part of a pattern, never of a term or a name.
  entry[kind] = kind === "pattern" ? value : value.trim();
  if (action !== "") entry.action = action;
  if (note.trim() !== "") entry.note = note.trim();
  return entry;
}

/** What is wrong with the rows, by row id. */
export function faultsOf(rows: readonly Row[]): Map<number, string> {
  const faults = new Map<number, string>();
  const seen = new Set<string>();
  for (const { id, kind, value } of rows) {
    const same = `${kind}:${kind === "term" ? value.trim().toLowerCase() : value.trim()}`;
    if (value.trim() === "") faults.set(id, `Write a ${kind}, or remove this row.`);
    else if (seen.has(same)) faults.set(id, `This ${kind} is already in the list.`);
    seen.add(same);
  }
  return faults;
}
