/** What the desktop window puts into its page (Tauri, `withGlobalTauri`). Absent in a browser. */
interface TauriChannel<T> {
  onmessage: (message: T) => void;
}

interface TauriCore {
  Channel: new <T>() => TauriChannel<T>;
  invoke: (command: string, args?: Record<string, unknown>) => Promise<unknown>;
}

interface Window {
  __TAURI__?: { core: TauriCore };
  __TAURI_INTERNALS__?: unknown;
}
