"""The settings, read from the environment and checked; knows no model, memory or sandbox."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from funnel.errors import BadSetting
from funnel.types import Tier

EXTRACTIVE = "extractive"
"""The built-in stand-in, which quotes sentences and calls no language model."""
DEFAULT_MODEL = "gpt-6.1-sol"
DEFAULT_SUB_MODEL = "gpt-6.1-terra"

OWN_SETTINGS = {
    "model": "FUNNEL_MODEL and FUNNEL_SUB_MODEL", "messages": "", "n": "", "service_tier": "FUNNEL_TIER",
    "max_tokens": "FUNNEL_MAX_OUTPUT_TOKENS", "max_completion_tokens": "FUNNEL_MAX_OUTPUT_TOKENS",
}  # fmt: skip
"""What FUNNEL_EXTRA_BODY cannot hold, since budgets and prices depend on it, and what sets it."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OUR_HEADERS = frozenset({"connection", "content-length", "content-type", "transfer-encoding"})

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


_FIELDS = {"model": "named_model", "sub_model": "named_sub_model"}
"""Fields behind a property of the plain name, which also has the default."""


_HIDDEN = frozenset({"extra_body", "extra_headers"})
"""Fields that may hold keys, so that an error says what is wrong with the value without repeating it."""


def check_key(key: str) -> str:
    """Return the key if an HTTP header can hold it. Raises: `ValueError`, which does not repeat the key."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("a key is printable ASCII without spaces")
    return key


def _check_secret(key: SecretStr) -> SecretStr:
    check_key(key.get_secret_value())
    return key


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    # Reading a port that is out of range raises ValueError, as urlsplit does for an unclosed bracket.
    sound = parts.hostname and parts.port != 0 and url.isprintable() and " " not in url
    if parts.scheme not in {"http", "https"} or not sound:
        raise ValueError("not an http(s) URL")
    return url


def _json_object(value: Any) -> Any:
    """Return the object that a JSON text holds. Raises: `ValueError`, which does not repeat the text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as exc:
            said = (
                f"{exc.msg}, character {exc.pos + 1}" if isinstance(exc, json.JSONDecodeError) else "no JSON"
            )
            raise ValueError(said) from None
    if not isinstance(value, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - pydantic translates only this one
    return value


def check_members(body: dict[str, Any]) -> dict[str, Any]:
    """Return members of a body if none has a setting of its own. Raises: `ValueError`."""
    for name, setting in OWN_SETTINGS.items():
        if name in body:
            raise ValueError(f"{name} is not set here" + (f" but by {setting}" if setting else ""))
    return body


def _check_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """Return the headers if HTTP can hold them. Raises: `ValueError`, which repeats no value."""
    for name, value in headers.items():
        if isinstance(value, dict):
            _check_headers(value)
        elif HEADER_NAME.fullmatch(name) is None or name.lower() in OUR_HEADERS:
            raise ValueError(f"{name[:40]!r} is no header that can be set")
        elif not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of {name[:40]!r} is no text of printable ASCII")
    return headers


def state_dir() -> Path:
    """Return the folder of traces and memory, unless a setting names another."""
    # By the rules of XDG a relative path is ignored.
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path.home() / ".local" / "state") / "funnel"


def _trace_dir() -> Path:
    return state_dir() / "traces"


def _memory() -> str:
    return f"sqlite:///{state_dir() / 'memory.sqlite'}"


