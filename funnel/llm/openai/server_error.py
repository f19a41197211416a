"""Reads an error object in any of the shapes that servers give it: its words, its codes, its status."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

MESSAGE_CHARS = 4_000
MAX_DEPTH = 12
"""How deep errors are unpacked: a gateway wraps the error of a gateway that wraps the provider's."""
LONGEST_READ = 20_000

INSIDE = (
    "error",
    "errors",
    "detail",
    "details",
    "message",
    "msg",
    "metadata",
    "raw",
    "response",
    "body",
    "base_resp",
)
"""Members that may hold the error proper: an object, a list of objects, or JSON in a string."""
WORDS = ("error_message", "error_msg", "error_description", "status_msg", "reason", "title")
CODES = (
    "code", "error_code", "status", "status_code", "statusCode", "http_status", "__type", "type",
    "error_type",
)  # fmt: skip
"""In the order of how much they tell; `type` is often `invalid_request_error` whatever happened."""
QUOTED_STATUS = re.compile(
    r"\b(?:error code|status code|http(?: status)?|http/[\d.]+)[: ]+([45]\d\d)\b", re.IGNORECASE
)
QUOTED_CODE = re.compile(r"['\"](?:code|type|status)['\"]: ?['\"]([\w.\- ]{1,60})['\"]")
TITLE = re.compile(r"<title[^<>]{0,100}>([^<]{1,200})</title", re.IGNORECASE)
VAGUE = re.compile(
    r"provider returned (?:an )?error|upstream error|errors?|(?:bad|invalid) request|internal server error",
    re.IGNORECASE,
)
"""Words of a gateway that tell nothing if there are others inside."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """What an error object says.

    `status`: the HTTP status that it states, if any. `codes`: its codes and types, the innermost and most
    telling first. `param`: the parameter that it names. `fields`: its numbers, such as `n_ctx`.
    """

    message: str = ""
    status: int | None = None
    codes: tuple[str, ...] = ()
    param: str = ""
    fields: Mapping[str, int] = field(default_factory=dict)


ERROR_FIELDS = ("errors", "detail", "statusCode", "error_code", "error_msg", "error_message")
"""Members of a reply that only an error has."""
NOTHING = ServerError()
"""What a server stated that was not reached."""


def stated_error(reply: Mapping[str, Any]) -> Any:
    """Return the error that a reply, or a piece of one, states; None if it states none."""
    error = reply.get("error")
    if error:
        return reply if error is True else error
    if reply.get("choices"):
        return None
    failed = reply.get("base_resp")
    code = failed.get("status_code") if isinstance(failed, Mapping) else None
    is_error = (
        code not in {None, 0}
        or "error" in {reply.get("object"), reply.get("type")}
        or any(reply.get(name) for name in ERROR_FIELDS)
        or reply.get("success") is False
        or (isinstance(reply.get("msg"), str) and _http_status(reply.get("code")) is not None)
        or ("choices" not in reply and isinstance(reply.get("message"), str) and reply["message"])
    )
    return reply if is_error else None


def server_error(body: object) -> ServerError:
    """Read the body of an error, or the error object of a reply. Of a page of HTML only the title counts."""
    texts: list[str] = []
    statuses: list[int] = []
    codes: list[str] = []
    params: list[str] = []
    fields: dict[str, int] = {}
    for layer in _layers(body, MAX_DEPTH):
        if isinstance(layer, str):
            texts.append(layer)
            statuses += [int(found) for found in QUOTED_STATUS.findall(layer)]
            codes = [*QUOTED_CODE.findall(layer), *codes]
            continue
        stated = [(name, layer[name]) for name in CODES if name in layer]
        statuses += [number for _, value in reversed(stated) if (number := _http_status(value)) is not None]
        codes = [*(value for _, value in stated if isinstance(value, str) and value), *codes]
        params += _param(layer)
        fields |= {name: value for name, value in layer.items() if _is_number(value)}
    param = params[-1] if params else ""
    message = _joined(texts) or (" ".join(str(body).split()) if body and isinstance(body, Mapping) else "")
    if param and param not in message:
        message = f"{message} ({param})".lstrip()
    return ServerError(
        message=message[:MESSAGE_CHARS].rstrip(". "),
        status=statuses[-1] if statuses else None,
        codes=tuple(codes),
        param=param,
        fields=fields,
    )


def _layers(found: object, depth: int) -> Iterator[Mapping[str, Any] | str]:
    """Yield the objects and texts of an error, from the outside to the inside."""
    if depth == 0:
        return
    if isinstance(found, list):
        for item in found[:3]:
            yield from _layers(item, depth - 1)
    elif isinstance(found, Mapping):
        yield found
        inside = [name for name in INSIDE if name in found]
        for name in inside:
            yield from _layers(found[name], depth - 1)
        if not any(isinstance(found[name], str) and found[name] for name in inside):
            yield from (found[name] for name in WORDS if isinstance(found.get(name), str) and found[name])
    elif isinstance(found, str):
        yield from _in_text(found[:LONGEST_READ].strip(), depth)


def _in_text(text: str, depth: int) -> Iterator[Mapping[str, Any] | str]:
    """Yield the text, or what is before JSON in it and the object."""
    if not text or text.startswith("<"):
        if title := TITLE.search(text):
            yield f"a page titled {' '.join(html.unescape(title.group(1)).split())!r}"
        return
    start = text.find("{")
    if start >= 0:
        with suppress(ValueError, RecursionError):
            inner, _ = json.JSONDecoder().raw_decode(text, start)
            if before := text[:start].strip(" -:"):
                yield before
            yield from _layers(inner, depth - 1)
            return
    yield text


def _joined(texts: list[str]) -> str:
    """Return the texts on one line, without those that only repeat or tell nothing."""
    lines = list(dict.fromkeys(" ".join(text.split()) for text in texts))
    telling = [line for line in lines if VAGUE.fullmatch(line.rstrip(". ")) is None] or lines
    kept = [line for line in telling if not any(line != other and line in other for other in telling)]
    return ": ".join(line.rstrip(":. ") for line in kept)


def _param(layer: Mapping[str, Any]) -> list[str]:
    """Return the parameter that an object names: OpenAI's `param`, or the last step of pydantic's `loc`."""
    if isinstance(layer.get("param"), str):
        return [layer["param"]]
    where = layer.get("loc")
    if isinstance(where, list):
        return [step for step in where if isinstance(step, str) and step != "body"][:1]
    return []


def _http_status(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) == len("429"):
        value = int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else None  # noqa: PLR2004 - errors of HTTP


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
