"""Recognises that a request did not fit into a model's window, from a server's words; does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CODES = re.compile(
    r"context_length_exceeded|exceed_context_size|context_window|model_max_prompt_tokens|string_above_max",
    re.IGNORECASE,
)
"""Codes and types that say it, whatever the message."""

SAID = re.compile(
    r"""maximum\ (?:context|model|prompt|input|sequence)\ length
    | maximum\ allowed\ (?:input|prompt)\ length
    | context\ (?:length|window|limit|size)\ of\ (?:only\ )?\d
    | (?:exceed\w*|longer\ than|larger\ than|greater\ than|overflow\w*|beyond|fit\ (?:in|into|within)|
         too\ (?:long|large)\ for)\b .{0,60}? \b(?:context|n_ctx|max_seq_len|model\ token\ limit)
    | \bcontext\b .{0,20}? \b(?:overflow|exceed)
    | context\ length\ is\ only
    | (?:prompt|input)(?:\ length)?\ (?:is|was)\ too\ long
    | (?:prompt|input)(?:\ \w+)?\ (?:\(?(?:length\ )?\d+\)?\ )?exceeds\ (?:the\ )?max
    | (?:input|prompt)\ token\ count .{0,20} exceeds
    | too\ many\ (?:input\ )?tokens(?!\ per|,\ please\ wait)
    | `?inputs`?\ (?:tokens\ \+\ `?max_new_tokens`?\ must\ be|must\ have\ less\ than)
    | input\ tokens\ exceed
    | range\ of\ input\ length\ should\ be
    | tokens\ to\ keep\ from\ the\ initial\ prompt\ is\ greater
    | reduce\ (?:the\ length\ of\ )?(?:the\ )?(?:messages|prompt|your\ prompt|input)
    | request\ too\ large\ for\b .{0,200} \blimit
    | cannot\ truncate\ to\ \d
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)

_N = r"(\d[\d,_]*)"
WINDOW = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_N} (?:tokens )?maximum context length",
        rf"exceed context limit: [\d,_]+ \+ [\d,_]+ > {_N}",
        rf"context (?:length|window|limit|size)[^\d.]{{0,30}}{_N}",
        rf"(?:maximum|max) (?:context|model|prompt|input|sequence) (?:length|tokens)[^\d.]{{0,30}}{_N}",
        rf"[\d,_]+ tokens? > {_N} maximum",
        rf"`?max_new_tokens`? must be <= {_N}",
        rf"must have less than {_N} tokens",
        rf"maximum number of tokens allowed \(?{_N}",
        rf"(?:max_model_len|max_seq_len|n_ctx|token limit:|configured limit of|limit(?: is| of|:)?) *{_N}",
        rf"cannot exceed {_N}",
        rf"length should be \[\d+, ?{_N}",
        rf"cannot truncate to {_N}",
    )
)
PROMPT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_N} (?:tokens )?(?:in|from|of) (?:the |your )?(?:input )?(?:messages|prompt|text input|input)\b",
        rf"(?:passed|has|have|contains|given:|resulted in|received) {_N} (?:`?(?:inputs?|prompt)`? )?tokens",
        rf"{_N} input tokens",
        rf"prompt is too long: {_N}",
        rf"exceed context limit: {_N} \+",
        rf"\b(?:request|input|prompt|tokens|count|length) \((?:total )?(?:length )?{_N}(?: tokens)?\)",
        rf"prompt length:? {_N}|(?:current length is|token count:?|token count of|keep the first) {_N}",
        rf"(?:given|requested|received):? {_N}|truncate to \d+, required {_N}",
    )
)
_LIMIT = r"max_(?:completion_|output_)?tokens"
_UPPER_END = r"(?:no more than|at most|less than or equal to|<=|exceed|(?:with)?in (?:the range )?\[\d+,)"
OUTPUT = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"at most {_N} (?:completion|output) tokens",
        rf"> {_N}, which is the maximum allowed number of output tokens",
        rf"{_LIMIT}[`'\"]? (?:must|should|has to|cannot|may not) (?:be )?{_UPPER_END} *`?{_N}",
        rf"range of max_(?:completion_)?tokens should be \[\d+, ?{_N}",
        rf"(?:maximum|max) (?:allowed )?(?:number of )?(?:output|completion) tokens[^\d.]{{0,30}}{_N}",
    )
)
OUTPUT_BELOW = re.compile(
    rf"max_?output_?tokens.{{0,80}}\(inclusive\) to {_N} \(exclusive\)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Overflow:
    """A request that did not fit. The numbers are what the server said; None where it said nothing.

    `window_tokens`: what prompt and output may have together. `prompt_tokens`: what the prompt had.
    `max_output_tokens`: the most output that the model allows in any reply.
    """

    window_tokens: int | None = None
    prompt_tokens: int | None = None
    max_output_tokens: int | None = None


def overflow(message: str, *, codes: Sequence[str] = (), numbers: Mapping[str, object]) -> Overflow | None:
    """Return how a request did not fit, or None if the message says no such thing.

    `numbers`: further fields of the error object; llama.cpp states `n_ctx` and `n_prompt_tokens` there.
    """
    most = _number(OUTPUT, message)
    if most is None and (below := OUTPUT_BELOW.search(message)):
        most = int(re.sub(r"\D", "", below.group(1))) - 1
    if most is None and SAID.search(message) is None and not any(CODES.search(code) for code in codes):
        return None
    if most is not None:
        return Overflow(max_output_tokens=most)
    window, prompt = numbers.get("n_ctx"), numbers.get("n_prompt_tokens")
    return Overflow(
        window if isinstance(window, int) else _number(WINDOW, message),
        prompt if isinstance(prompt, int) else _number(PROMPT, message),
    )


def _number(patterns: Sequence[re.Pattern[str]], message: str) -> int | None:
    """Return the number that the first fitting pattern finds."""
    for pattern in patterns:
        if found := pattern.search(message):
            digits = next(group for group in found.groups() if group)
            return int(re.sub(r"\D", "", digits))
    return None
