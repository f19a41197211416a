"""Puts a reply together from the pieces of a stream, or from one body; tolerant of all but the words; no I/O.

A field of another type than documented, or null, counts as not given: bookkeeping never costs an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from funnel.llm.base import MAX_REPLY_CHARS, Completion, Request, estimated_tokens
from funnel.llm.openai.server_error import stated_error
from funnel.llm.openai.usage import Stated, stated

THOUGHTS_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")
"""The names under which servers send thoughts beside the text; some send both, with the same words."""
THOUGHT_PARTS = ("thinking", "reasoning", "thought")
FINISHED = {
    **dict.fromkeys(("eos", "eos_token", "end_turn", "stop_sequence", "complete", "finish"), "stop"),
    **dict.fromkeys(("max_tokens", "max_output_tokens", "model_length", "token_limit"), "length"),
}
"""OpenAI's names of the reasons that other servers word in their own way."""
FAILED = frozenset({"abort", "aborted", "error", "network_error"})
"""Reasons that are none: the server broke off."""
MAX_REASON_CHARS = 40


class ReplyBuilder:
    """What has come of one reply so far."""

    def __init__(self) -> None:
        self.error: Any = None
        """What the server says went wrong."""
        self.began = False
        """Whether a first word, or a first thought, has come."""
        self.names_choices = False
        """Whether it has the form of a completion, be it without a choice."""
        self.has_choices = False
        self.finish_reason = ""
        self.text_chars = 0
        self.thought_chars = 0
        self.cut = ""
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._refusal: list[str] = []
        self._usage = Stated()
        self._model = ""
        self._tier = ""

    def add_words(self, words: str) -> None:
        """Take words that came in plain pieces."""
        self._text.append(words)
        self.text_chars += len(words)
        self.names_choices = self.has_choices = self.began = True

    def add(self, piece: Mapping[str, Any]) -> tuple[str, str]:
        """Take a piece of a stream, or a whole body; return its words and its thoughts."""
        if (error := stated_error(piece)) is not None:
            self.error = error
            return "", ""
        self.book(piece)
        choices = piece.get("choices")
        self.names_choices = self.names_choices or "choices" in piece
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or _is_another(choice.get("index")):
            return "", ""
        self.has_choices = True
        reason = choice.get("finish_reason")
        if (error := choice.get("error")) or _finish_reason(reason) in FAILED:
            self.error = error or f"the reply ended with finish_reason {reason!r}"
            return "", ""
        if reason is not None:
            self.finish_reason = _finish_reason(reason)
        return self._said(choice)

    def book(self, piece: Mapping[str, Any]) -> None:
        """Take what a piece says of the call: its usage, model and tier."""
        usage = piece.get("usage")
        if usage is None and isinstance(groq := piece.get("x_groq"), dict):
            usage = groq.get("usage")
        if usage is not None and (found := stated(usage)).anything:
            self._usage = found
        if isinstance(model := piece.get("model"), str):
            self._model = model
        if isinstance(tier := piece.get("service_tier"), str):
            self._tier = tier

    def _said(self, choice: Mapping[str, Any]) -> tuple[str, str]:
        said, whole = choice.get("delta"), False
        if not isinstance(said, (dict, str)) or not said:
            said, whole = choice.get("message"), True
        if isinstance(said, str):
            said = {"content": said}
        if not isinstance(said, dict):
            said = {"content": choice.get("text")}
        words, thoughts = _content(said.get("content"))
        thoughts += next((found for name in THOUGHTS_FIELDS if (found := _plain(said.get(name)))), "")
        refusal = said.get("refusal")
        if isinstance(refusal, str):
            self._refusal.append(refusal)
        if whole and self._text and words:
            # Some servers repeat the whole message at the end of a stream.
            self._text, self._thoughts = [words], [thoughts] if thoughts else self._thoughts
            return "", ""
        self._text.append(words)
        self._thoughts.append(thoughts)
        self.text_chars += len(words)
        self.thought_chars += len(thoughts)
        self.began = self.began or bool(words or thoughts)
        return words, thoughts

    def completion(self, request: Request, model: str) -> Completion:
        """Return the reply. Tokens that the endpoint does not state are estimated from above.

        Of a reply that was cut, the endpoint may have written more than has come, up to all that it was asked
        for.
        """
        text, thoughts = _sound("".join(self._text)), _sound("".join(self._thoughts))
        if self.cut == "size":
            text = text[:MAX_REPLY_CHARS]
        refusal = "".join(self._refusal)
        given, produced = self._usage.input_tokens, self._usage.output_tokens
        if produced == 0 and (text or thoughts):
            produced = None
        least = request.max_output_tokens if self.cut else 0
        is_estimated = given is None or produced is None
        reason = "length" if self.cut else self.finish_reason or "stop"
        return Completion(
            text=text or refusal,
            model=self._model or model,
            input_tokens=request.estimated_input_tokens() if given is None else given,
            output_tokens=max(least, estimated_tokens(text + thoughts)) if produced is None else produced,
            finish_reason="refusal" if refusal else reason,
            estimated=is_estimated,
            thoughts=thoughts,
            cached_input_tokens=self._usage.cached_tokens,
            cache_written_tokens=self._usage.written_tokens,
            tier=self._tier,
            cut=self.cut,
        )


