/**
 * Turns findings at UTF-8 byte ranges into pieces of a JavaScript string, whose indices count
 * UTF-16 units. Ranges may overlap; each piece names every finding that covers it.
 */

export interface ByteRange {
  start: number;
  end: number;
}

export interface Piece {
  text: string;
  /** Indices of the ranges that cover this piece; empty for plain text. */
  ranges: number[];
}

/**
 * UTF-16 index of every byte offset asked for. An offset inside a character counts as the
 * character's begin, one past the end as the end. A lone surrogate takes three bytes, as the
 * encoder replaces it by U+FFFD.
 */
export function utf16Offsets(text: string, byteOffsets: readonly number[]): Map<number, number> {
  const wanted = [...new Set(byteOffsets)].sort((a, b) => a - b);
  const found = new Map<number, number>();
  let bytes = 0;
  let units = 0;
  let next = 0;
  for (const character of text) {
    const length = byteLength(character.codePointAt(0) ?? 0);
    while (next < wanted.length && (wanted[next] ?? 0) < bytes + length) found.set(wanted[next++] ?? 0, units);
    bytes += length;
    units += character.length;
  }
  while (next < wanted.length) found.set(wanted[next++] ?? 0, units);
  return found;
}

/** Cuts `text` at the ends of all ranges. Joined, the pieces are the text again. */
export function pieces(text: string, ranges: readonly ByteRange[]): Piece[] {
  const offsets = utf16Offsets(
    text,
    ranges.flatMap(({ start, end }) => [start, end]),
  );
  const spans = ranges.map(({ start, end }) => ({ from: offsets.get(start) ?? 0, to: offsets.get(end) ?? 0 }));
  const cuts = [...new Set([0, text.length, ...spans.flatMap(({ from, to }) => [from, to])])].sort((a, b) => a - b);
  const result: Piece[] = [];
  for (const [index, from] of cuts.entries()) {
    const to = cuts[index + 1];
    if (to === undefined) break;
    const covering = spans.flatMap((span, range) => (span.from <= from && to <= span.to ? [range] : []));
    result.push({ text: text.slice(from, to), ranges: covering });
  }
  return result;
}

function byteLength(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
