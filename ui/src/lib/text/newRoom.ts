/** The file of a new room. After that, zOS alone changes files; the screens never take YAML apart. */

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** A name made from a title: `Ärzte & Co.` gives `arzte-co`. */
export function nameFrom(title: string): string {
  return title
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, 64)
    .replace(/-+$/, "");
}

/** What is wrong with a room's name; `null` when nothing is. */
export function nameFault(name: string, taken: readonly string[]): string | null {
  if (name === "") return "Give the room a name.";
  if (!NAME.test(name)) return "Small letters a to z, digits, - and _ only; at most 64; the first is a letter or digit.";
  return taken.includes(name) ? "There is a room of this name already." : null;
}

/** The text of the new file. A title is quoted the JSON way, which YAML reads the same. */
export function draftRoom(name: string, title: string, isolation: "hard" | "open"): string {
  const lines = [`name: ${JSON.stringify(name)}`];
  if (title.trim() !== "") lines.push(`title: ${JSON.stringify(title.trim())}`);
  lines.push(`isolation: ${isolation}`, "outbound_deny: []", "confidential: []");
  return `${lines.join("\n")}\n`;
}
