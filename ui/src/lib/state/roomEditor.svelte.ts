import { ApiFailure, type Client, type ContextDetail } from "$lib/api";
import { ListDraft } from "./listDraft.svelte";

/**
 * One room while it is edited, either by its lists or as a file; never both at once, as each
 * would undo the other. Nothing is overwritten that the person has not been told about: a file
 * that changed on disk meanwhile becomes `theirs` and waits for a choice.
 */
export class RoomEditor {
  detail = $state.raw<ContextDetail | null>(null);
  failure = $state.raw<ApiFailure | null>(null);
  /** The file as it is on disk now, while that is not what the edits began from. */
  theirs = $state.raw<ContextDetail | null>(null);
  /** Why the last save was refused. */
  refusal = $state.raw<ApiFailure | null>(null);
  isSaving = $state(false);
  yaml = $state("");
  readonly denied = new ListDraft();
  readonly confidential = new ListDraft();
  /** Its file is being removed, or is: there is nothing to look after any more. */
  #isRemoved = false;

  constructor(
    private readonly client: Client,
    readonly name: string,
  ) {}

  readonly listsDirty: boolean = $derived(this.denied.isDirty || this.confidential.isDirty);
  readonly yamlDirty: boolean = $derived(this.detail !== null && this.yaml !== this.detail.yaml);
  readonly isDirty: boolean = $derived(this.listsDirty || this.yamlDirty);
  readonly hasFaults: boolean = $derived(this.denied.faults.size + this.confidential.faults.size > 0);

  get state(): "waiting" | "failed" | "ready" {
    if (this.detail !== null) return "ready";
    return this.failure === null ? "waiting" : "failed";
  }

  /** Loads the room, or looks whether it changed on disk; edits are kept. */
  load = async (): Promise<void> => {
    if (this.#isRemoved) return;
    try {
      const detail = await this.#fetch();
      this.failure = null;
      if (this.isSaving) return;
      if (!this.isDirty || this.detail === null) this.#take(detail);
      else if (detail.etag !== this.detail.etag) this.theirs = detail;
    } catch (thrown) {
      this.failure = ApiFailure.from(thrown);
    }
  };

  retry = (): void => {
    this.failure = null;
    void this.load();
  };

  /** Writes the lists that were edited; everything else in the file stays. Whether it was written. */
  saveLists(): Promise<boolean> {
    return this.#save({
      outbound_deny: this.denied.isDirty ? this.denied.entries : undefined,
      confidential: this.confidential.isDirty ? this.confidential.entries : undefined,
    });
  }

  /** Writes the file as it was edited. Whether it was written. */
  saveYaml(): Promise<boolean> {
    return this.#save({ yaml: this.yaml });
  }

  /** Removes the file, in the version that was seen. Throws an `ApiFailure`. */
  async remove(): Promise<void> {
    const query = { etag: this.detail?.etag ?? "" };
    this.#isRemoved = true;
    try {
      await this.client.delete("/zos/v1/contexts/{name}", { at: { name: this.name }, query });
    } catch (thrown) {
      this.#isRemoved = false;
      throw thrown;
    }
    this.revert();
  }

  revert = (): void => {
    if (this.detail) this.#take(this.detail);
  };

  /** The choice "load theirs": edits are gone. */
  loadTheirs = (): void => {
    if (this.theirs) this.#take(this.theirs);
  };

  /** The choice "keep editing": the next save goes on top of what is on disk now. */
  keepMine = (): void => {
    const { theirs, detail } = this;
    if (!theirs || !detail) return;
    this.theirs = null;
    this.refusal = null;
    const untouched = !this.yamlDirty;
    // A list that was not edited follows the file.
    if (this.denied.isDirty) this.denied.rebase(theirs.outbound_deny);
    else this.denied.reset(theirs.outbound_deny);
    if (this.confidential.isDirty) this.confidential.rebase(theirs.confidential);
    else this.confidential.reset(theirs.confidential);
    this.detail = theirs;
    if (untouched) this.yaml = theirs.yaml;
  };

  #take(detail: ContextDetail): void {
    this.detail = detail;
    this.yaml = detail.yaml;
    this.denied.reset(detail.outbound_deny);
    this.confidential.reset(detail.confidential);
    this.theirs = null;
    this.refusal = null;
  }

  #fetch(): Promise<ContextDetail> {
    return this.client.get("/zos/v1/contexts/{name}", { at: { name: this.name } });
  }

  async #save(change: {
    yaml?: string;
    outbound_deny?: ContextDetail["outbound_deny"];
    confidential?: ContextDetail["confidential"];
  }): Promise<boolean> {
    if (!this.detail || this.isSaving) return false;
    this.isSaving = true;
    this.refusal = null;
    try {
      const at = { name: this.name };
      await this.client.put("/zos/v1/contexts/{name}", { ...change, etag: this.detail.etag }, { at });
      this.#take(await this.#fetch());
      return true;
    } catch (thrown) {
      const refusal = ApiFailure.from(thrown);
      if (refusal.status === 409) this.theirs = await this.#fetch().catch(() => null);
      // When their version cannot be had, the refusal itself is all there is to show.
      if (this.theirs === null) this.refusal = refusal;
      return false;
    } finally {
      this.isSaving = false;
    }
  }
}
