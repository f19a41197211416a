"""What single models are told besides the common prompts: data from TOML, checked; calls no model."""

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

MAX_TEXT_CHARS = 4_000
"""An addendum is a paragraph: it travels with every prompt of its purpose."""

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT_CHARS)]


class Addendum(BaseModel):
    """A paragraph for the models whose names match one of the globs."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    match: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=1)
    purpose: Literal["inspector", "sub_call", "reader"]
    text: _Text

    def suits(self, model: str, purpose: str) -> bool:
        """Whether it belongs into that prompt for that model."""
        name = model.lower()
        return self.purpose == purpose and any(fnmatchcase(name, glob.lower()) for glob in self.match)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    shipped: bool = True
    addenda: tuple[Addendum, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts as each model gets them."""

    addenda: tuple[Addendum, ...] = ()

    def render_for(self, model: str, name: str, **values: object) -> str:
        """The prompt file `name`.md with its placeholders filled and what is added for `model`.

        Raises: `KeyError` as `render` does.
        """
        added = [addendum.text for addendum in self.addenda if addendum.suits(model, name)]
        return "\n\n".join([render(name, **values), *added])


@cache
def shipped() -> Prompts:
    """The prompts with the addenda that come with the package."""
    text = files("funnel.prompts").joinpath("addenda.toml").read_text("utf-8")
    return Prompts(_File.model_validate(tomllib.loads(text)).addenda)


def load(path: Path | None) -> Prompts:
    """The prompts with the shipped addenda and those of the file at `path`, which may do without the shipped.

    Raises: `BadSetting` that names the file, the entry and what is wrong with it.
    """
    if path is None:
        return shipped()
    try:
        own = _File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise _bad(path, f"cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(path, f"is no TOML ({error})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _bad(path, f"{where}: {first['msg']}") from None
    return Prompts((*shipped().addenda, *own.addenda) if own.shipped else own.addenda)


def _bad(path: Path, reason: str) -> BadSetting:
    form = 'Write entries such as [[addenda]] match = ["my-model*"] purpose = "inspector" text = "…"'
    return BadSetting("FUNNEL_ADDENDA", f"{path}: {reason}. {form}.")
