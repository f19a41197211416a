"""What a typed answer must be, and whether a value is that; one idea a file."""

from funnel.schema.answer import AnswerSchema

__all__ = ["AnswerSchema"]
