/** Numbers, times and amounts as a person reads them. Pure: locale and clock come in. */

type Locale = string | undefined;

/** A whole number with its group separators: `12,345`. */
export function count(value: number, locale?: Locale): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }).format(value);
}

/** A number in little space: `12K`. Give the exact one as well where it matters. */
export function compact(value: number, locale?: Locale): string {
  return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** A count with its noun: `1 call`, `3 calls`. */
export function plural(value: number, one: string, many = `${one}s`, locale?: Locale): string {
  return `${count(value, locale)} ${value === 1 ? one : many}`;
}

/** A part of a whole, rounded down so that 100 % means all of it. */
export function percent(part: number, whole: number): number {
  if (whole <= 0) return 100;
  return Math.min(100, Math.floor((part / whole) * 100));
}

/** A duration in milliseconds: `820 ms`, `2.4 s`, `3 min 5 s`. */
export function duration(ms: number, locale?: Locale): string {
  if (ms < 1000) return `${count(ms, locale)} ms`;
  if (ms < 60_000) {
    return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
  }
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A size: `512 B`, `1.4 kB`, `20 MB`. */
export function bytes(value: number, locale?: Locale): string {
  const units = ["B", "kB", "MB", "GB"] as const;
  let amount = value;
  let unit = 0;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  const digits = amount < 10 && unit > 0 ? 1 : 0;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(amount)} ${units[unit] ?? "B"}`;
}

/** Time of day for something of today, day and time for anything older, with the year when it is another. */
export function moment(time: string, now: Date, locale?: Locale, timeZone?: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  // ISO days, in the reader's own zone: equal days and years compare as text.
  const day = (value: Date) => new Intl.DateTimeFormat("en-CA", { dateStyle: "short", timeZone }).format(value);
  const minutes: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", timeZone };
  let shown: Intl.DateTimeFormatOptions = { ...minutes, second: "2-digit" };
  if (day(date) !== day(now)) {
    const isThisYear = day(date).slice(0, 4) === day(now).slice(0, 4);
    shown = { ...minutes, day: "numeric", month: "short", year: isThisYear ? undefined : "numeric" };
  }
  return new Intl.DateTimeFormat(locale, shown).format(date);
}

/** Full date and time, for receipts. */
export function fullMoment(time: string, locale?: Locale, timeZone?: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long", timeZone }).format(date);
}

/** Hours and minutes of a clock: `02:00`. */
export function clock(time: string | Date, locale?: Locale, timeZone?: string): string {
  const date = new Date(time);
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", timeZone }).format(date);
}

/** Time from now to then, to the minute: `3 h 12 min`, `less than a minute`. */
export function until(then: string, now: Date): string {
  const minutes = Math.floor((new Date(then).getTime() - now.getTime()) / 60_000);
  if (!Number.isFinite(minutes) || minutes < 1) return "less than a minute";
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return `${minutes} min`;
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
}

/** Time from now to then, to the second, for counting down: `9:04`. Never below zero. */
export function left(then: string, now: Date): string {
  const seconds = Math.max(0, Math.ceil((new Date(then).getTime() - now.getTime()) / 1000));
  if (!Number.isFinite(seconds)) return "0:00";
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Millionths of a US dollar as dollars: `$3.18`, and a part of a cent to four places: `$0.0042`. */
export function money(micros: number, locale?: Locale): string {
  const digits = micros > 0 && micros < 10_000 ? 4 : 2;
  if (micros > 0 && micros < 100) return `< ${money(100, locale)}`;
  return new Intl.NumberFormat(locale, {
    style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(micros / 1_000_000);
}
