"""Every error that funnel raises; knows no library: what a library raised is translated where it is called.

FunnelError
├── BadQuestion           an empty question, or one that asks for the impossible
├── BadSetting            an environment variable or option with a wrong value
├── UnknownName           no model, memory, sandbox or mode of that name; lists the known
├── BadTrace              a trace file that does not read
├── BadTool               a function that cannot be a tool of the model's code
├── BadSchema             what a typed answer shall be is no schema that can be checked
├── BadAnswer             a value that does not meet the schema; lists where and why
├── BudgetError
│   ├── BudgetTooSmall    the limits do not allow a single call
│   ├── BudgetExceeded    the next call would pass a limit
│   └── UnknownPrice      a dollar limit on a model whose price nobody stated
├── LLMError
│   ├── LLMUnavailable    the endpoint is down, or failed until the retries ran out
│   ├── LLMRefused        the endpoint answered and refused: key, model name, request
│   ├── LLMBadResponse    the endpoint answered with something that is no completion
│   └── CallFailed        a call that failed before this run was interrupted
├── RunError
│   ├── RunUnknown        the memory holds no such run, or not all of it
│   ├── RunTaken          another process works on that run
│   └── RunChanged        what the run had read is no longer so, or no longer for the asker
├── MemoryFailed          a memory backend is down or refused
│   └── SwapFailed        a memory could not be changed for another; the old one is still in use
├── UnknownDocument       a document that was never given to this run
├── BadPattern            no regular expression, or one that takes too long
└── SandboxError
    ├── SandboxUnavailable    this machine cannot run that sandbox
    └── SandboxDied           the process that ran the code is gone; its state with it
"""

from __future__ import annotations

from collections.abc import Sequence

from indexes.errors import UnknownName as UnknownIndexName


class FunnelError(Exception):
    """Base of all; `str(error)` is one line that says what was wrong, where, and what to do."""


class BadQuestion(FunnelError):
    """An empty question, or one that asks for the impossible."""


class BadSetting(FunnelError):
    """An environment variable or an option with a wrong value."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


class UnknownName(FunnelError, UnknownIndexName):
    """No such model, memory, sandbox or mode; lists the known."""


class BadTrace(FunnelError):
    """A trace file that does not read."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} is no trace of funnel: {reason}.")


class BadTool(FunnelError):
    """A function that cannot be a tool of the model's code."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"The tool {name}: {reason}.")


class BadSchema(FunnelError):
    """What a typed answer shall be is no schema that can be checked."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"schema: {reason}.")


class BadAnswer(FunnelError):
    """A value that does not meet the schema: one line a problem, each a JSON path and what is wrong there."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class BudgetError(FunnelError):
    """Limits of a run."""


def _figure(number: float) -> str:
    """Tokens as a whole number; dollars and seconds with three digits."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - above it three digits are not exact


def _allowed(limit: float) -> str:
    """A limit as it was set: a million is not 1e+06."""
    return f"{limit:.0f}" if float(limit).is_integer() else f"{limit:g}"


class BudgetTooSmall(BudgetError):
    """The limits do not allow a single call."""

    def __init__(self, limit: str, allowed: float, needed: float) -> None:
        self.limit = limit
        self.allowed = allowed
        self.needed = needed
        super().__init__(
            f"{limit} = {_allowed(allowed)} is too small to start: "
            f"the first call may take {_figure(needed)}. Raise {limit}."
        )


class BudgetExceeded(BudgetError):
    """The next call would pass a limit; nothing was spent on it.

    `ledger` says whose limit it is: the run's, or that of a ledger above it. `needed` is what the call takes
    at least, if the limit is one of size; `detail` says what had been done.
    """

    def __init__(
        self,
        limit: str,
        allowed: float,
        spent: float,
        *,
        needed: float | None = None,
        detail: str = "",
        ledger: str = "run",
    ) -> None:
        self.limit = limit
        self.allowed = allowed
        self.spent = spent
        self.needed = needed
        self.detail = detail
        self.ledger = ledger
        said = f"{spent:.3g} s have passed" if limit == "timeout_s" else f"{_figure(spent)} spent or reserved"
        if needed is not None:
            said += f", {_figure(self.left)} left, {_figure(needed)} needed"
        super().__init__(f"{self.headline} ({said}){detail and ': '}{detail}.")

    @property
    def left(self) -> float:
        """What the limit still allowed."""
        return max(0.0, self.allowed - self.spent)

    @property
    def headline(self) -> str:
        """Which limit is used up, without the figures."""
        of = "" if self.ledger == "run" else f" of the {self.ledger}"
        return f"{self.limit} = {_allowed(self.allowed)}{of} is used up"


