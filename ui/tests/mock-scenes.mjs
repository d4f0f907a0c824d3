// What the stand-in tells: one house in good order, an untouched one, one in trouble.

const summary = (name, title, more = {}) => ({
  name, title, isolation: "hard", active: false, state: "live", builtin: false, outbound_deny: 0, confidential: 0, daily_tokens: null, problems: [], ...more,
});

const resets = () => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)).toISOString();
};

function records(count) {
  const models = ["claude-sonnet-4-5", "gpt-5-mini", "demo/echo", "local/qwen3", "claude-haiku-4-5"];
  const providers = ["anthropic", "openai", "demo", "local", "anthropic"];
  return Array.from({ length: count }, (_, index) => {
    const kind = index === 6 ? "decision" : "call";
    const denied = index % 7 === 3;
    const warned = index % 11 === 5;
    const failed = index % 17 === 9;
    const which = index % 5;
    const base = {
      seq: 1000 - index, time: new Date(Date.now() - index * 187_000).toISOString(), kind, request_id: `req_01J9Z6K2M4N8P${1000 - index}`,
      context: ["acme", "personal", "acme", "open-house"][index % 4], client: ["claude-code", "", "zed"][index % 3], face: ["messages", "chat_completions", "responses"][index % 3],
      provider: providers[which], model: models[which], status: 200, verdict: "allow", outcome: "completed", code: null, rules: [], uninspected: [],
      usage: { input: 812 + index * 13, output: 96 + index * 7, cache_read: index % 3 === 0 ? 4096 : 0, cache_write: 0, estimated: index % 9 === 4 },
      ms: 640 + index * 91, ttft_ms: 210 + index, bytes_in: 4210 + index * 311, bytes_out: 1200 + index * 57, detail: null,
    };
    if (kind === "decision") return { ...base, detail: "Made acme the active room", model: "", provider: "", usage: null, status: null };
    if (denied) return { ...base, status: 400, verdict: "deny", outcome: index % 2 ? "refused" : "cut", code: "zos_firewall_request", rules: ["acme/deny-1", "secrets/aws-key"], provider: index % 2 ? "" : base.provider, usage: index % 2 ? null : base.usage };
    if (warned) return { ...base, verdict: "warn", rules: ["open-house/deny-2"], uninspected: ["image:messages[2].content[0]"] };
    if (failed) return { ...base, status: 502, outcome: "failed", code: "zos_upstream_unreachable", usage: null };
    if (index === 12) return { ...base, status: 402, outcome: "refused", code: "zos_budget_exceeded", provider: "", usage: null, ttft_ms: null };
    return base;
  });
}

const demo = { id: "demo", api: "openai", base_url: null, key: "none", key_name: null, key_writable: false, demo: true };

function asks() {
  const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
  const ask = (id, more) => ({ id, context: "acme", client: "claude-code", model: "claude-sonnet-4-5", side: "request", asked: at(-1), expires: at(9), calls: 1, waiting: 1, decision: null, ...more });
  return [
    ask("k7f2", { rules: [{ rule: "acme/deny-3", field: "messages[14].content[0].text", count: 2 }, { rule: "secrets/aws-key", field: "system", count: 1 }] }),
    ask("m3xp", { client: null, side: "answer", model: "gpt-5-mini", waiting: 0, calls: 3, rules: [{ rule: "acme/deny-3", field: "choices[0].message.tool_calls[0].function.arguments", count: 1 }] }),
  ];
}

