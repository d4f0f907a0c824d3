import { ApiFailure, type Client, type ContextDetail } from "$lib/api";
import { expect, it } from "vitest";
import { RoomEditor } from "./roomEditor.svelte";

/** A file that answers as the API does. */
class Disk {
  etag = 1;
  terms = ["Falcon"];
  refuse: ApiFailure | null = null;
  written: unknown[] = [];

  detail(): ContextDetail {
    return {
      summary: { name: "acme", title: "Acme", state: "live", active: false, builtin: false, outbound_deny: 0, confidential: 0, problems: [] },
      yaml: `outbound_deny: [${this.terms.join(", ")}]\n`,
      etag: String(this.etag),
      outbound_deny: this.terms.map((term) => ({ term })),
      confidential: [],
    };
  }

  change(...terms: string[]): void {
    this.terms = terms;
    this.etag += 1;
  }

  client(): Client {
    return {
      get: async () => this.detail(),
      put: async (_path: string, change: { etag: string; outbound_deny?: { term: string }[] }) => {
        this.written.push(change);
        if (this.refuse) throw this.refuse;
        if (change.etag !== String(this.etag)) throw new ApiFailure(409, "zos_conflict", "changed");
        this.change(...(change.outbound_deny ?? []).map(({ term }) => term));
        return { etag: String(this.etag) };
      },
    } as unknown as Client;
  }
}

async function open(disk: Disk) {
  const room = new RoomEditor(disk.client(), "acme");
  await room.load();
  return room;
}

it("sends only the list that was edited, with the digest it began from", async () => {
  const disk = new Disk();
  const room = await open(disk);
  room.denied.add("term", "Eagle");
  expect(await room.saveLists()).toBe(true);
  expect(disk.written).toEqual([
    { outbound_deny: [{ term: "Falcon" }, { term: "Eagle" }], confidential: undefined, etag: "1" },
  ]);
  expect(room.isDirty).toBe(false);
  expect(room.yaml).toContain("Eagle");
});

it("takes a change on disk silently while nothing is edited", async () => {
  const disk = new Disk();
  const room = await open(disk);
  disk.change("Heron");
  await room.load();
  expect(room.denied.entries).toEqual([{ term: "Heron" }]);
  expect(room.theirs).toBeNull();
});

it("never overwrites a change that was not seen: asks, and can load theirs", async () => {
  const disk = new Disk();
  const room = await open(disk);
  room.denied.add("term", "Eagle");
  disk.change("Heron");
  expect(await room.saveLists()).toBe(false);
  expect(disk.terms).toEqual(["Heron"]);
  expect(room.theirs?.etag).toBe("2");
  room.loadTheirs();
  expect(room.denied.entries).toEqual([{ term: "Heron" }]);
  expect(room.isDirty).toBe(false);
});

it("can keep the edits, which then go on top of theirs", async () => {
  const disk = new Disk();
  const room = await open(disk);
  room.denied.add("term", "Eagle");
  disk.change("Heron");
  await room.load();
  expect(room.theirs).not.toBeNull();
  room.keepMine();
  expect(room.isDirty).toBe(true);
  expect(room.yamlDirty).toBe(false);
  expect(await room.saveLists()).toBe(true);
  expect(disk.terms).toEqual(["Falcon", "Eagle"]);
});

it("keeps edits and shows the findings when a save is refused", async () => {
  const disk = new Disk();
  const room = await open(disk);
  room.yaml = "isolation: bad";
  const problem = { severity: "error", file: "contexts/acme.yml", line: 1, column: 12, message: "m", fix: "n" };
  disk.refuse = new ApiFailure(422, "zos_invalid_context", "not valid", null, [problem]);
  expect(await room.saveYaml()).toBe(false);
  expect(room.yaml).toBe("isolation: bad");
  expect(room.refusal?.problems).toEqual([problem]);
  expect(room.isSaving).toBe(false);
});
