// The official npm SDKs, unchanged but for their base URL, against a real `zos serve`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const ZOS = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/zos");
const TERM = "Project Falcon";
const HELLO = [{ role: "user", content: "Hello" }];
const SECRET = [{ role: "user", content: `About ${TERM}` }];

/** What the provider answers, and how often it was asked. */
const provider = { answer: "", calls: 0 };
let server, zos, home, gpt, claude, poor;

before(async () => {
  server = createServer((request, response) => {
    provider.calls += 1;
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      // Single bytes, so that nothing depends on how the network cuts a stream.
      for (const byte of Buffer.from(provider.answer)) response.write(Buffer.from([byte]));
      response.end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const upstream = `http://127.0.0.1:${server.address().port}`;
  home = mkdtempSync(join(tmpdir(), "zos-sdk-"));
  const files = {
    // What each API documents for a refusal; the forms for known clients are proven in tests/it/refusals.rs.
    "gateway/config.yml": "refusals: reference\n",
    "contexts/acme.yml": `outbound_deny: [${TERM}]\n`,
    "contexts/poor.yml": "budget: {daily_tokens: 1}\n",
    "state.json": '{"active": "acme"}',
    "routing/fleet.yml":
      `version: 1\nproviders:\n  anthropic: {api: anthropic, base_url: "${upstream}", key: none}\n` +
      `  openai: {api: openai, base_url: "${upstream}/v1", key: none}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  }
  zos = spawn(ZOS, ["serve", "--home", home, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
  const url = await new Promise((resolve, reject) => {
    const lines = createInterface(zos.stdout);
    lines.on("line", (line) => {
      const found = /http:\/\/[\d.:]+/.exec(line);
      if (found) resolve(found[0]);
    });
    zos.on("exit", () => reject(new Error("zos serve ended before it listened")));
  });
  gpt = new OpenAI({ baseURL: `${url}/v1`, apiKey: "zos" });
  claude = new Anthropic({ baseURL: url, apiKey: "zos" });
  poor = new OpenAI({ baseURL: `${url}/rooms/poor/v1`, apiKey: "zos" });
});

after(async () => {
  const ended = new Promise((resolve) => zos.on("exit", resolve));
  zos.kill();
  await ended;
  server.close();
  rmSync(home, { recursive: true });
});

const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const chunk = (delta, finish_reason = null) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const chat = (text) => [...text].map((letter) => chunk({ content: letter })).join("") + chunk({}, "stop") + "data: [DONE]\n\n";
const messages = (text) =>
  event({ type: "message_start", message: { id: "m", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 3, output_tokens: 1 } } }) +
  event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }) +
  [...text].map((letter) => event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: letter } })).join("") +
  event({ type: "content_block_stop", index: 0 }) +
  event({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 9 } }) +
  event({ type: "message_stop" });

test("plain answers of every face", async () => {
  const answer = await gpt.chat.completions.create({ model: "demo/echo", messages: HELLO });
  assert.match(answer.choices[0].message.content, /Hello$/);
  assert.match((await gpt.responses.create({ model: "demo/echo", input: "Hello" })).output_text, /Hello$/);
  assert.equal((await gpt.embeddings.create({ model: "demo/echo", input: ["a", "b"] })).data.length, 2);
  const message = await claude.messages.create({ model: "demo/echo", max_tokens: 50, messages: HELLO });
  assert.match(message.content[0].text, /Hello$/);
  assert.ok((await claude.messages.countTokens({ model: "demo/echo", messages: HELLO })).input_tokens > 0);
  const names = [];
  for await (const model of gpt.models.list()) names.push(model.id);
  assert.ok(names.includes("demo/echo"));
});

test("streams of every face", async () => {
  let said = "";
  for await (const part of await gpt.chat.completions.create({ model: "demo/echo", messages: HELLO, stream: true }))
    said += part.choices[0]?.delta.content ?? "";
  assert.match(said, /Hello$/);
  const kinds = [];
  for await (const part of await gpt.responses.create({ model: "demo/echo", input: "Hello", stream: true })) kinds.push(part.type);
  assert.equal(kinds.at(-1), "response.completed");
  const message = await claude.messages.stream({ model: "demo/echo", max_tokens: 50, messages: HELLO }).finalMessage();
  assert.equal(message.stop_reason, "end_turn");
});

test("a denied request is the SDK's own error and reaches no provider", async () => {
  const calls = provider.calls;
  await assert.rejects(gpt.chat.completions.create({ model: "m", messages: SECRET }), (error) => {
    assert.ok(error instanceof OpenAI.PermissionDeniedError);
    assert.equal(error.code, "zos_firewall_request");
    return true;
  });
  await assert.rejects(claude.messages.create({ model: "m", max_tokens: 5, messages: SECRET }), (error) => {
    assert.ok(error instanceof Anthropic.PermissionDeniedError);
    assert.equal(error.error.error.code, "zos_firewall_request");
    return true;
  });
  assert.equal(provider.calls, calls);
});

test("a used-up budget is a rate limit and is not tried again", async () => {
  const calls = provider.calls;
  await assert.rejects(poor.chat.completions.create({ model: "m", messages: HELLO }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, "zos_budget_exceeded");
    return true;
  });
  assert.equal(provider.calls, calls);
});

test("a stream that says the term is cut in the SDK's own terms", async () => {
  provider.answer = chat(`It is ${TERM}, you know`);
  let said = "";
  let last;
  for await (const part of await gpt.chat.completions.create({ model: "m", messages: HELLO, stream: true })) {
    said += part.choices[0].delta.content ?? "";
    last = part;
  }
  assert.equal(said, "It is ");
  assert.equal(last.choices[0].finish_reason, "content_filter");
  provider.answer = messages(`It is ${TERM}, you know`);
  const message = await claude.messages.stream({ model: "m", max_tokens: 50, messages: HELLO }).finalMessage();
  assert.equal(message.content[0].text, "It is ");
  assert.equal(message.stop_reason, "refusal");
});

test("a broken stream raises", async () => {
  provider.answer = chat("half of it").split("\n\n").slice(0, 4).join("\n\n") + "\n\n";
  await assert.rejects(async () => {
    for await (const _ of await gpt.chat.completions.create({ model: "m", messages: HELLO, stream: true }));
  }, OpenAI.APIError);
  provider.answer = messages("half of it").split("\n\n").slice(0, 5).join("\n\n") + "\n\n";
  await assert.rejects(claude.messages.stream({ model: "m", max_tokens: 50, messages: HELLO }).finalMessage(), Anthropic.AnthropicError);
});
