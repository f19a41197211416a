"""Embedders and the vector engine, one file each, and the registry of embedder names."""

from __future__ import annotations

from collections.abc import Callable

from indexes.dense.base import Embedder
from indexes.errors import UnknownName


def _latent(_name: str) -> Embedder:
    from indexes.dense.embedders.latent import LatentEmbedder  # noqa: PLC0415  # loaded only where it is used

    return LatentEmbedder()


def _openai(name: str) -> Embedder:
    from indexes.dense.embedders.openai import OpenAIEmbedder  # noqa: PLC0415  # loaded only where it is used

    return OpenAIEmbedder(name)


def _sentence_transformers(name: str) -> Embedder:
    from indexes.dense.embedders.sentence_transformers import SentenceTransformersEmbedder  # noqa: PLC0415  # loaded only where it is used

    return SentenceTransformersEmbedder(name)


EMBEDDERS: dict[str, Callable[[str], Embedder]] = {
    "latent": _latent,
    "openai": _openai,
    "sentence-transformers": _sentence_transformers,
}
"""Kind to a constructor that takes the model's name. A bare name or path is of kind sentence-transformers."""

_FORMS = ("latent", "openai:MODEL", "a sentence-transformers name or path")


def embedder(name: str) -> Embedder:
    """The embedder that `--embedder NAME` means; pretrained models are loaded on first use.

    Raises: `UnknownName`, `MissingExtra`.
    """
    kind, colon, model = name.partition(":")
    if name == "latent":
        return EMBEDDERS["latent"](name)
    # A colon after one letter is a Windows drive.
    if colon and len(kind) > 1:
        if kind not in EMBEDDERS or kind == "latent" or not model:
            raise UnknownName("embedder", name, _FORMS)
        return EMBEDDERS[kind](model)
    if not name.strip():
        raise UnknownName("embedder", name, _FORMS)
    return EMBEDDERS["sentence-transformers"](name)
