import { describe, expect, it } from "vitest";
import { pieces, utf16Offsets } from "./spans";

const bytesOf = (text: string) => new TextEncoder().encode(text).length;
/** The byte range of `part` in `text`. */
function rangeOf(text: string, part: string) {
  const at = text.indexOf(part);
  return { start: bytesOf(text.slice(0, at)), end: bytesOf(text.slice(0, at + part.length)) };
}
const marked = (text: string, ranges: { start: number; end: number }[]) =>
  pieces(text, ranges)
    .filter((piece) => piece.ranges.length > 0)
    .map((piece) => piece.text);

describe("pieces", () => {
  it.each([
    ["plain text", "Tell Ann about Falcon today", "Falcon"],
    ["two-byte letters before", "für Müller: Falcon", "Falcon"],
    ["two-byte letters inside", "the café closes", "café"],
    ["three-byte letters", "秘密のファルコン計画", "ファルコン"],
    ["emoji before", "🦅🦅 Falcon 🦅", "Falcon"],
    ["emoji inside", "code 🦅Falcon🦅 now", "🦅Falcon🦅"],
    ["a family of joined emoji", "a 👩‍👩‍👧 b secret", "secret"],
    ["combining marks", "e\u0301tude secret", "secret"],
    ["the whole text", "Falcon", "Falcon"],
    ["the last letter", "abc🦅", "🦅"],
  ])("finds the same words with %s", (_, text, part) => {
    expect(marked(text, [rangeOf(text, part)])).toEqual([part]);
  });

  it("gives the text again when joined, whatever the ranges", () => {
    const text = "a🦅ü秘z";
    const length = bytesOf(text);
    for (let start = 0; start <= length; start += 1) {
      for (let end = start; end <= length + 2; end += 1) {
        const joined = pieces(text, [{ start, end }])
          .map((piece) => piece.text)
          .join("");
        expect(joined).toBe(text);
      }
    }
  });

  it("names every finding of an overlap", () => {
    const text = "Project Falcon is secret";
    const ranges = [rangeOf(text, "Project Falcon"), rangeOf(text, "Falcon is")];
    expect(pieces(text, ranges)).toEqual([
      { text: "Project ", ranges: [0] },
      { text: "Falcon", ranges: [0, 1] },
      { text: " is", ranges: [1] },
      { text: " secret", ranges: [] },
    ]);
  });

  it("leaves a text without findings whole", () => {
    expect(pieces("nothing here", [])).toEqual([{ text: "nothing here", ranges: [] }]);
    expect(pieces("", [])).toEqual([]);
  });

  it("never cuts a character in two", () => {
    for (const { text } of pieces("🦅🦅", [{ start: 2, end: 6 }])) expect(text).not.toMatch(/^[\udc00-\udfff]/);
  });
});

describe("utf16Offsets", () => {
  it("counts a lone surrogate as the replacement character it is sent as", () => {
    expect(utf16Offsets("\ud83dx", [3])).toEqual(new Map([[3, 1]]));
  });

  it("puts an offset past the end at the end", () => {
    expect(utf16Offsets("ab", [9])).toEqual(new Map([[9, 2]]));
  });
});
