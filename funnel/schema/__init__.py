"""Schemas of typed answers, and validation of values against them."""

from funnel.schema.answer import AnswerSchema

__all__ = ["AnswerSchema"]
