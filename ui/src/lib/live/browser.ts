import type { Client, HouseEvent } from "$lib/api";
import type { Transport } from "./feed";
import { SseParser } from "./sse";

/**
 * Events over a streamed answer. Not `EventSource`: it cannot send the token in a header, and a
 * token in an address would end up in histories and logs.
 */
export function browserTransport(client: Client): Transport {
  return {
    async run(listener, signal) {
      const answer = await client.stream(signal);
      if (!answer.body) return;
      listener.opened();
      const parser = new SseParser();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        for (const data of parser.push(value)) listener.event(JSON.parse(data) as HouseEvent);
      }
    },
  };
}
