"""Additions to the prompts of particular models, read from TOML and validated; calls no model."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from funnel.errors import BadSetting
from funnel.prompts import render
from funnel.prompts.forms import Form

MAX_TEXT_CHARS = 4_000
"""Limit of an addendum, which is added to every prompt of its purpose."""

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT_CHARS)]


class Addendum(BaseModel):
    """A paragraph for models whose names match one of the globs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    match: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=1)
    purpose: Literal["inspector", "sub_call", "reader"]
    text: _Text
    form: Form | None = None
    """The form of the prompt that it belongs to; None means both."""
    canonical: bool = False
    """Whether these models were trained on the prompt of the RLM authors, and end their work as it asks."""

    def applies_to(self, model: str, purpose: str, form: Form = "full") -> bool:
        """Return whether this addendum belongs to the prompts of a purpose, in a form, for a model."""
        name = model.lower()
        fits = self.purpose == purpose and self.form in {None, form}
        return fits and any(fnmatchcase(name, glob.lower()) for glob in self.match)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    shipped: bool = True
    addenda: tuple[Addendum, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompts:
    """Renders the prompts for each model."""

    addenda: tuple[Addendum, ...] = ()

    def render_for(self, model: str, name: str, *, form: Form = "full", **values: object) -> str:
        """Return the prompt file `name`.md with its placeholders filled, and with the addenda for `model`.

        The simple form of it is in the file `name`_simple.md.

        Raises: `KeyError` as `render` does.
        """
        added = [addendum.text for addendum in self.addenda if addendum.applies_to(model, name, form)]
        file = name if form == "full" else f"{name}_simple"
        return "\n\n".join([render(file, **values), *added])

    def is_canonical(self, model: str) -> bool:
        """Return whether a model's replies are read as those of one trained on the RLM authors' prompt."""
        return any(each.canonical and each.applies_to(model, each.purpose) for each in self.addenda)


@cache
def shipped() -> Prompts:
    """Return the prompts with the shipped addenda."""
    text = files("funnel.prompts").joinpath("addenda.toml").read_text("utf-8")
    return Prompts(_File.model_validate(tomllib.loads(text)).addenda)


def load(path: Path | None) -> Prompts:
    """Return the prompts with the shipped addenda and those in the file at `path`.

    The file can switch the shipped ones off with `shipped = false`.
    Raises: `BadSetting`, which names the file, the entry and the problem.
    """
    if path is None:
        return shipped()
    try:
        own = _File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise _bad_setting(path, f"cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad_setting(path, f"is not TOML ({error})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _bad_setting(path, f"{where}: {first['msg']}") from None
    return Prompts((*shipped().addenda, *own.addenda) if own.shipped else own.addenda)


def _bad_setting(path: Path, reason: str) -> BadSetting:
    form = 'Write entries such as [[addenda]] match = ["my-model*"] purpose = "inspector" text = "…"'
    return BadSetting("FUNNEL_ADDENDA", f"{path}: {reason}. {form}.")
