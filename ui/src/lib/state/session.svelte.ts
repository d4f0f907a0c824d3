import { inDesktop } from "$lib/live/desktop";

const STORED_AS = "zos.admin-token";

/**
 * Who is at the screen. In the desktop window nobody needs to prove anything; in a browser the
 * admin token is kept for this tab only (`sessionStorage`), never in an address or a cookie.
 */
export class Session {
  #token = $state.raw<string | null>(null);
  /** Whether the token that was in use has been refused. */
  wasRefused = $state(false);
  readonly desktop: boolean;

  constructor() {
    this.desktop = typeof window !== "undefined" && inDesktop();
    if (!this.desktop) this.#token = stored();
  }

  get isOpen(): boolean {
    return this.desktop || this.#token !== null;
  }

  token(): string | null {
    return this.#token;
  }

  open(token: string): void {
    this.#token = token;
    this.wasRefused = false;
    try {
      sessionStorage.setItem(STORED_AS, token);
    } catch {
      // Storage is switched off: the token lasts as long as the page.
    }
  }

  close(): void {
    this.#token = null;
    try {
      sessionStorage.removeItem(STORED_AS);
    } catch {
      // Nothing was stored.
    }
  }

  /** The API refused the token. */
  refused(): void {
    if (this.desktop || this.#token === null) return;
    this.close();
    this.wasRefused = true;
  }

  /** Takes `#token=…` out of the address, before anything can keep the address. Whether there was one. */
  takeFromAddress(): boolean {
    const found = /^#\/?token=([^&]+)$/.exec(location.hash)?.[1];
    if (found === undefined) return false;
    history.replaceState(history.state, "", `${location.pathname}${location.search}#/`);
    if (!this.desktop) this.open(decodeURIComponent(found));
    return true;
  }
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}
