import type { FileProblem } from "./types";

/**
 * A call to the admin API that did not succeed, in words a person can act on.
 *
 * Match on `code` (or `status`), never on `message`. Codes that begin with `ui_` are made here,
 * for failures that never reached zOS; all others are the API's own.
 */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";

  constructor(
    /** HTTP status; 0 when there was no answer. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null = null,
    /** Findings in the file that was sent. */
    readonly problems: FileProblem[] = [],
  ) {
    super(message);
  }

  /** No answer came at all. */
  static unreachable(): ApiFailure {
    return new ApiFailure(0, "ui_unreachable", "zOS does not answer.", "Check that zOS is running, then try again.");
  }

  /** An answer came that is not the admin API's. */
  static garbled(status: number): ApiFailure {
    return new ApiFailure(
      status,
      "ui_garbled",
      `The answer (status ${status}) is not one that zOS gives.`,
      "Another program may be answering at this address.",
    );
  }

  /** Reads a refusal's body. */
  static read(status: number, body: unknown): ApiFailure {
    const error = field(body, "error");
    const code = field(error, "code");
    const message = field(error, "message");
    if (typeof code !== "string" || typeof message !== "string") return ApiFailure.garbled(status);
    const hint = field(error, "hint");
    const problems = field(error, "problems");
    return new ApiFailure(
      status,
      code,
      message,
      typeof hint === "string" ? hint : null,
      Array.isArray(problems) ? (problems as FileProblem[]) : [],
    );
  }

  /** Makes any thrown value one of these. */
  static from(thrown: unknown): ApiFailure {
    return thrown instanceof ApiFailure ? thrown : ApiFailure.unreachable();
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
