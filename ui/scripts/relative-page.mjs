import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

/**
 * Makes the addresses in the built page relative, so that it works below any path and scheme.
 *
 * SvelteKit does so for prerendered pages but not for the single page of the hash router. The
 * start-up script changes with it, and so does its digest in the page's content security policy.
 * Fails rather than guesses when the page does not look as expected.
 *
 * @param {string} path The built `index.html`.
 */
export function makeRelative(path) {
  const page = readFileSync(path, "utf8");
  const before = digestOf(startScript(page));
  if (!page.includes(before)) throw new Error(`${path}: its policy does not carry the digest of its script`);
  const relative = page.replaceAll(/(href=|src=|import\()"\/(?!\/)/g, '$1"./');
  if (relative === page) throw new Error(`${path}: no absolute address found`);
  writeFileSync(path, relative.replace(before, digestOf(startScript(relative))));
}

function startScript(page) {
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)];
  if (scripts.length !== 1) throw new Error(`expected one inline script, found ${scripts.length}`);
  return scripts[0][1];
}

function digestOf(text) {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
