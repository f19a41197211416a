"""Loads JSON Lines, one record per line, plain or gzipped, as in BEIR corpora; knows no other format.

A record holds `_id` or `id`, `text`, and optionally `title`, `metadata`, `readers`, `url`.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError

from indexes.errors import BadFile
from indexes.loaders.decoding import encoding_of, undecodable, unreadable, with_newlines
from indexes.loaders.discovery import SourceFile
from indexes.types import MAX_ID_CHARS, Document, DocumentId, Metadata, Scalar

MAX_LINE_CHARS = 50_000_000
"""The length of a record. A few kilobytes of gzip can hold a line of gigabytes."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _none_is_empty(value: object) -> object:
    return "" if value is None else value


_Text = Annotated[str, BeforeValidator(_none_is_empty)]


class _Record(BaseModel):
    id: Annotated[
        str,
        BeforeValidator(_id),
        Field(min_length=1, max_length=MAX_ID_CHARS, validation_alias=AliasChoices("_id", "id")),
    ]
    text: str
    title: _Text = ""
    url: _Text = Field("", validation_alias=AliasChoices("url", "uri"))
    metadata: dict[str, Any] | None = None
    readers: list[str] | None = None


def read_records(source: SourceFile) -> Iterator[tuple[Document, int]]:
    """Yield each record with its line number (from 1). The text may be empty; blank lines are skipped.

    The file is read twice, so that a malformed line is found before the first record is yielded.

    Raises: `BadFile` with the line.
    """
    for _ in _records(source.path):
        pass
    for record, line in _records(source.path):
        yield _document(record, line, source), line


def _records(path: Path) -> Iterator[tuple[_Record, int]]:
    for text, line in _lines(path):
        try:
            yield _Record.model_validate(_json(text)), line
        except ValidationError as exc:
            raise BadFile(path, _explain(exc), line=line) from exc
        except (ValueError, RecursionError) as exc:
            reason = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
            raise BadFile(path, f"malformed JSON ({reason})", line=line) from exc


def _json(text: str) -> Any:
    value = json.loads(text)
    if "\\ud" in text.lower():
        # JSON can contain an escaped lone surrogate, which no encoding can store.
        return json.loads(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    return value


def _lines(path: Path) -> Iterator[tuple[str, int]]:
    line = 0
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as head:
            encoding = encoding_of(head.read(4))
        with opener(path, "rt", encoding=encoding) as file:
            while text := file.readline(MAX_LINE_CHARS + 1):
                line += 1
                if len(text) > MAX_LINE_CHARS:
                    raise BadFile(path, f"it has more than {MAX_LINE_CHARS:,} characters", line=line)
                if text.strip():
                    yield text, line
    except UnicodeDecodeError as exc:
        # The decoder reads ahead: the bad byte is this many lines into its current chunk.
        raise undecodable(path, exc, line=line + 1 + exc.object.count(b"\n", 0, exc.start)) from exc
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise BadFile(path, f"its gzip data is damaged ({exc})", line=line or None) from exc
    except OSError as exc:
        raise unreadable(path, exc) from exc


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"the record has no {'`_id` or `id`' if where in {'_id', 'id'} else f'`{where}`'}"
    if not where:
        return "the line is not a JSON object"
    return f"`{where}`: {first['msg'][0].lower()}{first['msg'][1:]}"


def _document(record: _Record, line: int, source: SourceFile) -> Document:
    return Document(
        id=DocumentId(record.id),
        text=with_newlines(record.text),
        title=" ".join(record.title.split()),
        uri=record.url or f"{source.uri}#L{line}",
        metadata=_metadata(record.metadata or {}),
        readers=frozenset(record.readers or ()),
    )


def _metadata(values: dict[str, Any]) -> Metadata:
    return {key: _metadata_value(value) for key, value in values.items()}


def _metadata_value(value: Any) -> Scalar | list[str]:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    # Metadata is flat; a nested value is kept as JSON text.
    return json.dumps(value, ensure_ascii=False)
