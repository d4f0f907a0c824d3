import { ApiFailure } from "$lib/api";

/**
 * Something loaded from the API, in one of its states: waiting, failed, ready. (Empty is for the
 * screen to say.) Loading again keeps what is there; of two loads at once the later one wins.
 */
export class Loaded<T> {
  data = $state.raw<T | null>(null);
  failure = $state.raw<ApiFailure | null>(null);
  #turn = 0;

  constructor(private readonly fetch: () => Promise<T>) {}

  get state(): "waiting" | "failed" | "ready" {
    if (this.data !== null) return "ready";
    return this.failure === null ? "waiting" : "failed";
  }

  async load(): Promise<void> {
    const turn = ++this.#turn;
    try {
      const data = await this.fetch();
      if (turn !== this.#turn) return;
      this.data = data;
      this.failure = null;
    } catch (thrown) {
      if (turn !== this.#turn) return;
      this.failure = ApiFailure.from(thrown);
    }
  }

  /** From failed back to waiting, then load. */
  retry = (): void => {
    this.failure = null;
    void this.load();
  };

  /** Takes what an event told, so that nothing need be loaded. A load under way is now out of date. */
  replace(data: T): void {
    this.#turn += 1;
    this.data = data;
    this.failure = null;
  }

  /** Forgets all, for example on signing out. */
  clear(): void {
    this.#turn += 1;
    this.data = null;
    this.failure = null;
  }
}
