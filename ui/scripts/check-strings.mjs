// Looks for text that must not stand anywhere in the screens' sources, whatever the language
// around it: a net below the linter, which cannot see into every template.
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const forbidden = [
  [/\bFormData\b|\bnew Blob\b|\bnew File\b/, "bodies are strings only: others crash the desktop window"],
  [/\{@html/, "model output is text, never markup"],
  [/https?:\/\/(?!127\.0\.0\.1|localhost|ipc\.localhost|www\.w3\.org\/2000\/svg)/, "nothing is loaded from elsewhere"],
  [/\sstyle="/, "inline styles break the content security policy"],
  [/animation[^;]*\binfinite\b/, "an endless animation keeps the machine awake"],
];
const folders = ["src", "static"];
const skipped = new Set(["schema.d.ts"]);

const found = [];
for (const folder of folders) {
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || skipped.has(entry.name) || entry.name.includes(".test.")) continue;
    const path = join(entry.parentPath, entry.name);
    readFileSync(path, "utf8")
      .split("\n")
      .forEach((line, index) => {
        for (const [pattern, reason] of forbidden) {
          if (pattern.test(line)) found.push(`${relative(root, path)}:${index + 1}: ${reason}\n    ${line.trim()}`);
        }
      });
  }
}

const lock = readFileSync(join(root, "package-lock.json"), "utf8");
if (lock.includes('"resolved"')) found.push("package-lock.json: names a registry; install with ui/.npmrc in force");

if (found.length > 0) {
  console.error(found.join("\n"));
  process.exit(1);
}
