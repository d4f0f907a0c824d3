import type { ListEntry } from "$lib/api";
import { faultsOf, kindOf, toEntry, type EntryKind, type Row } from "./entries";

/** A firewall list while it is edited: rows, what is wrong with them, and whether they differ from the file. */
export class ListDraft {
  rows = $state<Row[]>([]);
  #saved = $state.raw<ListEntry[]>([]);
  #next = 0;

  constructor(entries: readonly ListEntry[] = []) {
    this.reset(entries);
  }

  readonly entries: ListEntry[] = $derived(this.rows.map(toEntry));

  readonly isDirty: boolean = $derived(JSON.stringify(this.entries) !== JSON.stringify(this.#saved));

  /** What is wrong, by row id. */
  readonly faults: Map<number, string> = $derived(faultsOf(this.rows));

  /** Takes the file's list; edits are gone. */
  reset(entries: readonly ListEntry[]): void {
    this.rows = entries.map((entry) => this.#row(entry));
    this.#saved = this.rows.map(toEntry);
  }

  /** Takes the file's list as what is saved, but keeps the edits. */
  rebase(entries: readonly ListEntry[]): void {
    this.#saved = entries.map((entry) => toEntry(this.#row(entry)));
  }

  /** Adds an empty row at the end; gives its id, for the cursor to go there. */
  add(kind: EntryKind = "term", value = ""): number {
    const row = { id: this.#next++, kind, value, action: "", note: "" };
    this.rows.push(row);
    return row.id;
  }

  remove(id: number): void {
    this.rows = this.rows.filter((row) => row.id !== id);
  }

  revert(): void {
    this.reset(this.#saved);
  }

  #row(entry: ListEntry): Row {
    const kind = kindOf(entry);
    return {
      id: this.#next++,
      kind,
      value: entry[kind] ?? "",
      action: entry.action ?? "",
      note: entry.note ?? "",
    };
  }
}
