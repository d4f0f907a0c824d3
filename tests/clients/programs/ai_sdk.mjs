// Vercel's AI SDK, streamed, with a tool: `ai_sdk.mjs chat|responses|messages`.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { BASE, KEY, MODEL, PROMPT } = process.env;
const reach = { baseURL: BASE + "/v1", apiKey: KEY, headers: JSON.parse(process.env.HEADERS) };

function model(api) {
  if (api === "messages") return createAnthropic(reach)(MODEL);
  const openai = createOpenAI(reach);
  return api === "chat" ? openai.chat(MODEL) : openai.responses(MODEL);
}

const result = streamText({
  model: model(process.argv[2]),
  prompt: PROMPT,
  stopWhen: stepCountIs(4),
  tools: {
    get_weather: tool({
      description: "The weather of a city",
      inputSchema: z.object({ city: z.string() }),
      execute: async () => "tool-ran-" + 6 * 7,
    }),
  },
  onError: ({ error }) => {
    console.error(error?.message ?? JSON.stringify(error));
    process.exitCode = 1;
  },
});
for await (const text of result.textStream) process.stdout.write(text);