class Settings(BaseSettings):
    """Every setting, from the environment or by keyword; an empty variable counts as unset.

    As keywords the models are `model` and `sub_model`: `Settings(model="qwen3-coder")`.

    Raises: `BadSetting`, which names the variable and what it must be, and never repeats a key.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="forbid", frozen=True,
        hide_input_in_errors=True, populate_by_name=True,
    )  # fmt: skip

    api_key: Annotated[SecretStr, AfterValidator(_check_secret)] | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="a key of printable ASCII without spaces"
    )
    base_url: Annotated[str, AfterValidator(_check_url)] | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="a URL such as http://localhost:11434/v1"
    )
    extra_body: Annotated[
        dict[str, Any], NoDecode, BeforeValidator(_json_object), AfterValidator(check_members)
    ] = Field(
        {},
        repr=False,
        validation_alias="FUNNEL_EXTRA_BODY",
        description='a JSON object such as {"reasoning_effort": "low"} or {"my-model": {"top_p": 0.9}}',
    )
    extra_headers: Annotated[
        dict[str, Any], NoDecode, BeforeValidator(_json_object), AfterValidator(_check_headers)
    ] = Field(
        {},
        repr=False,
        validation_alias="FUNNEL_EXTRA_HEADERS",
        description='a JSON object such as {"api-key": "..."} or {"my-model": {"api-key": "..."}}',
    )
    named_model: str | None = Field(None, validation_alias="FUNNEL_MODEL", description="the name of a model")
    named_sub_model: str | None = Field(
        None, validation_alias="FUNNEL_SUB_MODEL", description="the name of a model"
    )
    prices: dict[str, tuple[Dollars, Dollars] | tuple[Dollars, Dollars, Dollars]] = Field(
        {},
        validation_alias="FUNNEL_PRICES",
        description=(
            'JSON such as {"my-model": [0.25, 2.0]}: dollars per million input and output tokens, and a '
            "third number for cached input if it has a price of its own"
        ),
    )
    trace_dir: Path = Field(
        default_factory=_trace_dir, validation_alias="FUNNEL_TRACE_DIR", description="the path of a directory"
    )
    memory: str = Field(
        default_factory=_memory, validation_alias="FUNNEL_MEMORY", description="the URL of a memory"
    )
    keep_days: float = Field(
        7.0,
        gt=0,
        allow_inf_nan=False,
        validation_alias="FUNNEL_KEEP_DAYS",
        description="a number of days above 0",
    )
    prompt_form: Literal["auto", "full", "simple"] = Field(
        "auto", validation_alias="FUNNEL_PROMPT_FORM", description="auto, full or simple"
    )
    strict: bool = Field(False, validation_alias="FUNNEL_STRICT", description="1 or 0")
    learn: bool = Field(True, validation_alias="FUNNEL_LEARN", description="1 or 0")
    sandbox: str = Field("monty", validation_alias="FUNNEL_SANDBOX", description="the name of a sandbox")
    sandbox_memory_mb: int | None = Field(
        None,
        ge=1,
        validation_alias="FUNNEL_SANDBOX_MEMORY_MB",
        description="a whole number of megabytes, 1 or more",
    )
    otel: bool = Field(False, validation_alias="FUNNEL_OTEL", description="1 or 0")
    max_parallel: int = Field(
        16, ge=1, validation_alias="FUNNEL_MAX_PARALLEL", description="a whole number, 1 or more"
    )
    max_usd: Dollars | None = Field(
        None, validation_alias="FUNNEL_MAX_USD", description="a number of dollars, 0 or more"
    )
    max_usd_per_day: Dollars | None = Field(
        None, validation_alias="FUNNEL_MAX_USD_PER_DAY", description="a number of dollars, 0 or more"
    )
    max_stored_bytes: int = Field(
        100_000_000,
        ge=1,
        validation_alias="FUNNEL_MAX_STORED_BYTES",
        description="a whole number, 1 or more",
    )
    max_calls: int = Field(
        100, ge=1, validation_alias="FUNNEL_MAX_CALLS", description="a whole number, 1 or more"
    )
    timeout_s: float = Field(
        300.0,
        gt=0,
        allow_inf_nan=False,
        validation_alias="FUNNEL_TIMEOUT_S",
        description="a number of seconds above 0",
    )
    stall_s: float = Field(
        60.0,
        gt=0,
        allow_inf_nan=False,
        validation_alias="FUNNEL_STALL_S",
        description="a number of seconds above 0",
    )
    max_prompt_tokens: int = Field(
        32_000, ge=1, validation_alias="FUNNEL_MAX_PROMPT_TOKENS", description="a whole number, 1 or more"
    )
    tier: Tier = Field("standard", validation_alias="FUNNEL_TIER", description="standard, flex or priority")
    max_output_tokens: int | None = Field(
        None, ge=1, validation_alias="FUNNEL_MAX_OUTPUT_TOKENS", description="a whole number, 1 or more"
    )
    addenda: Path | None = Field(
        None, validation_alias="FUNNEL_ADDENDA", description="the path of a TOML file"
    )

    def __init__(self, **values: Any) -> None:
        values = {_FIELDS.get(name, name): value for name, value in values.items()}
        try:
            super().__init__(**values)
        except ValidationError as exc:
            # Not chained, since the input that pydantic keeps may include the key.
            raise _translated(exc, values) from None
        except SettingsError:
            # Only one field is decoded from JSON.
            raise _must_be("prices", os.environ.get("FUNNEL_PRICES")) from None

    def with_parts(self, *, model: str, sub_model: str, sandbox: str) -> Settings:
        """Return the same with these models and this sandbox, for a run that began with them."""
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return Settings(**{**kept, "named_model": model, "named_sub_model": sub_model, "sandbox": sandbox})

    def without_state(self, traces: Path) -> Settings:
        """Return the same without `state_dir`: the memory is in the process, and traces are in `traces`."""
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        return Settings(**{"memory": "memory://", "trace_dir": traces, **kept})

    @property
    def has_model(self) -> bool:
        """True if a language model is configured; otherwise `extractive` answers."""
        return self.model != EXTRACTIVE

    @property
    def model(self) -> str:
        """The root model: the one named, else `gpt-6.1-sol` if there is an endpoint, else `extractive`."""
        return self.named_model or (DEFAULT_MODEL if self._has_endpoint else EXTRACTIVE)

    @property
    def sub_model(self) -> str:
        """The model of sub-calls: the one named, else the named root model, else `gpt-6.1-terra`."""
        if not self.has_model:
            return EXTRACTIVE
        return self.named_sub_model or self.named_model or DEFAULT_SUB_MODEL

    @property
    def _has_endpoint(self) -> bool:
        return self.api_key is not None or self.base_url is not None


def _translated(exc: ValidationError, values: dict[str, Any]) -> BadSetting:
    """Return the first error as one line."""
    first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0])
    for field, info in Settings.model_fields.items():
        if name in {field, info.validation_alias}:
            if field in _HIDDEN:
                return _must_be(field, first["msg"].removeprefix("Value error, "))
            return _must_be(field, values.get(field, os.environ.get(str(info.validation_alias))))
    return BadSetting(name, f"is no setting. Known: {', '.join(sorted(Settings.model_fields))}.")


def _must_be(field: str, value: object) -> BadSetting:
    info = Settings.model_fields[field]
    if field == "api_key":
        got = ""
    elif field in _HIDDEN:
        got = f": {value}"
    else:
        got = f", not {_without_password(str(value))[:80]!r}"
    return BadSetting(str(info.validation_alias), f"must be {info.description}{got}.")


def _without_password(value: str) -> str:
    head, at, tail = value.rpartition("@")
    return f"***@{tail}" if at and ":" in head else value
