export interface Notice {
  id: number;
  text: string;
}

const SHOWN_MS = 6_000;

/** Short confirmations ("Saved."). What needs an answer or a decision does not belong here. */
export class Notices {
  all = $state.raw<Notice[]>([]);
  #next = 0;

  say = (text: string): void => {
    const notice = { id: this.#next++, text };
    this.all = [...this.all.slice(-2), notice];
    setTimeout(() => (this.all = this.all.filter(({ id }) => id !== notice.id)), SHOWN_MS);
  };
}
