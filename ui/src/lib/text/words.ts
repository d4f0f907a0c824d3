/** The API's words as the screens say them. A word that is not here is shown as it came. */

export type Tone = "good" | "warn" | "bad" | "quiet" | "info";

export interface Word {
  label: string;
  tone: Tone;
}

function word(table: Record<string, Word>, key: string): Word {
  return table[key] ?? { label: key || "unknown", tone: "quiet" };
}

export const verdict = (key: string): Word =>
  word(
    {
      allow: { label: "Allowed", tone: "good" },
      warn: { label: "Warned", tone: "warn" },
      redact: { label: "Redacted", tone: "info" },
      ask: { label: "Asks", tone: "warn" },
      deny: { label: "Denied", tone: "bad" },
    },
    key,
  );

/** What happened to the call as a whole, beyond the firewall's verdict. */
export const outcome = (key: string): Word =>
  word(
    {
      completed: { label: "Completed", tone: "good" },
      refused: { label: "Refused", tone: "bad" },
      cut: { label: "Cut off", tone: "bad" },
      abandoned: { label: "Client left", tone: "quiet" },
      failed: { label: "Failed", tone: "warn" },
    },
    key,
  );

/** The same, where there is room for more. */
export const outcomeSentence = (key: string): string =>
  ({
    cut: "Cut off in the middle of the answer",
    abandoned: "The client left before the end",
    failed: "Failed at the provider",
    refused: "Refused by zOS",
  })[key] ?? outcome(key).label;

export const isolation = (key: string | null | undefined): string =>
  ({
    hard: "Hard: every doubt blocks the call",
    open: "Open: findings are reported, the call goes on",
  })[key ?? ""] ?? "Isolation not known: its file never loaded";

export const face = (key: string): string =>
  ({
    messages: "Anthropic messages",
    count_tokens: "Anthropic token count",
    chat_completions: "OpenAI chat",
    chat: "OpenAI chat",
    responses: "OpenAI responses",
    embeddings: "OpenAI embeddings",
    models: "Model list",
  })[key] ?? key;

export const recordKind = (key: string): string =>
  ({
    call: "Call",
    decision: "Your decision",
    key: "Key change",
    start: "zOS started",
    stop: "zOS stopped",
    gap: "Gap in the log",
    torn: "Torn line set aside",
  })[key] ?? key;

export const api = (key: string): string => ({ anthropic: "Anthropic API", openai: "OpenAI API" })[key] ?? key;

/** What the owner answered to an ask. */
export const decision = (key: string): Word =>
  word(
    {
      allow_once: { label: "Allowed once", tone: "warn" },
      redact: { label: "Redacted", tone: "info" },
      deny: { label: "Kept blocked", tone: "bad" },
      always: { label: "Always allowed", tone: "warn" },
    },
    key,
  );

/** Where a provider's key comes from. */
export function keySource(source: string, name: string | null | undefined): Word {
  const named = name ? ` (${name})` : "";
  return word(
    {
      keychain: { label: `Key in the keychain${named}`, tone: "good" },
      environment: { label: `Key from the environment${named}`, tone: "good" },
      none: { label: "Needs no key", tone: "quiet" },
      caller: { label: "The client's own sign-in", tone: "quiet" },
      command: { label: `Key printed by a command${named}`, tone: "good" },
      not_allowed: { label: `Its command waits for your yes${named}`, tone: "warn" },
      refused: { label: `Its command is not run${named}`, tone: "bad" },
      failed: { label: `Its command failed${named}`, tone: "bad" },
      unavailable: { label: `The keychain does not answer${named}`, tone: "warn" },
      missing: { label: `No key found${named}`, tone: "warn" },
    },
    source,
  );
}

/** Where a memory comes from. */
export const memorySource = (key: string): string =>
  ({ user: "from you", tool: "from a tool", model: "from a model", import: "imported" })[key] ?? key;

/** What was noticed about a proposed memory. */
export const memoryFlag = (key: string): Word =>
  word(
    {
      firewall: { label: "Holds what a rule denies", tone: "bad" },
      secret: { label: "Looks like a secret", tone: "bad" },
      hidden_unicode: { label: "Hidden characters", tone: "bad" },
      instruction: { label: "Reads like an instruction", tone: "warn" },
      duplicate: { label: "Said already", tone: "quiet" },
      contradiction: { label: "Contradicts another", tone: "warn" },
    },
    key,
  );
