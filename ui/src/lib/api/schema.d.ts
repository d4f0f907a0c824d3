/** Temporary: hand-made until docs/openapi.json exists. */
export interface paths {
  "/zos/v1/status": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Status"] } } };
    };
  };
  "/zos/v1/active": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Active"] } } };
    };
    put: {
      parameters: { query?: never };
      requestBody: { content: { "application/json": components["schemas"]["Active"] } };
      responses: { 200: { content: { "application/json": components["schemas"]["Active"] } } };
    };
  };
  "/zos/v1/shield": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Shield"] } } };
    };
    put: {
      parameters: { query?: never };
      requestBody: { content: { "application/json": components["schemas"]["ShieldChange"] } };
      responses: { 200: { content: { "application/json": components["schemas"]["Shield"] } } };
    };
  };
  "/zos/v1/contexts": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Contexts"] } } };
    };
  };
  "/zos/v1/contexts/{name}": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["ContextDetail"] } } };
    };
    put: {
      parameters: { query?: never };
      requestBody: { content: { "application/json": components["schemas"]["ContextChange"] } };
      responses: { 200: { content: { "application/json": components["schemas"]["ContextWritten"] } } };
    };
    delete: {
      parameters: { query?: components["schemas"]["EtagQuery"] };
      responses: { 204: { content?: never } };
    };
  };
  "/zos/v1/firewall/test": {
    post: {
      parameters: { query?: never };
      requestBody: { content: { "application/json": components["schemas"]["FirewallTest"] } };
      responses: { 200: { content: { "application/json": components["schemas"]["FirewallVerdict"] } } };
    };
  };
  "/zos/v1/budgets": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Budgets"] } } };
    };
  };
  "/zos/v1/usage": {
    get: {
      parameters: { query?: components["schemas"]["UsageQuery"] };
      responses: { 200: { content: { "application/json": components["schemas"]["UsageHistory"] } } };
    };
  };
  "/zos/v1/audit": {
    get: {
      parameters: { query?: components["schemas"]["AuditQuery"] };
      responses: { 200: { content: { "application/json": components["schemas"]["AuditPage"] } } };
    };
  };
  "/zos/v1/keys": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Keys"] } } };
    };
    post: {
      parameters: { query?: never };
      requestBody: { content: { "application/json": components["schemas"]["KeyRequest"] } };
      responses: { 200: { content: { "application/json": components["schemas"]["NewKey"] } } };
    };
  };
  "/zos/v1/keys/{id}": {
    delete: {
      parameters: { query?: never };
      responses: { 204: { content?: never } };
    };
  };
  "/zos/v1/providers": {
    get: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["Providers"] } } };
    };
  };
  "/zos/v1/providers/{id}/key": {
    put: {
      parameters: { query?: never };
      requestBody: { content: { "application/json": components["schemas"]["ProviderKey"] } };
      responses: { 204: { content?: never } };
    };
    delete: {
      parameters: { query?: never };
      responses: { 204: { content?: never } };
    };
  };
  "/zos/v1/providers/{id}/test": {
    post: {
      parameters: { query?: never };
      responses: { 200: { content: { "application/json": components["schemas"]["ProviderTest"] } } };
    };
  };
}
export interface components {
  schemas: {
    Status: {
      version: string;
      address?: string | null;
      listen_error?: string | null;
      home: string;
      active?: string | null;
      active_is_builtin: boolean;
      shield: components["schemas"]["Shield"];
      health: components["schemas"]["Health"];
      counts: components["schemas"]["Counts"];
      uptime_s: number;
    };
    Health: {
      ok: boolean;
      problems: string[];
      keychain: string;
    };
    Counts: {
      calls: number;
      denied: number;
      warned: number;
      refused: number;
      failed: number;
      in_flight: number;
    };
    Active: {
      context?: string | null;
    };
    Shield: {
      paused: boolean;
      until?: string | null;
    };
    ShieldChange: {
      paused: boolean;
      minutes?: number | null;
    };
    FileProblem: {
      severity: string;
      file: string;
      line?: number | null;
      column?: number | null;
      message: string;
      mend: string;
    };
    ContextSummary: {
      name: string;
      title: string;
      isolation?: string | null;
      active: boolean;
      state: string;
      builtin: boolean;
      outbound_deny: number;
      confidential: number;
      daily_tokens?: number | null;
      problems: components["schemas"]["FileProblem"][];
    };
    Contexts: {
      contexts: components["schemas"]["ContextSummary"][];
      problems: components["schemas"]["FileProblem"][];
    };
    ListEntry: {
      term?: string | null;
      pattern?: string | null;
      pack?: string | null;
      action?: string | null;
      note?: string | null;
      rule?: string | null;
    };
    ContextDetail: {
      summary: components["schemas"]["ContextSummary"];
      yaml: string;
      etag: string;
      outbound_deny: components["schemas"]["ListEntry"][];
      confidential: components["schemas"]["ListEntry"][];
    };
    ContextChange: {
      yaml?: string | null;
      outbound_deny?: components["schemas"]["ListEntry"][] | null;
      confidential?: components["schemas"]["ListEntry"][] | null;
      etag?: string | null;
    };
    EtagQuery: {
      etag: string;
    };
    ContextWritten: {
      etag: string;
    };
    FirewallTest: {
      context?: string | null;
      text: string;
    };
    FirewallVerdict: {
      context: string;
      verdict: string;
      violations: components["schemas"]["FirewallViolation"][];
    };
    FirewallViolation: {
      rule: string;
      start: number;
      end: number;
      action: string;
      effect: string;
      evasion?: string | null;
      place?: string | null;
    };
    BudgetState: {
      context: string;
      limit?: number | null;
      used: number;
      reserved: number;
      remaining?: number | null;
      resets_at: string;
    };
    Budgets: {
      budgets: components["schemas"]["BudgetState"][];
    };
    UsageQuery: {
      context?: string | null;
      since?: string | null;
      until?: string | null;
    };
    UsageRow: {
      day: string;
      context: string;
      model: string;
      provider: string;
      client: string;
      calls: number;
      input: number;
      output: number;
      cache_read: number;
      cache_write: number;
      expired: number;
      estimated_calls: number;
    };
    UsageHistory: {
      rows: components["schemas"]["UsageRow"][];
    };
    AuditQuery: {
      context?: string | null;
      verdict?: string | null;
      rule?: string | null;
      client?: string | null;
      kind?: string | null;
      since?: string | null;
      cursor?: string | null;
      limit?: number | null;
    };
    CallUsage: {
      input: number;
      output: number;
      cache_read: number;
      cache_write: number;
      estimated: boolean;
    };
    AuditRecord: {
      seq: number;
      time: string;
      kind: string;
      request_id: string;
      context: string;
      client: string;
      face: string;
      provider: string;
      model: string;
      status?: number | null;
      verdict: string;
      outcome: string;
      code?: string | null;
      rules: string[];
      uninspected: string[];
      usage?: components["schemas"]["CallUsage"] | null;
      reserved?: number | null;
      ms: number;
      ttft_ms?: number | null;
      bytes_in: number;
      bytes_out: number;
      detail?: string | null;
    };
    AuditPage: {
      records: components["schemas"]["AuditRecord"][];
      next?: string | null;
    };
    KeyInfo: {
      id: string;
      context?: string | null;
      client: string;
      created: string;
      last_used?: string | null;
    };
    Keys: {
      keys: components["schemas"]["KeyInfo"][];
    };
    KeyRequest: {
      context?: string | null;
      client: string;
    };
    NewKey: {
      id: string;
      key: string;
    };
    ProviderInfo: {
      id: string;
      api: string;
      base_url?: string | null;
      key: string;
      key_name?: string | null;
      key_writable: boolean;
      demo: boolean;
    };
    Providers: {
      providers: components["schemas"]["ProviderInfo"][];
    };
    ProviderKey: {
      key: string;
    };
    ProviderTest: {
      ok: boolean;
      message: string;
      ms: number;
      models?: number | null;
    };
    AdminProblem: {
      error: components["schemas"]["AdminError"];
    };
    AdminError: {
      code: string;
      message: string;
      hint?: string | null;
      problems: components["schemas"]["FileProblem"][];
    };
    Event:
      | { type: "call"; record: components["schemas"]["AuditRecord"] }
      | { type: "config"; active?: string | null; problems: number }
      | { type: "health"; health: components["schemas"]["Health"]; shield: components["schemas"]["Shield"] }
      | { type: "budget"; budget: components["schemas"]["BudgetState"]; percent: number }
      | { type: "lagged" };
  };
}
