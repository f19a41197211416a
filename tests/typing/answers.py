"""Type-checked, never run: what a user may write to get typed answers."""

from __future__ import annotations

from pydantic import BaseModel, RootModel

from funnel import Answer, Funnel, Options
from funnel.run.options import ResumeOptions
from funnel.schema import AnswerSchema
from funnel.types import Span


class Clause(BaseModel):
    """What is wanted of a contract."""

    year: int
    party: str = ""


class Clauses(RootModel[list[Clause]]):
    """A model may be a list."""


def a_model_class_or_a_schema_is_an_option() -> list[Options]:
    """Either is taken as it is."""
    json_schema = {"type": "object", "properties": {"year": {"type": "integer"}}}
    return [Options(schema=Clause), Options(schema=Clauses), Options(schema=json_schema), Options()]


async def a_value_goes_back_into_its_model(funnel: Funnel) -> Clause:
    """What the model dumped, it reads."""
    answer: Answer = await funnel.ask("When does it end?", Options(mode="deep", schema=Clause))
    resumed = await funnel.resume(answer.run, ResumeOptions(schema=Clause))
    bare: tuple[Span, ...] = resumed.uncited
    return Clause.model_validate(answer.value if not bare else resumed.value)


def a_schema_is_checked_before_it_is_used() -> str:
    """For whoever builds a form."""
    schema = AnswerSchema(Clause)
    schema.parse('{"year": 2026}')
    return schema.text
