"""LiteLLM as a client: it speaks the API of the vendor that stands before the model's name. Prints what it got, as JSON: see
../test_frameworks.py."""

import json
import sys

import litellm

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["city", "unit"],
        },
    },
}


def run(base, key, model):
    def ask(messages, **more):
        return litellm.completion(model=model, messages=messages, api_base=base, api_key=key, num_retries=0, **more)

    hello = [{"role": "user", "content": "Say hello in three words"}]
    question = [{"role": "user", "content": "What is the weather?"}]
    plain = ask(hello)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in ask(hello, stream=True) if chunk.choices)
    asked = ask(question, tools=[WEATHER]).choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "21 degrees"} for call in asked.tool_calls]
    final = ask([*question, asked.model_dump(exclude_none=True), *results], tools=[WEATHER])
    whole = litellm.stream_chunk_builder(list(ask(question, tools=[WEATHER], stream=True)))
    names = lambda calls: [sorted(json.loads(call.function.arguments)) for call in calls]
    return {
        "text": plain.choices[0].message.content,
        "usage": plain.usage.completion_tokens,
        "streamed": streamed,
        "calls": names(asked.tool_calls),
        "streamed_calls": names(whole.choices[0].message.tool_calls),
        "final": bool(final.choices[0].message.content),
    }


BASES = {"openai": "/v1", "anthropic": "", "gemini": ""}

if __name__ == "__main__":
    url, key, client, *models = sys.argv[1:]
    print(json.dumps({model: run(url + BASES[client], key, f"{client}/{model}") for model in models}))
