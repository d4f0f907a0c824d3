"""Plays governed chats over a real local model, for a person to watch."""

import sys
import time

import openai
import stage


def chat(client, text, stream=False):
    return client.chat.completions.create(
        model="local/gemma", temperature=0, max_tokens=24, stream=stream, messages=[{"role": "user", "content": text}]
    )


def main():
    with stage.llama() as model_url, stage.zos(model_url) as (url, home):
        free = openai.OpenAI(base_url=f"{url}/rooms/birds/v1", api_key="zos", max_retries=0)
        acme = openai.OpenAI(base_url=f"{url}/rooms/acme/v1", api_key="zos", max_retries=0)
        print(f"\nzOS on {url}, in front of a llama.cpp server. The room acme denies the word {stage.DENIED!r}.")

        begun = time.monotonic()
        answer = chat(free, stage.QUESTION)
        took = time.monotonic() - begun
        print(f"\n1. The room birds, plain: {stage.QUESTION}\n   {answer.choices[0].message.content!r}")
        print(f"   {answer.usage.prompt_tokens} + {answer.usage.completion_tokens} tokens in {took:.1f} s")

        print(f"\n2. The room acme, streamed: {stage.HARMLESS}\n   ", end="")
        for chunk in chat(acme, stage.HARMLESS, stream=True):
            print(chunk.choices[0].delta.content or "", end="", flush=True)

        print(f"\n\n3. The room acme, streamed, where the model says the word by itself: {stage.QUESTION}\n   ", end="")
        for chunk in chat(acme, stage.QUESTION, stream=True):
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        print(f"\n   cut: finish_reason is {chunk.choices[0].finish_reason}")

        print(f"\n4. The room acme, where the caller says it: Tell me about the {stage.DENIED}.")
        try:
            chat(acme, f"Tell me about the {stage.DENIED}.")
            sys.exit("the word went out")
        except openai.PermissionDeniedError as refusal:
            print(f"   {refusal.status_code} {refusal.code}")

        print("\nThe records, which hold no word of it:")
        for segment in sorted((home / "gateway" / "audit").glob("*.jsonl")):
            print("   " + segment.read_text().replace("\n", "\n   "))


main()