def _is_another(index: Any) -> bool:
    """Whether it is the index of a further choice; only one is asked for."""
    return isinstance(index, int) and index > 0


def plain_words(piece: Any) -> str | None:
    """Return the words of a piece that brings nothing else, as most do; None if there is more to it."""
    try:
        (choice,) = piece["choices"]
        delta = choice["delta"]
        words = delta["content"]
        is_plain = (
            len(delta) == 1
            and words.__class__ is str
            and choice["finish_reason"] is None
            and choice["index"] == 0
            and piece.get("usage") is None
            and "error" not in piece
        )
    except (KeyError, TypeError, ValueError):
        return None
    return words if is_plain else None


def _finish_reason(reason: Any) -> str:
    """Return the reason as OpenAI would word it, whatever its type."""
    if isinstance(reason, dict):
        reason = reason.get("type") or reason.get("reason") or "stop"
    if isinstance(reason, list):
        reason = reason[0] if reason else "stop"
    if not isinstance(reason, str):
        return "stop"
    name = reason.strip().lower()[:MAX_REASON_CHARS]
    return FINISHED.get(name, name)


def _content(content: Any) -> tuple[str, str]:
    """Return the words and the thoughts of a content: a text, parts of one, or null."""
    if content is None or content.__class__ is str:
        return content or "", ""
    if isinstance(content, list):
        pairs = [_content(part) for part in content]
        return "".join(words for words, _ in pairs), "".join(thoughts for _, thoughts in pairs)
    return _part(content) if isinstance(content, dict) else (str(content), "")


def _part(content: Mapping[str, Any]) -> tuple[str, str]:
    """Return the words and the thoughts of one part of a content."""
    kind = content.get("type")
    if isinstance(kind, str):
        thoughts = next((found for name in THOUGHT_PARTS if (found := _plain(content.get(name)))), "")
        text = _plain(content.get("text"))
        return ("", thoughts or text) if kind in THOUGHT_PARTS else (text, "")
    if content.keys() == {"text"}:
        return _plain(content["text"]), ""
    # The server has read the JSON that the model wrote, and sends its value.
    return json.dumps(content, ensure_ascii=False), ""


def _plain(value: Any) -> str:
    """Return a text, or the texts of parts; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_plain(part.get("text") if isinstance(part, dict) else part) for part in value)
    return _plain(value.get("value") or value.get("content")) if isinstance(value, dict) else ""


def _sound(text: str) -> str:
    """Return the text with surrogate pairs joined that came in two pieces; half a pair is replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
