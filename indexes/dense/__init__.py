"""Embedders, vector engines and the retriever over them; this file holds the registry of embedders."""

from __future__ import annotations

from collections.abc import Callable

from indexes.dense.base import Embedder
from indexes.errors import UnknownName
from indexes.plugins import BuiltIn, Registry

_TRANSFORMERS = "sentence-transformers"

EMBEDDERS: Registry[Callable[[str], Embedder]] = Registry(
    "embedder",
    group="indexes.embedder",
    built_in={
        "latent": BuiltIn("indexes.dense.embedders.latent:open_latent"),
        "openai": BuiltIn("indexes.dense.embedders.openai:OpenAIEmbedder"),
        _TRANSFORMERS: BuiltIn("indexes.dense.embedders.sentence_transformers:SentenceTransformersEmbedder"),
    },
)
"""Maps a kind to a function or class that takes a model's name, which is empty if none was given.

`embedder` must accept the embedder's own `name`: a collection records it and is opened with it.
"""

_FORMS = ("latent", "openai:MODEL", "a sentence-transformers name or path")


def embedder(name: str) -> Embedder:
    """Return the embedder that `--embedder NAME` means; pretrained models are loaded on first use.

    A name is KIND:MODEL, the name of a kind without models, or the name of a sentence-transformers model.

    Raises: `UnknownName`, `MissingExtra`; `PlugInFailed` if a plug-in cannot be loaded.
    """
    kind, colon, model = name.partition(":")
    # A colon after one letter is a Windows drive.
    if colon and len(kind) > 1:
        if kind == "latent" or not model or kind not in EMBEDDERS:
            raise _unknown(name)
        return EMBEDDERS.get(kind)(model)
    if not name.strip():
        raise _unknown(name)
    if name == "latent" or name in EMBEDDERS.plug_ins():
        return EMBEDDERS.get(name)("")
    return EMBEDDERS.get(_TRANSFORMERS)(name)


def _unknown(name: str) -> UnknownName:
    return UnknownName("embedder", name, [*_FORMS, *EMBEDDERS.plug_ins()])
