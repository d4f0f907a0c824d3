import type { Approval, AuditRecord, BudgetState, Client, Decision, HouseEvent } from "$lib/api";
import { browserTransport } from "$lib/live/browser";
import { desktopTransport } from "$lib/live/desktop";
import { Feed, type FeedState } from "$lib/live/feed";
import { Throttle } from "$lib/live/throttle";
import { type Answered, nextEnd, takeAnswered, takeOpen } from "./asks";
import { Loaded } from "./loaded.svelte";
import { isBlock, merge } from "./records";

/** Rows of "last calls" and "last blocks". */
const RECENT = 8;
/** Counts and budgets follow a busy gateway at this pace. */
const REFRESH_MS = 1_000;

type Follower = (event: HouseEvent) => void;

/**
 * The state that every screen needs, kept current by events and never by polling: status, rooms,
 * budgets, asks, last calls and blocks. Screens with more of their own follow the same events.
 */
export class House {
  readonly status;
  readonly contexts;
  readonly budgets;
  readonly calls;
  readonly blocks;
  readonly asks;
  /** What was answered since the page opened, newest first. */
  answered = $state.raw<Answered[]>([]);
  connection = $state<FeedState>("connecting");

  readonly #client: Client;
  readonly #feed: Feed;
  // Nothing shows the followers, so nothing need react to them.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  readonly #followers = new Set<Follower>();
  readonly #amounts = new Throttle(() => {
    void this.status.load();
    void this.budgets.load();
    // A call that ends waits no more; an ask says so only when it is looked at.
    if (this.asks.data?.length) void this.asks.load();
  }, REFRESH_MS);
  #resetTimer: ReturnType<typeof setTimeout> | undefined;
  #endTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, desktop: boolean) {
    this.#client = client;
    this.status = new Loaded(() => client.get("/zos/v1/status"));
    this.contexts = new Loaded(() => client.get("/zos/v1/contexts"));
    this.budgets = new Loaded(() => this.#loadBudgets());
    this.calls = new Loaded(() => this.#recent({}));
    this.blocks = new Loaded(() => this.#recent({ verdict: "deny" }));
    this.asks = new Loaded(() => this.#loadAsks());
    this.#feed = new Feed(desktop ? desktopTransport() : browserTransport(client), {
      state: (state) => (this.connection = state),
      resync: () => this.#take({ type: "lagged" }),
      event: (event) => this.#take(event),
    });
  }

  /** Loads everything and follows what happens, until the returned function is called. */
  open = (): (() => void) => {
    this.#loadAll();
    this.#feed.start();
    const wake = () => this.#feed.wake();
    window.addEventListener("online", wake);
    return () => {
      window.removeEventListener("online", wake);
      this.#feed.stop();
      this.#amounts.cancel();
      clearTimeout(this.#resetTimer);
      clearTimeout(this.#endTimer);
      for (const loaded of this.#all) loaded.clear();
      this.answered = [];
    };
  };

  /** Hands each event to `follower` until the returned function is called. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  budgetOf(context: string | null | undefined): BudgetState | null {
    return this.budgets.data?.budgets.find((budget) => budget.context === context) ?? null;
  }

  titleOf(name: string): string {
    return this.contexts.data?.contexts.find((context) => context.name === name)?.title ?? name;
  }

  /** Makes a room the active one. Throws an `ApiFailure`. */
  async activate(name: string): Promise<void> {
    await this.#client.put("/zos/v1/active", { context: name });
    await Promise.all([this.status.load(), this.contexts.load(), this.budgets.load()]);
  }

  /** Lets rules only report, for so many minutes or (`null`) until resumed. Throws an `ApiFailure`. */
  async pauseShield(minutes: number | null): Promise<void> {
    await this.#client.put("/zos/v1/shield", { paused: true, minutes });
    await this.status.load();
  }

  /** Throws an `ApiFailure`. */
  async resumeShield(): Promise<void> {
    await this.#client.put("/zos/v1/shield", { paused: false });
    await this.status.load();
  }

  /** Answers an ask. Throws an `ApiFailure`. */
  async decide(id: string, decision: Decision): Promise<void> {
    const { approval, written } = await this.#client.post("/zos/v1/approvals/{id}", { decision }, { at: { id } });
    this.#takeAsk({ approval, written });
  }

  get #all() {
    return [this.status, this.contexts, this.budgets, this.calls, this.blocks, this.asks];
  }

  #loadAll(): void {
    for (const loaded of this.#all) void loaded.load();
  }

  async #recent(filter: { verdict?: string }): Promise<AuditRecord[]> {
    const page = await this.#client.get("/zos/v1/audit", { query: { kind: "call", limit: RECENT, ...filter } });
    return page.records;
  }

  async #loadAsks(): Promise<Approval[]> {
    const { approvals } = await this.#client.get("/zos/v1/approvals");
    this.#loadAtEnd(approvals);
    return approvals;
  }

  /** An ask that nobody answers ends at a known time: one timer then, as with budgets. */
  #loadAtEnd(asks: readonly Approval[]): void {
    clearTimeout(this.#endTimer);
    const end = nextEnd(asks, Date.now());
    if (end !== null) this.#endTimer = setTimeout(() => void this.asks.load(), end - Date.now() + 250);
  }

  #takeAsk(news: Answered): void {
    if (this.asks.data) {
      const asks = takeOpen(this.asks.data, news.approval);
      this.asks.replace(asks);
      this.#loadAtEnd(asks);
    } else {
      void this.asks.load();
    }
    if (news.approval.decision) this.answered = takeAnswered(this.answered, news);
  }

  async #loadBudgets() {
    const answer = await this.#client.get("/zos/v1/budgets");
    this.#loadAtReset(answer.budgets);
    return answer;
  }

  /** Budgets start anew at a known time: one timer then, no polling until then. */
  #loadAtReset(budgets: readonly BudgetState[]): void {
    clearTimeout(this.#resetTimer);
    const times = budgets.map(({ resets_at }) => Date.parse(resets_at)).filter((time) => time > Date.now());
    if (times.length === 0) return;
    // A second late rather than a moment early.
    this.#resetTimer = setTimeout(() => void this.budgets.load(), Math.min(...times) - Date.now() + 1_000);
  }

  #take(event: HouseEvent): void {
    switch (event.type) {
      case "call":
        this.#add(event.record);
        this.#amounts.ask();
        break;
      case "config":
        void this.contexts.load();
        this.#amounts.ask();
        break;
      case "health": {
        const status = this.status.data;
        if (status) this.status.replace({ ...status, health: event.health, shield: event.shield });
        // The address may have come or gone with it.
        this.#amounts.ask();
        break;
      }
      case "approval":
        this.#takeAsk({ approval: event.approval, written: [] });
        break;
      case "budget":
        this.#amounts.ask();
        break;
      case "lagged":
        this.#loadAll();
        break;
    }
    for (const follower of this.#followers) follower(event);
  }

  #add(record: AuditRecord): void {
    if (record.kind !== "call") return;
    if (this.calls.data) this.calls.replace(merge([[record], this.calls.data], RECENT));
    if (this.blocks.data && isBlock(record)) this.blocks.replace(merge([[record], this.blocks.data], RECENT));
  }
}
