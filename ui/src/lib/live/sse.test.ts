import { expect, it } from "vitest";
import { SseParser } from "./sse";

const stream = ': ping\n\ndata: {"type":"lagged"}\n\nevent: call\r\nid: 7\r\ndata: {"a":\r\ndata:1}\r\n\r\n\ndata\n\ndata:  two spaces\n\n';
const expected = ['{"type":"lagged"}', '{"a":\n1}', "", " two spaces"];

it("reads events whole", () => {
  expect(new SseParser().push(stream)).toEqual(expected);
});

it("reads the same however the chunks fall", () => {
  for (let size = 1; size < 12; size += 1) {
    const parser = new SseParser();
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) found.push(...parser.push(stream.slice(at, at + size)));
    expect(found).toEqual(expected);
  }
});

it("keeps an event back until its empty line has come", () => {
  const parser = new SseParser();
  expect(parser.push("data: x\n")).toEqual([]);
  expect(parser.push("\n")).toEqual(["x"]);
});
