import type { Approval } from "$lib/api";

/** Rules about the list of asks. Pure. */

/** Answered asks that stay on the screen. */
const ANSWERED_SHOWN = 20;

/** An answer, with what it wrote into a room's file. */
export interface Answered {
  approval: Approval;
  written: readonly string[];
}

/** The open asks after news of one: a new one goes last, a known one is replaced, an answered one leaves. */
export function takeOpen(asks: readonly Approval[], news: Approval): Approval[] {
  const isKnown = asks.some(({ id }) => id === news.id);
  if (news.decision) return asks.filter(({ id }) => id !== news.id);
  return isKnown ? asks.map((ask) => (ask.id === news.id ? news : ask)) : [...asks, news];
}

/** The answered asks after news of one, newest first. What was written comes with the answer, not with the event. */
export function takeAnswered(answered: readonly Answered[], news: Answered): Answered[] {
  const before = answered.find(({ approval }) => approval.id === news.approval.id);
  const written = news.written.length > 0 ? news.written : (before?.written ?? []);
  const others = answered.filter((one) => one !== before);
  return [{ approval: news.approval, written }, ...others].slice(0, ANSWERED_SHOWN);
}

/** When the next ask ends by itself; `null` where there is none. */
export function nextEnd(asks: readonly Approval[], now: number): number | null {
  const ends = asks.map(({ expires }) => Date.parse(expires)).filter((end) => end > now);
  return ends.length === 0 ? null : Math.min(...ends);
}
