"""A model with a small window behind a `ChatServer`: counts tokens, and refuses as the servers do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chat_server import Reply

Body = Mapping[str, Any]


def _error(status: int, message: str, **more: Any) -> Reply:
    return Reply(status=status, body={"error": {"message": message, "type": "BadRequestError", **more}})


def vllm(window: int, prompt: int, asked: int) -> Reply:
    """vLLM until 0.9."""
    return _error(
        400,
        f"This model's maximum context length is {window} tokens. However, you requested {prompt + asked} "
        f"tokens ({prompt} in the messages, {asked} in the completion). Please reduce the length of the "
        "messages or completion.",
        param=None,
        code=400,
    )


def vllm_new(window: int, prompt: int, asked: int) -> Reply:
    """vLLM from 0.9 on."""
    if prompt < window:
        return _error(
            400,
            f"'max_tokens' or 'max_completion_tokens' is too large: {asked}. This model's maximum context "
            f"length is {window} tokens and your request has {prompt} input tokens ({asked} > {window} - "
            f"{prompt}). (parameter=max_tokens, value={asked})",
            param="max_tokens",
            code=400,
        )
    return _error(
        400,
        f"This model's maximum context length is {window} tokens. However, your request has {prompt} input "
        f"tokens. Please reduce the length of the input messages. (parameter=input_tokens, value={prompt})",
        param="input_tokens",
        code=400,
    )


def vllm_latest(window: int, prompt: int, asked: int) -> Reply:
    """vLLM that stops counting a prompt when it is sure."""
    counted = 1 if asked >= window else min(prompt, window + 1 - asked)
    return _error(
        400,
        f"This model's maximum context length is {window} tokens. However, you requested {asked} output "
        f"tokens and your prompt contains at least {counted} input tokens, for a total of at least "
        f"{counted + asked} tokens. Please reduce the length of the input prompt or the number of requested "
        "output tokens.",
        param="input_tokens",
        code=400,
    )


def openai(window: int, prompt: int, asked: int) -> Reply:
    """OpenAI."""
    return _error(
        400,
        f"This model's maximum context length is {window} tokens. However, you requested {prompt + asked} "
        f"tokens ({prompt} in the messages, {asked} in the completion). Please reduce the length of the "
        "messages or completion.",
        type="invalid_request_error",
        param="messages",
        code="context_length_exceeded",
    )


def wordless(_window: int, _prompt: int, _asked: int) -> Reply:
    """A gateway that tells no numbers."""
    return _error(400, "The request exceeds the context window of this model.")


def llama_cpp(window: int, prompt: int, _asked: int) -> Reply:
    """llama.cpp, which refuses the prompt alone."""
    return _error(
        400,
        "the request exceeds the available context size, try increasing it",
        code=400,
        type="exceed_context_size_error",
        n_prompt_tokens=prompt,
        n_ctx=window,
    )


class NarrowModel:
    """Give it to a server as its `default`. `says`: the text of a reply to a prompt that fits.

    A token is `bytes_per_token` bytes. `refuse` words a refusal of window, prompt and output asked for; if it
    is None, a long prompt is cut without a word, as Ollama does.
    """

    def __init__(
        self,
        says: Callable[[Body], str],
        *,
        window: int = 10**9,
        refuse: Callable[[int, int, int], Reply] | None = vllm,
        most_output: int | None = None,
        bytes_per_token: float = 4.2,
    ) -> None:
        self.says = says
        self.window = window
        self.refuse = refuse
        self.most_output = most_output
        self.bytes_per_token = bytes_per_token
        self.refused = 0
        self.taken: list[tuple[int, int]] = []

    def __call__(self, body: Body) -> Reply:
        asked = body.get("max_tokens") or body.get("max_completion_tokens") or 16
        if self.most_output is not None and asked > self.most_output:
            self.refused += 1
            return _error(
                400,
                f"max_tokens is too large: {asked}. This model supports at most {self.most_output} "
                f"completion tokens, whereas you provided {asked}.",
                type="invalid_request_error",
                param="max_tokens",
                code="invalid_value",
            )
        prompt = self.count(body)
        beside = 0 if self.refuse is llama_cpp else asked
        if prompt + beside > self.window:
            if self.refuse is not None:
                self.refused += 1
                return self.refuse(self.window, prompt, asked)
            prompt = min(prompt, self.window)
        self.taken.append((prompt, asked))
        text = self.says(body)[: int(asked * self.bytes_per_token)]
        return Reply(text, usage=(prompt, max(1, int(len(text) / self.bytes_per_token))))

    def count(self, body: Body) -> int:
        """How many tokens the prompt has."""
        return sum(4 + int(len(m["content"].encode()) / self.bytes_per_token) for m in body["messages"])
