/**
 * Takes server-sent events apart, however the chunks fall. Only `data` is read: the admin API
 * says everything in it. Comments (pings) and other fields are skipped.
 */
export class SseParser {
  #rest = "";
  #data: string[] = [];

  /** Takes the next piece of text; gives the data of each event that is now whole. */
  push(text: string): string[] {
    // A CR may be the first half of a CRLF whose LF is still on its way: it waits.
    const held = this.#rest + text;
    const lines = held.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    const whole: string[] = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) whole.push(this.#data.join("\n"));
        this.#data = [];
      } else if (line === "data") {
        this.#data.push("");
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      }
    }
    return whole;
  }
}
