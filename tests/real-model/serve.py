"""llama.cpp's OpenAI-style server, with a chat format of which the results of tools are a part.

Its own format for tools leaves out what they answered, so that the model never sees it. Here a result is
something that the user says. All else is the server's own.

    serve.py CONFIG_FILE
"""

import sys

from llama_cpp import llama_chat_format
from llama_cpp.server import __main__ as server


@llama_chat_format.register_chat_completion_handler("tools")
def tools(*, messages, **options):
    told = [
        {"role": "user", "content": f"The tool answered: {message['content']}"} if message["role"] == "tool" else message
        for message in messages
    ]
    return llama_chat_format.chatml_function_calling(messages=told, **options)


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "--config_file", sys.argv[1]]
    server.main()
