import type { HouseEvent } from "$lib/api";

/**
 * Keeps the live events coming: opens the stream, opens it again when it ends, waits longer after
 * each failure. Knows neither browser nor desktop: those are transports (`browser.ts`, `desktop.ts`).
 */

/** Opens one stream of events. */
export interface Transport {
  /** Resolves when the stream ends, rejects when it fails; ends soon after `signal` is aborted. */
  run(listener: StreamListener, signal: AbortSignal): Promise<void>;
}

export interface StreamListener {
  /** The stream is open: what happens from now on will be told. */
  opened(): void;
  event(event: HouseEvent): void;
}

/** `lost` means that the stream ended and will be opened again. */
export type FeedState = "connecting" | "live" | "lost";

export interface FeedListener {
  state(state: FeedState): void;
  /** The stream opened, for the first time or again: what was loaded before may be out of date. */
  resync(): void;
  event(event: HouseEvent): void;
}

/** Waits; ends early when `signal` is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

const FIRST_DELAY_MS = 500;
/** Long enough to be cheap, short enough that nobody presses reload. */
const LAST_DELAY_MS = 15_000;

/** How long to wait after the n-th failure in a row (from 0); `random` in [0, 1) spreads many windows. */
export function delayMs(failures: number, random: number): number {
  const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(failures, 16), LAST_DELAY_MS);
  return Math.round(delay * (0.75 + random / 2));
}

export class Feed {
  #stop: AbortController | null = null;
  #wake: AbortController | null = null;

  constructor(
    private readonly transport: Transport,
    private readonly listener: FeedListener,
    private readonly sleep: Sleep = sleepFor,
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    if (this.#stop) return;
    const stop = new AbortController();
    this.#stop = stop;
    void this.#keep(stop.signal);
  }

  stop(): void {
    this.#stop?.abort();
    this.#wake?.abort();
    this.#stop = null;
  }

  /** Ends the wait between two attempts, for example when the network is back. */
  wake(): void {
    this.#wake?.abort();
  }

  async #keep(stopped: AbortSignal): Promise<void> {
    let failures = 0;
    this.listener.state("connecting");
    while (!stopped.aborted) {
      const listener: StreamListener = {
        opened: () => {
          if (stopped.aborted) return;
          failures = 0;
          this.listener.state("live");
          this.listener.resync();
        },
        event: (event) => {
          if (!stopped.aborted) this.listener.event(event);
        },
      };
      // Why a stream ended does not matter here: a refused token is the client's to report.
      await this.transport.run(listener, stopped).catch(() => undefined);
      if (stopped.aborted) return;
      this.listener.state("lost");
      this.#wake = new AbortController();
      await this.sleep(delayMs(failures, this.random()), this.#wake.signal);
      failures += 1;
    }
  }
}

function sleepFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
