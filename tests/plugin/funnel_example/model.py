"""`example:*`: a model that repeats the first sentence of what it is asked."""

from __future__ import annotations

from funnel import CallOptions, Completion, Request


class ExampleModel:
    """A model needs a name, `complete` and `close`. This one counts four characters as a token."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Repeat the first sentence of the last message, as far as the limit of tokens allows."""
        text = request.messages[-1].content.partition(".")[0][: 4 * request.max_output_tokens]
        read = sum(len(message.content) for message in request.messages)
        return Completion(text, self.name, input_tokens=read // 4 + 1, output_tokens=len(text) // 4)

    async def close(self) -> None:
        """There is nothing to close."""
