"""What the user adds to the requests for a model: members of the body, headers; knows which are secret."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from funnel.errors import BadSetting
from funnel.llm.openai.redaction import HIDDEN
from funnel.settings import check_members
from indexes.fingerprint import fingerprint

SENSITIVE = re.compile(
    r"(?:^|[-_.])(?:api[-_]?keys?|keys?|token|secret|password|passwd|pwd|auth|authorization|authentication"
    r"|credentials?|cookie|session|signature|sig|bearer|code)$",
    re.IGNORECASE,
)
"""Names of headers, members and query parameters whose values are secret."""
NO_SECRET = re.compile(r"(?:^|[-_.])(?:eos|bos|pad|stop|sep|cache)[-_.](?:token|key)$", re.IGNORECASE)
RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/_\-]{20,}={0,2}")
"""A value that looks like a key is taken for one, whatever its name."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Extras:
    """Members and headers for each request. A member that is None is left out of the request instead."""

    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, model: str, body: Mapping[str, Any], headers: Mapping[str, Any], *, models: Collection[str] = ()
    ) -> Extras:
        """Return what the settings add for one model.

        A setting may hold members for all models, and objects for one model under its name: one of `models`,
        or a name that no parameter has, because of its dash, dot, slash or colon.

        Raises: `BadSetting` if an object for the model holds what has a setting of its own.
        """
        named = {name for name in body if isinstance(body[name], Mapping) and _is_model(name, models)}
        common = {name: value for name, value in body.items() if name not in named}
        own = dict(body[model]) if model in named else {}
        try:
            check_members(own)
        except ValueError as exc:
            raise BadSetting("FUNNEL_EXTRA_BODY", f"{exc}.") from None
        shared = {name: value for name, value in headers.items() if isinstance(value, str)}
        return cls({**common, **own}, {**shared, **_own(headers, model)})

    @property
    def secrets(self) -> Iterator[str]:
        """The values that no output may show."""
        yield from _secrets(self.headers)
        yield from _secrets(self.body)

    @property
    def fingerprint(self) -> str:
        """What tells these apart from others in the key of a cached answer; it depends on no secret."""
        if not self.body and not self.headers:
            return ""
        headers = {name.casefold(): value for name, value in self.headers.items()}
        return fingerprint(json.dumps([_public(self.body), _public(headers)], sort_keys=True))


def _own(headers: Mapping[str, Any], model: str) -> Mapping[str, str]:
    own = headers.get(model)
    return own if isinstance(own, Mapping) else {}


def _is_model(name: str, models: Collection[str]) -> bool:
    return name in models or not name.isidentifier()


def is_sensitive(name: str) -> bool:
    """Whether a header, member or query parameter of that name holds a secret."""
    name = _CAMEL.sub("_", name)
    return SENSITIVE.search(name) is not None and NO_SECRET.search(name) is None


def is_secret(name: str, value: str) -> bool:
    """Whether this value must not be shown: because of its name, or because it looks like a key."""
    return is_sensitive(name) or RANDOM.fullmatch(value) is not None


def _secrets(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _secrets(value)
        elif isinstance(value, list):
            yield from _secrets({f"{i}_{name}": item for i, item in enumerate(value)})
        elif isinstance(value, str) and is_secret(name, value):
            yield value
            # `Bearer KEY`, `session=KEY; path=/`
            yield from (part for part in re.split(r"[\s;=]+", value) if RANDOM.fullmatch(part))
            yield value.split()[-1] if value.split() else ""


def _public(value: Any, name: str = "") -> Any:
    """Return a value without what its names call secret. What only looks like a key cannot be guessed."""
    if isinstance(value, Mapping):
        return {key: _public(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_public(inner, name) for inner in value]
    return HIDDEN if isinstance(value, str) and is_sensitive(name) else value
