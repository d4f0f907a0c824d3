import type { HouseEvent } from "$lib/api";
import type { Transport } from "./feed";

/** Whether this page runs in the desktop window. */
export function inDesktop(): boolean {
  return "__TAURI_INTERNALS__" in window;
}

/** Lets zOS try once more to listen. Whether it does now. Only in the desktop window. */
export async function listenAgain(): Promise<boolean> {
  return (await window.__TAURI__?.core.invoke("listen_again")) === true;
}

/**
 * Events through a Tauri channel: answers through the custom scheme are buffered, so a streamed
 * answer would never arrive. The command `events` resolves once the channel is subscribed; the
 * channel itself lives as long as the window.
 */
export function desktopTransport(): Transport {
  return {
    async run(listener, signal) {
      const core = window.__TAURI__?.core;
      if (!core) throw new Error("withGlobalTauri is off");
      const channel = new core.Channel<HouseEvent | string>();
      channel.onmessage = (message) =>
        listener.event(typeof message === "string" ? (JSON.parse(message) as HouseEvent) : message);
      await core.invoke("events", { channel });
      listener.opened();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  };
}
