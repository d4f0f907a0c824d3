/**
 * Runs `task` soon after it was asked for, and at most once every `everyMs` however often it is
 * asked for: a burst of a thousand calls loads the counts once a second, not a thousand times.
 */
export class Throttle {
  #timer: ReturnType<typeof setTimeout> | null = null;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly task: () => void,
    private readonly everyMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  ask(): void {
    if (this.#timer !== null) return;
    const waitMs = Math.max(0, this.#lastMs + this.everyMs - this.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#lastMs = this.now();
      this.task();
    }, waitMs);
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
