"""The built-in stand-in for a model: quotes the best-supported sentences, writes REPL programs, no prose.

It reads the same prompts as a model and answers in the same formats, so that both routes run for real without
an API key. Each of its answers says that no language model wrote it.
"""

from funnel.llm.extractive.extractive import Extractive

__all__ = ["Extractive"]
