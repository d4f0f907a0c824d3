import { describe, expect, it } from "vitest";
import * as format from "./format";

describe("amounts", () => {
  it("groups thousands the way of the locale", () => {
    expect(format.count(1234567, "en")).toBe("1,234,567");
    expect(format.count(1234567, "de")).toBe("1.234.567");
    expect(format.compact(200_000, "en")).toBe("200K");
  });

  it("says one and many", () => {
    expect(format.plural(1, "entry", "entries", "en")).toBe("1 entry");
    expect(format.plural(0, "entry", "entries", "en")).toBe("0 entries");
    expect(format.plural(2, "call", undefined, "en")).toBe("2 calls");
  });

  it.each([
    [0, 100, 0],
    [99_999, 100_000, 99],
    [100, 100, 100],
    [150, 100, 100],
    [0, 0, 100],
  ])("%i of %i is %i percent: full only when nothing is left", (part, whole, expected) => {
    expect(format.percent(part, whole)).toBe(expected);
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1400, "1.4 kB"],
    [20_000_000, "20 MB"],
  ])("%i bytes are %s", (value, expected) => {
    expect(format.bytes(value, "en")).toBe(expected);
  });
});

describe("times", () => {
  const now = new Date("2026-11-22T20:47:30Z");

  it.each([
    [3, "3 ms"],
    [2412, "2.4 s"],
    [185_000, "3 min 5 s"],
    [119_600, "2 min 0 s"],
  ])("%i milliseconds are %s", (ms, expected) => {
    expect(format.duration(ms, "en")).toBe(expected);
  });

  it.each([
    ["2026-11-23T00:00:00Z", "3 h 12 min"],
    ["2026-11-22T21:47:30Z", "1 h"],
    ["2026-11-22T20:59:00Z", "11 min"],
    ["2026-11-22T20:47:59Z", "less than a minute"],
    ["2026-11-21T00:00:00Z", "less than a minute"],
    ["rubbish", "less than a minute"],
  ])("until %s it is %s", (then, expected) => {
    expect(format.until(then, now)).toBe(expected);
  });

  it("shows the day only when it is not today, in the reader's own zone", () => {
    expect(format.moment("2026-11-22T09:04:05Z", now, "en-GB", "UTC")).toBe("09:04:05");
    expect(format.moment("2026-11-21T09:04:05Z", now, "en-GB", "UTC")).toBe("21 Nov, 09:04");
    expect(format.moment("2025-11-22T09:04:05Z", now, "en-GB", "UTC")).toBe("22 Nov 2025, 09:04");
    // 23:30 UTC of the 21st is already the 22nd in Berlin.
    expect(format.moment("2026-11-21T23:30:00Z", now, "en-GB", "Europe/Berlin")).toBe("00:30:00");
  });

  it("shows a time it cannot read as it came", () => {
    expect(format.moment("soon", now)).toBe("soon");
    expect(format.fullMoment("soon")).toBe("soon");
  });
});

it("counts down to the second and stops at zero", () => {
  const now = new Date("2026-01-01T12:00:00Z");
  expect(format.left("2026-01-01T12:09:03.200Z", now)).toBe("9:04");
  expect(format.left("2026-01-01T12:00:59Z", now)).toBe("0:59");
  expect(format.left("2026-01-01T11:00:00Z", now)).toBe("0:00");
  expect(format.left("nonsense", now)).toBe("0:00");
});

it("shows money in dollars, and never as nothing what is something", () => {
  const shown = [0, 1, 99, 100, 4_200, 9_999, 10_000, 3_180_000, 12_000_000_000].map((micros) => format.money(micros, "en-US"));
  expect(shown).toEqual(["$0.00", "< $0.0001", "< $0.0001", "$0.0001", "$0.0042", "$0.0100", "$0.01", "$3.18", "$12,000.00"]);
});
