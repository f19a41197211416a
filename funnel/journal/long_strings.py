"""The long strings of a run's results, each stored once under its hash; knows no journal and no memory."""

from __future__ import annotations

import json
from typing import Any

from funnel.trace.folding import Texts, unfold

TEXT = "text/"
"""What the keys of long strings begin with."""


class LongStrings:
    """Folds results, whose long strings become references, and unfolds those of earlier attempts."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._folds = Texts()
        self.pending: dict[str, bytes] = {}
        """Strings that are to be written with the next entries, by key."""

    def load(self, key: str, stored: bytes) -> None:
        """Take a string that an earlier attempt stored."""
        name = key.removeprefix(TEXT)
        self._texts[name] = json.loads(stored)
        self._folds.know(name)

    def fold(self, result: Any) -> tuple[Any, dict[str, bytes]]:
        """Return the result with references, and the strings that are not stored yet, by key."""
        folded, new = self._folds.fold(result)
        return folded, {TEXT + name: json.dumps(text).encode() for name, text in new.items()}

    def forget(self, new: dict[str, bytes]) -> None:
        """Forget strings that `fold` returned and that will not be stored."""
        self._folds.forget(key.removeprefix(TEXT) for key in new)

    def unfold(self, result: Any) -> Any:
        """Return the result that an earlier attempt folded."""
        return unfold(result, self._texts)

    def take_pending(self) -> dict[str, bytes]:
        """Return what is to be written, and no longer count it as pending."""
        taken, self.pending = self.pending, {}
        return taken
