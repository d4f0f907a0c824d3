import { expect, it } from "vitest";
import { draftRoom, nameFault, nameFrom } from "./newRoom";

it.each([
  ["Acme Corp", "acme-corp"],
  ["Ärzte & Co.", "arzte-co"],
  ["  --x--  ", "x"],
  ["秘密", ""],
  ["a".repeat(80), "a".repeat(64)],
])("makes a name from %j", (title, expected) => {
  expect(nameFrom(title)).toBe(expected);
});

it("allows what a file name of a room may be, and nothing else", () => {
  for (const name of ["a", "0", "acme_corp-2", "a".repeat(64)]) expect(nameFault(name, [])).toBeNull();
  for (const name of ["", "Acme", "-a", "a/b", "../x", "a.b", "a".repeat(65)]) expect(nameFault(name, [])).not.toBeNull();
  expect(nameFault("acme", ["acme"])).toContain("already");
});

it("quotes what YAML would read as something else", () => {
  expect(draftRoom("no", 'Say "hi": # now', "hard")).toBe(
    'name: "no"\ntitle: "Say \\"hi\\": # now"\nisolation: hard\noutbound_deny: []\nconfidential: []\n',
  );
  expect(draftRoom("acme", " ", "open")).not.toContain("title");
});
