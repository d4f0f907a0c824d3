import { ApiFailure, type AuditRecord, type Client, type HouseEvent } from "$lib/api";
import { matches, merge, type RecordFilter } from "./records";

const PAGE = 50;
/** A window left open on a busy gateway keeps this many; older ones load again on demand. */
const KEPT = 2_000;

/** The list of records: pages of old ones, joined with new ones as they happen. */
export class Traffic {
  records = $state.raw<AuditRecord[] | null>(null);
  failure = $state.raw<ApiFailure | null>(null);
  loadingOlder = $state(false);
  /** Where the oldest page ended; `null` at the end of the log. */
  cursor = $state.raw<string | null>(null);
  #filter: RecordFilter;
  #turn = 0;
  /** Calls that ended while a page was on its way. */
  #meanwhile: AuditRecord[] = [];

  constructor(
    private readonly client: Client,
    filter: RecordFilter,
  ) {
    this.#filter = filter;
  }

  get state(): "waiting" | "failed" | "ready" {
    if (this.records !== null) return "ready";
    return this.failure === null ? "waiting" : "failed";
  }

  /** Shows what `filter` lets through, from the newest on. */
  show(filter: RecordFilter): void {
    this.#filter = filter;
    this.records = null;
    this.failure = null;
    void this.#load();
  }

  retry = (): void => this.show(this.#filter);

  /** The next page of older records. */
  older = async (): Promise<void> => {
    const turn = this.#turn;
    if (this.cursor === null || this.loadingOlder) return;
    this.loadingOlder = true;
    try {
      const page = await this.#page(this.cursor);
      if (turn !== this.#turn) return;
      this.records = merge([this.records ?? [], page.records], Number.POSITIVE_INFINITY);
      this.cursor = page.next ?? null;
      this.failure = null;
    } catch (thrown) {
      if (turn === this.#turn) this.failure = ApiFailure.from(thrown);
    } finally {
      this.loadingOlder = false;
    }
  };

  take(event: HouseEvent): void {
    if (event.type === "lagged") void this.#load();
    if (event.type !== "call" || !matches(event.record, this.#filter)) return;
    if (this.records === null) this.#meanwhile.push(event.record);
    else if (this.records.length < KEPT) this.records = merge([[event.record], this.records], KEPT);
    else void this.#load();
  }

  async #load(): Promise<void> {
    const turn = ++this.#turn;
    this.#meanwhile = [];
    try {
      const page = await this.#page();
      if (turn !== this.#turn) return;
      this.records = merge([this.#meanwhile, page.records], KEPT);
      this.cursor = page.next ?? null;
      this.failure = null;
    } catch (thrown) {
      if (turn === this.#turn) this.failure = ApiFailure.from(thrown);
    }
  }

  #page(cursor?: string) {
    const { context, verdict, client, kind } = this.#filter;
    return this.client.get("/zos/v1/audit", { query: { context, verdict, client, kind, cursor, limit: PAGE } });
  }
}
