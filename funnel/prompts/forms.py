"""Chooses the form of the prompts for each model: full, or simple for small models; calls no model."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Literal

Form = Literal["full", "simple"]

SMALL_BILLIONS = 8.0
"""Models with at most so many billion parameters get the simple form."""
SMALL_WINDOW_TOKENS = 8_000
"""Models with a smaller window get it too, since the full form would leave little room beside itself."""
STRIKES = 2
"""How many malformed replies in a row show that a model cannot keep to the full form."""
_LEAST_MILLIONS = 14
"""`1m` and `10m` in a name are windows; no chat model has so few parameters."""

_WORD = re.compile(r"[a-z0-9.]+")
_SIZE = re.compile(r"(?!a\d)[a-z]?(\d+(?:\.\d+)?)([bm])")
"""A number of parameters, such as `1.5b`, `135m` or `e4b`; in `30b-a3b` the second is only what is active."""
_SMALL = (
    "*smollm*", "*tinyllama*", "*phi-2*", "*phi[34][-:]mini*", "*phi-*-mini*",
    "*gemma-3n*", "*gemma3n*", "*nemotron-mini*", "*granite*-micro*", "*granite*-tiny*",
)  # fmt: skip
"""Small models whose names do not always tell their size."""
_SMALL_BY_DEFAULT = frozenset({
    "codegemma", "codellama", "deepseek-r1", "gemma", "gemma3", "granite3.3", "llama2", "llama3",
    "llama3.1", "llama3.2", "mistral", "phi", "phi3", "phi3.5", "qwen2", "qwen2.5", "qwen2.5-coder", "qwen3",
})  # fmt: skip
"""Names that Ollama takes for a model of at most 8 billion parameters if no tag says otherwise."""


class Forms:
    """The forms of the prompts, one object for all runs of a funnel, so that one run learns from another.

    `setting` "auto" decides by the name of a model, by its window, and by how its replies turn out.
    """

    def __init__(self, setting: Literal["auto", "full", "simple"] = "auto") -> None:
        self._setting = setting
        self._strikes: dict[str, int] = {}

    def form_for(self, model: str, window: int | None) -> Form:
        """Return the form of the prompts for a model. `window`: its tokens, None if they are unknown."""
        if self._setting != "auto":
            return self._setting
        narrow = window is not None and window < SMALL_WINDOW_TOKENS
        struck_out = self._strikes.get(model, 0) >= STRIKES
        return "simple" if narrow or struck_out or is_small(model) else "full"

    def malformed(self, model: str) -> None:
        """Count a reply that did not have the form that was asked for."""
        self._strikes[model] = self._strikes.get(model, 0) + 1

    def well_formed(self, model: str) -> None:
        """Forget earlier malformed replies of a model, unless they already gave it the simple form."""
        if self._strikes.get(model, 0) < STRIKES:
            self._strikes.pop(model, None)


def is_small(model: str) -> bool:
    """Return whether the name is that of a model with at most 8 billion parameters."""
    name = model.lower().rpartition("/")[2]
    sizes = [size for word in _WORD.findall(name) if (size := _billions(word))]
    if sizes:
        return max(sizes) <= SMALL_BILLIONS
    return name.removesuffix(":latest") in _SMALL_BY_DEFAULT or any(
        fnmatchcase(name, glob) for glob in _SMALL
    )


def _billions(word: str) -> float:
    """Return the parameters that a word of a name tells, in billions; 0 if it tells none."""
    size = _SIZE.fullmatch(word)
    if size is None:
        return 0.0
    number = float(size[1])
    if size[2] == "b":
        return number
    return number / 1_000 if number >= _LEAST_MILLIONS else 0.0