function full() {
  const deny = [{ term: "Project Falcon" }, { term: "Ann Lee", action: "redact", note: "patient" }, { pattern: "ACME-\\d{6}", action: "ask", note: "order numbers" }, { pack: "secrets" }];
  const confidential = [{ term: "Globex merger", note: "until the announcement" }];
  const yaml = "# Rooms are plain files: edit them here or in any editor.\nname: acme\ntitle: Acme Corp\nisolation: hard\noutbound_deny:                  # must never leave this room\n  - Project Falcon\n  - {term: Ann Lee, action: redact, note: patient}\n  - {pattern: 'ACME-\\d{6}', action: ask, note: order numbers}\n  - {pack: secrets}\nconfidential:\n  - {term: Globex merger, note: until the announcement}\nbudget: {daily_tokens: 200000}\n";
  const rooms = [
    { summary: summary("acme", "Acme Corp", { active: true, outbound_deny: 4, confidential: 1, daily_tokens: 200_000 }), yaml, etag: "1", outbound_deny: deny, confidential },
    { summary: summary("personal", "Personal", { outbound_deny: 1, daily_tokens: 50_000 }), yaml: "title: Personal\n", etag: "1", outbound_deny: [{ term: "my address" }], confidential: [] },
    { summary: summary("open-house", "Open house", { isolation: "open", outbound_deny: 2 }), yaml: "title: Open house\nisolation: open\n", etag: "1", outbound_deny: [{ term: "internal" }, { term: "roadmap" }], confidential: [] },
  ];
  return {
    status: {
      version: "0.1.0", address: "http://127.0.0.1:8788", listen_error: null, home: "/home/ann/.zos", active: "acme", active_is_builtin: false,
      shield: { paused: false, until: null }, health: { ok: true, problems: [] },
      counts: { calls: 1412, denied: 9, warned: 4, refused: 1, failed: 3, in_flight: 2 }, uptime_s: 11_520,
    },
    rooms, problems: [], records: records(130), asks: asks(),
    budgets: [
      { context: "acme", limit: 200_000, used: 138_420, reserved: 4_096, remaining: 57_484, resets_at: resets(), cost_today_micros: 3_180_000, cost_month_micros: 41_020_000, unpriced_today: 3, unpriced_month: 3,
        limits: [
          { name: "daily_usd", scope: "context", of: null, period: "day", unit: "micros", limit: 10_000_000, used: 3_180_000, reserved: 0, remaining: 6_820_000, resets_at: resets(), runs_out_at: null },
          { name: "daily_usd", scope: "key", of: "claude-code", period: "day", unit: "micros", limit: 5_000_000, used: 2_900_000, reserved: 0, remaining: 2_100_000, resets_at: resets(), runs_out_at: resets() },
        ] },
      { context: "personal", limit: 50_000, used: 50_000, reserved: 0, remaining: 0, resets_at: resets(), cost_today_micros: 3_180_000, cost_month_micros: 41_020_000, unpriced_today: 0, unpriced_month: 2, limits: [] },
      { context: "open-house", limit: null, used: 8_210, reserved: 0, remaining: null, resets_at: resets(), cost_today_micros: 3_180_000, cost_month_micros: 41_020_000, unpriced_today: 0, unpriced_month: 2, limits: [] },
    ],
    keys: [
      { id: "k1", context: "acme", client: "claude-code", created: "2026-11-02T09:12:00Z", last_used: new Date(Date.now() - 40_000).toISOString() },
      { id: "k2", context: null, client: "zed", created: "2026-11-14T16:40:00Z", last_used: null },
    ],
    providers: [
      { id: "anthropic", api: "anthropic", base_url: "https://api.anthropic.com", key: "keychain", key_name: "anthropic", key_writable: true, demo: false },
      { id: "openai", api: "openai", base_url: "https://api.openai.com/v1", key: "environment", key_name: "OPENAI_API_KEY", key_writable: false, demo: false },
      { id: "mistral", api: "openai", base_url: "https://api.mistral.ai/v1", key: "missing", key_name: "mistral", key_writable: true, demo: false },
      { id: "local", api: "openai", base_url: "http://127.0.0.1:11434/v1", key: "none", key_name: null, key_writable: false, demo: false },
      demo,
    ],
    tests: { local: { ok: false, message: "Nothing answers at http://127.0.0.1:11434: the connection was refused.", ms: 3, models: null } },
  };
}

function empty() {
  const house = full();
  return {
    ...house,
    status: { ...house.status, active: "default", active_is_builtin: true, counts: { calls: 0, denied: 0, warned: 0, refused: 0, failed: 0, in_flight: 0 }, uptime_s: 12 },
    rooms: [{ summary: summary("default", "Default", { active: true, builtin: true, isolation: "open" }), yaml: "", etag: "", outbound_deny: [], confidential: [] }],
    records: [], asks: [], budgets: [], keys: [], providers: [demo],
  };
}

function trouble() {
  const house = full();
  const [acme, personal] = house.rooms;
  const broken = (file, line, message, fix) => ({ severity: "error", file, line, column: 12, message, fix });
  acme.summary.state = "stale";
  acme.summary.problems = [broken("contexts/acme.yml", 4, 'unknown isolation word "hrad"', "write `open` or `hard`"), { severity: "warning", file: "contexts/acme.yml", line: 12, column: 1, message: "unknown key `budgte`", fix: "write `budget`, or remove the line" }];
  acme.yaml = acme.yaml.replace("isolation: hard", "isolation: hrad");
  personal.summary.state = "broken";
  personal.summary.isolation = null;
  personal.summary.problems = [broken("contexts/personal.yml", 2, "this line is not YAML: a `:` is missing", "write `title: Personal`")];
  return {
    ...house,
    status: {
      ...house.status, address: null, active: null, listen_error: "Port 8788 is taken by another program. Stop it, or set another address in gateway/config.yml.",
      shield: { paused: true, until: new Date(Date.now() + 900_000).toISOString() },
      health: { ok: false, problems: ["The audit log cannot be written: the disk is full.", "The keychain is locked."] },
    },
    problems: [broken("routing/fleet.yml", 7, 'provider "opnai" is not declared', "declare it under `providers`, or write `openai`")],
  };
}

export function scene(name) {
  return { full, empty, trouble }[name]?.() ?? full();
}
