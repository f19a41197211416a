"""An embedder that calls any OpenAI-compatible `/embeddings` endpoint; knows no documents."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from indexes.dense.base import Vectors
from indexes.errors import EmbedderFailed

if TYPE_CHECKING:
    from openai import OpenAI

PREFIX = "openai:"
_BATCH = 128
_BATCH_CHARS = 400_000
_RETRIES = 8
"""Rate limits are counted per minute; the pauses between this many attempts add up to about a minute."""
_QUERY_RETRIES = 2
"""Fewer, since somebody waits for the answer."""
_TIMEOUT_S = 60.0
_PLACEHOLDER_CHARS = 3
"""A key of so few characters is a placeholder, and may be a word of the message."""


class OpenAIEmbedder:
    """A remote model. If `base_url` or `api_key` is None, the openai package uses its own default."""

    def __init__(self, model: str, *, base_url: str | None = None, api_key: str | None = None) -> None:
        self._model = model
        self._base_url = base_url
        self._api_key = api_key
        self._dimension = 0
        self._client: OpenAI | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The name that `--embedder` takes: `openai:MODEL`."""
        return PREFIX + self._model

    @property
    def dimension(self) -> int:
        """Length of a vector; the first access calls the endpoint. Raises: `EmbedderFailed`."""
        if not self._dimension:
            self._request(["dimension"], _QUERY_RETRIES)
        return self._dimension

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimension), rows L2-normalised; blank texts are zero rows.

        Raises: `EmbedderFailed`.
        """
        return self._embed(texts, _RETRIES)

    def embed_query(self, text: str) -> Vectors:
        """Return float32 (dimension,), L2-normalised, or zero. Raises: `EmbedderFailed`."""
        vector: Vectors = self._embed([text], _QUERY_RETRIES)[0]
        return vector

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _embed(self, texts: Sequence[str], retries: int) -> Vectors:
        known = [i for i, text in enumerate(texts) if text.strip()]
        batches = [self._request([texts[i] for i in batch], retries) for batch in _batches(texts, known)]
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        if batches:
            vectors[known] = np.concatenate(batches)
        return vectors

    def _request(self, texts: list[str], retries: int) -> Vectors:
        import openai  # noqa: PLC0415  # a second to import, only where it is used

        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        try:
            answer = (
                self._connected()
                .with_options(max_retries=retries)
                .embeddings.create(model=self._model, input=clean, encoding_format="float")
            )
            rows = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
            vectors = np.array(rows, np.float32)
        except openai.APIStatusError as exc:
            # Not chained, since the library's error holds the headers of the request.
            raise EmbedderFailed(self.name, f"{self._where()} refused: {self._one_line(exc)}") from None
        except openai.APIConnectionError:
            raise EmbedderFailed(
                self.name, f"{self._where()} cannot be reached. Check OPENAI_BASE_URL and that it runs."
            ) from None
        except openai.OpenAIError as exc:
            raise EmbedderFailed(self.name, self._one_line(exc)) from None
        except (TypeError, ValueError, AttributeError) as exc:
            raise EmbedderFailed(
                self.name, f"{self._where()} answered with something that is not an embedding."
            ) from exc
        if vectors.ndim != 2 or len(vectors) != len(texts) or self._dimension not in {0, vectors.shape[1]}:  # noqa: PLR2004  # rows and columns
            raise EmbedderFailed(
                self.name, f"{self._where()} answered {len(texts)} texts with shape {vectors.shape}."
            )
        self._dimension = vectors.shape[1]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return unit

    def _connected(self) -> OpenAI:
        from openai import OpenAI  # noqa: PLC0415

        with self._lock:
            if self._client is None:
                self._client = OpenAI(base_url=self._base_url, api_key=self._api_key, timeout=_TIMEOUT_S)
            return self._client

    def _where(self) -> str:
        """Return the endpoint's URL without credentials and query string."""
        if self._client is None:
            return "the endpoint"
        return str(self._client.base_url.copy_with(username=None, password=None, query=None))

    def _one_line(self, exc: Exception) -> str:
        """Return the words of an error without the key or the password, which an endpoint may repeat."""
        said = " ".join(str(exc).split())
        if self._client is not None:
            url = self._client.base_url
            encoded = b64encode(url.userinfo).decode().rstrip("=")
            for secret in (self._client.api_key, url.password, encoded):
                if len(secret) > _PLACEHOLDER_CHARS:
                    said = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", said)
        return said[:300]


def _batches(texts: Sequence[str], known: Sequence[int]) -> list[list[int]]:
    """Split `known`, indices of texts, into batches that an endpoint accepts in one request."""
    batches: list[list[int]] = []
    chars = 0
    for i in known:
        chars += len(texts[i])
        if not batches or len(batches[-1]) == _BATCH or chars > _BATCH_CHARS:
            batches.append([])
            chars = len(texts[i])
        batches[-1].append(i)
    return batches
