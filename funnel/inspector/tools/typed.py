"""The form of typed sub-calls: what the model is told, what its endpoint is sent, how its reply is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from funnel.errors import BadAnswer, BadSchema
from funnel.inspector.tools.checking import checked
from funnel.inspector.tools.lines import LabelledLines, counted, labels_lines, lines_of, list_in
from funnel.prompts import fence, render
from funnel.sandbox.base import HostError
from funnel.schema import AnswerSchema
from funnel.schema.bare import choices
from funnel.schema.json_values import first_json
from funnel.schema.walk import subschemas

WRAPPER = "value"
"""The member that holds a list or a choice where endpoints demand an object."""
_REFERRING = ("$ref", "anyOf", "oneOf", "allOf")


class SubForms:
    """The forms of the calls that one schema is asked for; None if the replies are text.

    `enforced`: whether the endpoint is sent the schema; False once it has refused it.
    """

    def __init__(self, schema: AnswerSchema | None) -> None:
        self._schema = schema
        self._counted: dict[int, AnswerSchema] = {}
        self.enforced = True

    @classmethod
    async def of(cls, schema: object) -> SubForms:
        """Return the forms for the schema that the model's code passed. Raises: `HostError`."""
        if schema is None:
            return cls(None)
        if not isinstance(schema, dict):
            raise HostError(f"schema must be a JSON Schema as a dict, not {type(schema).__name__}")
        return cls(await _vetted(schema))

    async def form(self, prompt: str, text: str | None, *, given_as_lines: bool = False) -> SubForm | None:
        """Return the form of one call; None if its reply is text. Raises: `HostError`."""
        if self._schema is None:
            return None
        root = self._schema.json_schema
        if text is None or not labels_lines(root, prompt, text, given_as_lines=given_as_lines):
            return SubForm(self._schema)
        lines = lines_of(text)
        if len(lines) not in self._counted:
            self._counted[len(lines)] = await _vetted(counted(root, len(lines)))
        schema, found = self._counted[len(lines)], list_in(root)
        name = None if found is None else found[0]
        return SubForm(schema, LabelledLines(tuple(lines), name, schema, self._schema))


async def _vetted(schema: dict[str, Any]) -> AnswerSchema:
    try:
        return await checked(partial(AnswerSchema, schema, trusted=False))
    except BadSchema as error:
        raise HostError(str(error)) from error


@dataclass(frozen=True, slots=True)
class SubForm:
    """The form of one typed call. `labelled`: the lines of its text, if each is to get an item."""

    schema: AnswerSchema
    labelled: LabelledLines | None = None

    @property
    def words(self) -> str:
        """What the model is told of the form."""
        told = render("sub_call_typed", schema=fence("schema", self.schema.text))
        if self.labelled is None:
            return told
        return f"{told}\n{render('sub_call_lines', n=len(self.labelled.lines))}"

    @property
    def enforceable(self) -> dict[str, Any] | None:
        """The schema as endpoints accept it, whose root is an object.

        None for a plain number, text or truth value, which is found in any reply, and for any value at all.
        """
        root = self.schema.json_schema
        if root.get("type") == "object":
            return root
        return _with_types(self.schema.wrapped(WRAPPER)) if self._is_wrapped else None

    @property
    def _is_wrapped(self) -> bool:
        root = self.schema.json_schema
        kind = root.get("type")
        refers = any(key in root for key in _REFERRING)
        return kind != "object" and bool(
            kind == "array" or isinstance(kind, list) or refers or choices(root, root)
        )

    def take(self, reply: str) -> Any:
        """Return the value of a reply. Takes bounded time; may be called in a thread. Raises: `BadAnswer`."""
        if self._is_wrapped and (inner := _unwrapped(reply)) is not None:
            try:
                return self.schema.check(inner[0])
            except BadAnswer:
                pass  # the model's own object, or a list with a wrong number of items: read as any other
        return self.schema.take(reply) if self.labelled is None else self.labelled.take(reply)


def _unwrapped(reply: str) -> tuple[Any] | None:
    """Return what a reply holds inside the wrapper; None if it is not wrapped."""
    try:
        value = first_json(reply)
    except BadAnswer:
        return None
    return (value[WRAPPER],) if isinstance(value, dict) and value.keys() == {WRAPPER} else None


def _with_types(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the type of each enumeration of texts, which some endpoints demand."""
    for _, inner in subschemas(schema):
        texts: Any = inner.get("enum", [inner["const"]] if "const" in inner else None)
        if "type" not in inner and isinstance(texts, list) and all(isinstance(each, str) for each in texts):
            inner["type"] = "string"
    return schema


__all__ = ["WRAPPER", "SubForm", "SubForms"]
