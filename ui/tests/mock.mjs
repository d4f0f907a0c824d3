// A stand-in for zOS, ONLY for looking at screens: serves dist/ at /zos/ and canned answers of the
// admin API. It checks nothing and proves nothing; what is proven is proven against `zos serve`.
//
//     node tests/mock.mjs [PORT]          then open http://127.0.0.1:8799/zos/#token=full
//
// The token chooses the scene: full, empty, trouble, failed, slow.
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { scene as makeScene } from "./mock-scenes.mjs";

const port = Number(process.argv[2] ?? 8799);
const dist = join(import.meta.dirname, "..", "dist");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };
const scenes = new Map();

function sceneOf(token) {
  if (!["full", "empty", "trouble", "failed", "slow"].includes(token)) return null;
  if (!scenes.has(token)) scenes.set(token, { ...makeScene(token), name: token, listeners: new Set() });
  return scenes.get(token);
}

createServer(async (request, response) => {
  const url = new URL(request.url, `http://127.0.0.1:${port}`);
  if (url.pathname === "/v1/chat/completions") return call(request, response);
  if (!url.pathname.startsWith("/zos/v1/")) return serveFile(url.pathname, response);
  const scene = sceneOf((request.headers.authorization ?? "").replace("Bearer ", ""));
  if (!scene) return problem(response, 401, "zos_unauthorized", "The admin token is not right.", "Run `zos token --admin`.");
  if (scene.name === "slow") return;
  if (url.pathname === "/zos/v1/events" && scene.name !== "failed") return follow(scene, request, response);
  if (scene.name === "failed") return problem(response, 500, "zos_internal", "The list could not be read.", "Look into the log: `zos logs`.");
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks)) : null;
  answer(scene, `${request.method} ${url.pathname.slice("/zos/v1/".length)}`, url.searchParams, body, response);
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/zos/#token=full`));

