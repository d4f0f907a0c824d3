import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

/** What crashes the desktop window: WebKitGTK dies when such a body goes through a custom scheme. */
const crashing = ["FormData", "Blob", "File", "FileReader"].map((name) => ({
  name,
  message: "Requests carry strings only: this crashes the desktop window (see README).",
}));

export default ts.config(
  { ignores: ["dist/", ".svelte-kit/", "node_modules/", "src/lib/api/schema.d.ts"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    rules: {
      "no-undef": "off", // TypeScript knows better.
      "no-restricted-globals": ["error", ...crashing],
      "no-restricted-syntax": [
        "error",
        { selector: "CallExpression[callee.name='fetch']", message: "Go through $lib/api/client." },
      ],
      "svelte/no-at-html-tags": "error",
      "svelte/no-navigation-without-resolve": "off", // The router's addresses are `#/…` everywhere.
      "svelte/require-each-key": "error",
    },
  },
  { files: ["src/lib/api/client.ts", "tests/**"], rules: { "no-restricted-syntax": "off" } },
);
