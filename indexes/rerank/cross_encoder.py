"""A reranker that uses any cross-encoder of sentence-transformers, in float32; knows no documents.

torch is imported when the first text is scored.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from indexes.errors import MissingExtra, RerankerFailed
from indexes.rerank.base import Scores

EXTRA = "transformers"
_BATCH = 16


class CrossEncoderReranker:
    """A pretrained cross-encoder with one output, by name or local path; loaded on first use. Thread-safe."""

    def __init__(self, name: str) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtra(f"The reranker {name!r}", EXTRA)
        self._name = name
        self._loaded: Any = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The name or path as given."""
        return self._name

    def scores(self, query: str, texts: Sequence[str]) -> Scores:
        """Return float32 (n_texts,): the sigmoid of the model's output for each pair of query and text.

        Raises: `RerankerFailed`.
        """
        if not texts:
            return np.empty(0, np.float32)
        # Tokenizers reject lone surrogates, and a tokenizer can serve only one thread at a time.
        pairs = [(_clean(query), _clean(text)) for text in texts]
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            import torch  # noqa: PLC0415  # loaded by now

            try:
                found = self._loaded.predict(
                    pairs, batch_size=_BATCH, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False
                )
            except (RuntimeError, ValueError, IndexError) as exc:
                raise RerankerFailed(self._name, _one_line(exc)) from exc
        scores: Scores = np.asarray(found, np.float32)
        if not np.isfinite(scores).all():
            raise RerankerFailed(self._name, "its scores are not finite numbers. Check its weights.")
        return scores

    def _load(self) -> Any:
        import torch  # noqa: PLC0415  # seconds and hundreds of MB, only where it is used
        from sentence_transformers import CrossEncoder  # noqa: PLC0415

        try:
            model = CrossEncoder(self._name, model_kwargs={"dtype": torch.float32})
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as exc:
            raise RerankerFailed(
                self._name, f"no cross-encoder to load ({_one_line(exc)}). Name a model or a local path."
            ) from exc
        labels = int(model.config.num_labels)
        if labels != 1:
            raise RerankerFailed(
                self._name, f"it gives {labels} outputs per pair. A reranker gives one, the relevance."
            )
        return model


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _one_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0][:200] if lines else type(exc).__name__