function serveFile(path, response) {
  if (path === "/" || path === "/zos") return response.writeHead(302, { location: "/zos/" }).end();
  const file = join(dist, normalize(path.replace(/^\/zos\//, "/")).replace(/\/$/, "/index.html"));
  if (!file.startsWith(dist) || !existsSync(file)) return response.writeHead(404).end("not found");
  response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
}

function follow(scene, request, response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(": hello\n\n");
  scene.listeners.add(response);
  request.on("close", () => scene.listeners.delete(response));
}

/** A call through the gateway, so that something happens live. */
async function call(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { model, messages } = JSON.parse(Buffer.concat(chunks));
  const scene = sceneOf("full");
  const context = request.headers["x-zos-context"] ?? scene.status.active;
  const { violations } = tryText(scene, { context, text: JSON.stringify(messages) });
  const isDenied = violations.length > 0;
  const record = {
    ...scene.records[0], seq: scene.records[0].seq + 1, time: new Date().toISOString(), context, client: "", model, request_id: `req_${Date.now()}`,
    provider: isDenied ? "" : "demo", verdict: isDenied ? "deny" : "allow", outcome: isDenied ? "refused" : "completed", status: isDenied ? 400 : 200,
    code: isDenied ? "zos_firewall_request" : null, rules: violations.map(({ rule }) => rule),
  };
  scene.records.unshift(record);
  scene.status.counts.calls += 1;
  tell(scene, { type: "call", record });
  json(response, { verdict: record.verdict }, record.status);
}

function tell(scene, event) {
  for (const listener of scene.listeners) listener.write(`data: ${JSON.stringify(event)}\n\n`);
}

function json(response, value, status = 200) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function problem(response, status, code, message, hint = null, problems = undefined) {
  json(response, { error: { code, message, hint, problems } }, status);
}

function answer(scene, call, query, body, response) {
  const [method, path] = call.split(" ");
  const [area, id, part] = path.split("/").map(decodeURIComponent);
  const room = scene.rooms.find(({ summary }) => summary.name === id);
  switch (`${method} ${area}`) {
    case "GET status":
      return json(response, scene.status);
    case "GET active":
      return json(response, { context: scene.status.active });
    case "PUT active":
      scene.status.active = body.context;
      for (const { summary } of scene.rooms) summary.active = summary.name === body.context;
      tell(scene, { type: "config", active: body.context, problems: 0 });
      return json(response, body);
    case "PUT shield":
      scene.status.shield = { paused: body.paused, until: body.minutes ? new Date(Date.now() + body.minutes * 60_000).toISOString() : null };
      tell(scene, { type: "health", health: scene.status.health, shield: scene.status.shield });
      return json(response, scene.status.shield);
    case "GET contexts":
      if (!id) return json(response, { contexts: scene.rooms.map(({ summary }) => summary), problems: scene.problems });
      return room ? json(response, room) : problem(response, 404, "zos_unknown_context", `There is no room "${id}".`, "See `zos context list`.");
    case "PUT contexts":
      return save(scene, id, room, body, response);
    case "POST firewall":
      return json(response, tryText(scene, body));
    case "GET approvals":
      return json(response, { approvals: scene.asks });
    case "POST approvals": {
      const ask = scene.asks.find((each) => each.id === id);
      if (!ask) return problem(response, 404, "zos_unknown_approval", "Nothing of that id waits for a decision.");
      scene.asks = scene.asks.filter((each) => each !== ask);
      return json(response, { approval: { ...ask, decision: body.decision }, written: [] });
    }
    case "GET budgets":
      return json(response, { budgets: scene.budgets });
    case "GET audit":
      return json(response, page(scene.records, query));
    case "GET keys":
      return json(response, { keys: scene.keys });
    case "POST keys": {
      const key = { id: `k${Date.now()}`, context: body.context, client: body.client, created: new Date().toISOString(), last_used: null };
      scene.keys.push(key);
      return json(response, { id: key.id, key: `zos_${"7f3a9c".repeat(8)}` }, 201);
    }
    case "DELETE keys":
      scene.keys = scene.keys.filter((key) => key.id !== id);
      return response.writeHead(204).end();
    case "GET providers":
      return json(response, { providers: scene.providers });
    case "POST providers":
      return json(response, scene.tests[id] ?? { ok: true, message: "The provider accepted the key.", ms: 312, models: 42 });
    case "PUT providers":
    case "DELETE providers":
      if (part === "key") scene.providers.find((each) => each.id === id).key = method === "PUT" ? "keychain" : "missing";
      return response.writeHead(204).end();
    case "DELETE contexts":
      scene.rooms = scene.rooms.filter((each) => each !== room);
      return response.writeHead(204).end();
    default:
      return problem(response, 404, "zos_unknown_endpoint", `Nothing answers ${call}.`);
  }
}

function save(scene, name, room, body, response) {
  if (room && body.etag !== room.etag) {
    return problem(response, 409, "zos_conflict", "The file has changed since you read it.", "Read it again.");
  }
  if (!room) {
    const isolation = /isolation: (\w+)/.exec(body.yaml)?.[1];
    const title = JSON.parse(/title: (.*)/.exec(body.yaml)?.[1] ?? "null") ?? name;
    const summary = { name, title, isolation, active: false, state: "live", builtin: false, outbound_deny: 0, confidential: 0, daily_tokens: null, problems: [] };
    scene.rooms.push({ summary, yaml: body.yaml, etag: "1", outbound_deny: [], confidential: [] });
    return json(response, { etag: "1" });
  }
  if (body.yaml?.includes("bad")) {
    const line = body.yaml.split("\n").findIndex((each) => each.includes("bad")) + 1;
    return problem(response, 422, "zos_invalid_context", "The file is not valid.", "Fix the places named.", [
      { severity: "error", file: `contexts/${name}.yml`, line, column: 1, message: 'unknown isolation "bad"', fix: "write `open` or `hard`" },
    ]);
  }
  room.outbound_deny = body.outbound_deny ?? room.outbound_deny;
  room.confidential = body.confidential ?? room.confidential;
  room.yaml = body.yaml ?? write(room);
  room.etag = String(Number(room.etag) + 1);
  room.summary.outbound_deny = room.outbound_deny.length;
  room.summary.confidential = room.confidential.length;
  tell(scene, { type: "config", active: scene.status.active, problems: 0 });
  return json(response, { etag: room.etag });
}

function write({ summary, outbound_deny, confidential }) {
  const list = (entries) => entries.map((entry) => `  - ${Object.keys(entry).length === 1 && entry.term ? entry.term : JSON.stringify(entry)}`).join("\n");
  return `# The person's own comment stays.\nname: ${summary.name}\ntitle: ${summary.title}\nisolation: ${summary.isolation}\noutbound_deny:\n${list(outbound_deny)}\nconfidential:\n${list(confidential)}\n`;
}

function tryText(scene, { context, text }) {
  const room = scene.rooms.find(({ summary }) => summary.name === context);
  const violations = [];
  for (const [index, { term, action = "deny" }] of (room?.outbound_deny ?? []).entries()) {
    const at = term ? text.toLowerCase().indexOf(term.toLowerCase()) : -1;
    if (at < 0) continue;
    const start = Buffer.byteLength(text.slice(0, at));
    const place = `contexts/${context}.yml:${index + 5}`;
    violations.push({ rule: `${context}/deny-${index + 1}`, start, end: start + Buffer.byteLength(term), action, evasion: index === 1 ? "spaced" : null, place });
  }
  return { context, verdict: violations[0]?.action ?? "allow", violations };
}

function page(records, query) {
  const wanted = records.filter((record) =>
    ["context", "verdict", "client", "kind"].every((name) => !query.get(name) || record[name] === query.get(name)),
  );
  const from = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? 50);
  return { records: wanted.slice(from, from + limit), next: from + limit < wanted.length ? String(from + limit) : null };
}
