"""Reads server-sent events from bytes as they come, and the JSON in them; knows no chat and does no I/O.

It is lenient where servers are careless: any line ending, data with or without a space before it, an event
over several lines or without an empty line after it, JSON without a field name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json


@dataclass(frozen=True, slots=True)
class Done:
    """The `[DONE]` that ends a stream of completions."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """The data of an event that is not JSON."""

    text: str


DONE = Done()
MAX_EVENT_BYTES = 4 * 2**20
"""No piece of a reply is as long; reading on would take longer with each byte."""
_BETWEEN = b"\n\n"
_BETWEEN_DATA = b"\n\ndata: "
_DONE_SPELLINGS = frozenset({b"[DONE]", b"DONE"})
_OPENS_JSON = frozenset({b"{", b"["})


class EventReader:
    """Turns the bytes of a body, in pieces cut anywhere, into what its events hold."""

    def __init__(self) -> None:
        self._rest = b""
        self._data = b""
        self._error = False

    def feed(self, data: bytes) -> list[Any]:
        """Return the JSON values, `Garbled` data and `DONE` that these bytes complete."""
        if not self._rest and not self._data and (found := _plain_events(data)) is not None:
            return found
        self._rest += data
        # The line feed that belongs to a carriage return may come with the next bytes.
        end = len(self._rest) - self._rest.endswith(b"\r")
        end = max(self._rest.rfind(b"\n", 0, end), self._rest.rfind(b"\r", 0, end)) + 1
        lines, self._rest = self._rest[:end].splitlines(), self._rest[end:]
        found = self._read(lines)
        if len(self._rest) + len(self._data) > MAX_EVENT_BYTES:
            found.append(Garbled("{… an event without end"))
        return found

    def finish(self) -> list[Any]:
        """Return what the end of the body completes."""
        lines, self._rest = [*self._rest.splitlines(), b""], b""
        return self._read(lines)

    def _read(self, lines: list[bytes]) -> list[Any]:
        found: list[Any] = []
        for line in lines:
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                while payload.startswith(b"data:"):
                    payload = payload[5:].strip()  # a gateway that wraps the lines of another
            elif line[:1] in _OPENS_JSON:
                payload = line.strip()
            else:
                if not line.strip():
                    self._end_event(found)
                elif line.startswith(b"event:"):
                    self._error = line[6:].strip().lower() == b"error"
                continue  # a comment, which keeps the connection alive, or a field of no interest
            if payload:
                self._take(payload, found)
        return found

    def _take(self, payload: bytes, found: list[Any]) -> None:
        """Take one line of data: a whole value, or a part of one that goes over several lines."""
        if not self._data and payload.strip(b'"').upper() in _DONE_SPELLINGS:
            found.append(DONE)
            return
        joined = b"%b\n%b" % (self._data, payload) if self._data else payload
        value = parsed(joined)
        if value is None:
            self._data = joined
        else:
            self._data = b""
            found.append({"error": value} if self._error and not _names_error(value) else value)

    def _end_event(self, found: list[Any]) -> None:
        if self._data:
            text = self._data.decode("utf-8", "replace")
            found.append({"error": text} if self._error else Garbled(text))
        self._data, self._error = b"", False


def _plain_events(data: bytes) -> list[Any] | None:
    """Return the values of whole events of one line each, read in one go; None if there is anything else."""
    if not (data.startswith(b"data: {") and data.endswith(_BETWEEN)):
        return None
    *payloads, last = data[6:-2].split(_BETWEEN_DATA)
    is_done = last == b"[DONE]"
    if not is_done:
        payloads.append(last)
    if data.count(b"\n") != 2 * (len(payloads) + is_done):
        return None
    try:
        found = from_json(b"[%b]" % b",".join(payloads))
    except ValueError:
        return None
    if len(found) != len(payloads):
        return None  # two values on one line
    if is_done:
        found.append(DONE)
    return cast("list[Any]", found)


def _names_error(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("error"))


def parsed(data: bytes) -> Any:
    """Return the JSON value in the data, None if there is none.

    Half a surrogate pair is no error, nor is a tab or a line end that a server did not escape.
    """
    try:
        return from_json(data)
    except ValueError:
        pass
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
