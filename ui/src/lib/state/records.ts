import type { AuditRecord } from "$lib/api";

/** Rules about lists of audit records. Pure. */

export interface RecordFilter {
  context: string;
  verdict: string;
  client: string;
  kind: string;
}

export const NO_FILTER: RecordFilter = { context: "", verdict: "", client: "", kind: "call" };

/** Whether a record that just came in belongs into a list with this filter. Empty means any. */
export function matches(record: AuditRecord, filter: RecordFilter): boolean {
  return (
    (filter.context === "" || record.context === filter.context) &&
    (filter.verdict === "" || record.verdict === filter.verdict) &&
    (filter.client === "" || record.client === filter.client) &&
    (filter.kind === "" || record.kind === filter.kind)
  );
}

/** Joins records from several sources, newest first, each once, at most `limit`. */
export function merge(lists: readonly (readonly AuditRecord[])[], limit: number): AuditRecord[] {
  const bySeq = new Map<number, AuditRecord>();
  for (const record of lists.flat()) bySeq.set(record.seq, record);
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq).slice(0, limit);
}

/** The filter as an address carries it: `room=acme&verdict=deny`. */
export function toQuery(filter: RecordFilter): string {
  const query = new URLSearchParams();
  if (filter.context) query.set("room", filter.context);
  if (filter.verdict) query.set("verdict", filter.verdict);
  if (filter.client) query.set("client", filter.client);
  if (filter.kind !== NO_FILTER.kind) query.set("kind", filter.kind || "all");
  return query.toString();
}

/** Reads such an address. */
export function fromQuery(query: URLSearchParams): RecordFilter {
  const kind = query.get("kind") ?? NO_FILTER.kind;
  return {
    context: query.get("room") ?? "",
    verdict: query.get("verdict") ?? "",
    client: query.get("client") ?? "",
    kind: kind === "all" ? "" : kind,
  };
}

/** Whether the firewall stopped the call: what the API lists for the verdict `deny`. */
export function isBlock(record: AuditRecord): boolean {
  return record.kind === "call" && record.verdict === "deny";
}
