import adapter from "@sveltejs/adapter-static";
import { readFileSync } from "node:fs";
import { makeRelative } from "./scripts/relative-page.mjs";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

const toFiles = adapter({ pages: "dist", assets: "dist", strict: true });

/**
 * One page, relative addresses and a hash router: the same files work in the desktop
 * window (`zos://localhost/zos/`), on the listener (`http://127.0.0.1:8788/zos/`) and anywhere else.
 *
 * @type {import("@sveltejs/kit").Config}
 */
export default {
  compilerOptions: { runes: true },
  kit: {
    adapter: {
      name: "zos-page",
      async adapt(builder) {
        await toFiles.adapt(builder);
        makeRelative("dist/index.html");
      },
    },
    router: { type: "hash" },
    paths: { relative: true },
    // One script and one style sheet: a window that is rebuilt on every opening loads two files.
    output: { bundleStrategy: "single" },
    // A fixed name, so that the same sources give the same files.
    version: { name: version },
    csp: {
      // The start-up script stands in the page; its hash goes into the page's <meta>.
      mode: "hash",
      directives: {
        "default-src": ["self"],
        "script-src": ["self"],
        "style-src": ["self"],
        // SvelteKit's announcer carries one fixed inline style; it is allowed by its digest alone.
        "style-src-attr": ["unsafe-hashes", "sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo="],
        "img-src": ["self"],
        "font-src": ["none"],
        "object-src": ["none"],
        "base-uri": ["none"],
        "form-action": ["none"],
        // The last two are Tauri's own way from the page to the desktop (live events).
        "connect-src": ["self", "ipc:", "http://ipc.localhost"],
      },
    },
  },
};