class UnknownPrice(BudgetError):
    """A dollar limit on a model whose price nobody stated."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"max_usd needs the price of {model!r}, which is unknown. State it, in dollars per million "
            f"tokens: FUNNEL_PRICES='{{\"{model}\": [INPUT, OUTPUT]}}', or limit by --max-calls instead."
        )


class LLMError(FunnelError):
    """A model endpoint. `may_be_billed`: the work may have been done, and cost money, before it failed."""

    may_be_billed: bool = False


class LLMUnavailable(LLMError):
    """The endpoint is down, or failed until the retries ran out."""

    def __init__(
        self,
        model: str,
        endpoint: str,
        reason: str,
        *,
        advice: str = "Check OPENAI_BASE_URL and that it runs.",
        may_be_billed: bool = False,
    ) -> None:
        self.model = model
        self.endpoint = endpoint
        self.reason = reason
        self.may_be_billed = may_be_billed
        super().__init__(f"The model {model!r} at {endpoint} gave no answer: {reason}. {advice}")


class LLMRefused(LLMError):
    """The endpoint answered and refused: key, model name or request."""

    def __init__(self, model: str, endpoint: str, reason: str, *, advice: str) -> None:
        self.model = model
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(f"{endpoint} refused the call to {model!r}: {reason}. {advice}")


class LLMBadResponse(LLMError):
    """The endpoint answered with something that is no chat completion."""

    may_be_billed = True

    def __init__(self, model: str, endpoint: str, reason: str) -> None:
        self.model = model
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(
            f"{endpoint} answered for {model!r} with something that is no chat completion: {reason}. "
            "Check that OPENAI_BASE_URL ends where the API begins, often in /v1."
        )


class CallFailed(LLMError):
    """A call that failed before this run was interrupted, as the run's journal tells it."""


class RunError(FunnelError):
    """A run that was to be resumed. Each carries `run`."""

    def __init__(self, run: str, message: str) -> None:
        self.run = run
        super().__init__(message)


class RunUnknown(RunError):
    """The memory holds no such run, or not all of it."""

    def __init__(self, run: str, url: str, reason: str = "there is none of that name") -> None:
        super().__init__(
            run, f"Run {run[:200]!r} is not to be had from {url}: {reason}. Name its memory: --memory URL."
        )


class RunTaken(RunError):
    """Another process works on that run."""

    def __init__(self, run: str, holder: str) -> None:
        self.holder = holder
        super().__init__(
            run, f"Run {run[:200]!r} is being worked on by {holder}. Wait until it ends, or end it."
        )


class RunChanged(RunError):
    """What the run had read is no longer so, or no longer for the asker."""

    def __init__(self, run: str, reason: str) -> None:
        self.reason = reason
        super().__init__(run, f"Run {run[:200]!r} cannot be resumed: {reason}. Ask the question anew.")


class MemoryFailed(FunnelError):
    """A memory backend is down or refused. The URL carries no credentials."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"Memory {url}: {reason}")


class SwapFailed(MemoryFailed):
    """A memory could not be changed for another; the old one, at `url`, is still in use."""

    def __init__(self, url: str, why: str) -> None:
        self.why = why.rstrip(".")
        super().__init__(url, f"it stays in use, the swap failed: {self.why}.")


class UnknownDocument(FunnelError):
    """A document that was never given to this run."""

    def __init__(self, document_id: str) -> None:
        self.document_id = document_id
        super().__init__(f"This run has no document {document_id[:200]!r}. Add it to the workspace first.")


class BadPattern(FunnelError, ValueError):
    """No regular expression, or one that takes too long or too much memory. `position` starts at 0."""

    def __init__(self, pattern: str, reason: str, *, advice: str, position: int | None = None) -> None:
        self.pattern = pattern
        self.reason = reason
        self.position = position
        where = "" if position is None else f" at position {position}"
        super().__init__(f"The pattern {pattern[:100]!r}: {reason}{where}. {advice}")


class SandboxError(FunnelError):
    """The place where model-written code runs."""


class SandboxUnavailable(SandboxError):
    """This machine cannot run that sandbox."""

    def __init__(self, sandbox: str, reason: str) -> None:
        self.sandbox = sandbox
        self.reason = reason
        super().__init__(f"Sandbox {sandbox!r} is not available here: {reason}")


class SandboxDied(SandboxError):
    """The process that ran the code is gone, and its state with it: terminal, unlike an error in the code."""

    def __init__(self, sandbox: str, reason: str) -> None:
        self.sandbox = sandbox
        self.reason = reason
        super().__init__(f"Sandbox {sandbox!r} died: {reason}")
