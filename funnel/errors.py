"""Every error that funnel raises; knows no library, because errors of libraries are translated at the call.

FunnelError
├── BadQuestion           an empty question, or one that asks for the impossible
├── BadSetting            an environment variable or option with a wrong value
├── UnknownName           no model, memory, sandbox or mode of that name; lists the known
├── BadTrace              a file that is not a readable trace
├── BadTool               a function that cannot be a tool of the model's code
├── BadSchema             the schema of a typed answer is not one that can be checked
├── BadAnswer             a value that does not meet the schema; lists where and why
├── FunnelClosed          the funnel was closed, before or while it worked on the question
├── OtherLoop             a funnel is used outside the event loop or the process that it belongs to
├── BudgetError
│   ├── BudgetTooSmall    the limits do not allow a single call
│   │   └── WindowTooSmall    the model's window does not hold the smallest prompt
│   ├── BudgetExceeded    the next call would pass a limit
│   └── UnknownPrice      a dollar limit on a model whose price is unknown
├── LLMError
│   ├── LLMUnavailable    the endpoint is down, or failed until the retries ran out
│   ├── LLMRefused        the endpoint refused the key, the model name or the request
│   │   └── ContextTooLong    the prompt, or the output asked for, is more than the model can take
│   ├── LLMBadResponse    the endpoint answered with something other than a completion
│   └── CallFailed        a call that failed before the run was interrupted
├── RunError
│   ├── RunUnknown        the memory does not hold the run, or not in a readable form
│   ├── RunTaken          another process is working on that run
│   ├── RunLost           the memory no longer holds the run that was being worked on
│   └── RunChanged        a document that the run had read has changed, or the asker may not read it now
├── MemoryFailed          a memory backend is down or refused the request
│   └── SwapFailed        a memory could not be replaced by another; the old one is still in use
├── UnknownDocument       a document that this run does not have
├── BadPattern            an invalid regular expression, or one that takes too long
└── SandboxError
    ├── SandboxUnavailable    this machine cannot run that sandbox
    └── SandboxDied           the process that ran the code has died, and its state is lost
"""

from __future__ import annotations

from collections.abc import Sequence

from indexes.errors import UnknownName as UnknownIndexName


class FunnelError(Exception):
    """Base of all. `str(error)` is one line that says what was wrong, where, and what to do."""


class BadQuestion(FunnelError):
    """An empty question, or one that asks for the impossible."""


class BadSetting(FunnelError):
    """An environment variable or an option with a wrong value."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


class UnknownName(FunnelError, UnknownIndexName):
    """There is no model, memory, sandbox or mode of that name. The message lists the known names."""


class BadTrace(FunnelError):
    """A file that is not a readable trace."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} is not a trace of funnel: {reason}.")


class BadTool(FunnelError):
    """A function that cannot be a tool of the model's code."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"The tool {name}: {reason}.")


class BadSchema(FunnelError):
    """The schema of a typed answer is not one that can be checked."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"schema: {reason}.")


class BadAnswer(FunnelError):
    """A value that does not meet the schema. Each problem is a line: a JSON path, and what is wrong there."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class FunnelClosed(FunnelError, RuntimeError):
    """The funnel was closed. `run` is the run that this interrupted, or empty if none had begun."""

    def __init__(self, run: str = "") -> None:
        self.run = run
        resumed = f" Run {run!r} was interrupted and can be resumed; what it paid for is kept." if run else ""
        super().__init__(f"This funnel is closed. Build another.{resumed}")


class OtherLoop(FunnelError, RuntimeError):
    """A funnel is used outside the event loop or the process that it belongs to."""

    def __init__(self, reason: str = "belongs to another event loop, in which its connections are") -> None:
        self.reason = reason
        super().__init__(
            f"This funnel {reason}. Build one in each event loop and each process; for several threads, use "
            "build_sync."
        )


class BudgetError(FunnelError):
    """A limit of a run, or of a job that it belongs to."""


def _figure(number: float) -> str:
    """Return a number in three digits, or as a whole number if that has more."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"  # noqa: PLR2004 - above it three digits are not exact


def _allowed(limit: float) -> str:
    """Return a limit as it was set: a million as 1000000, not as 1e+06."""
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


class WindowTooSmall(BudgetTooSmall):
    """The window of a model does not hold the least that a prompt must have."""

    def __init__(self, model: str, window: int, needed: int, what: str) -> None:
        super().__init__("window", window, needed)
        self.model = model
        said = (
            f"The window of {model!r} holds {window:,} tokens for prompt and reply, and {what} takes about "
            f"{needed:,}. Serve it with a larger one (vLLM --max-model-len, llama.cpp -c, Ollama "
            "OLLAMA_CONTEXT_LENGTH), or name another model; a lookup (--mode lookup) needs the least."
        )
        self.args = (said,)


class BudgetExceeded(BudgetError):
    """The next call would pass a limit, so it was not made and nothing was spent on it.

    `ledger` says whose limit it is: the run's, or that of a ledger above it. `needed` is the least that the
    call takes, or None if the limit is on time or on the number of calls. `detail` says what had been done.
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
    """A dollar limit on a model whose price is unknown."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"max_usd needs the price of {model!r}, which is unknown. State it, in dollars per million "
            f"tokens: FUNNEL_PRICES='{{\"{model}\": [INPUT, OUTPUT]}}', or limit by --max-calls instead."
        )


class LLMError(FunnelError):
    """A failed call of a model. `may_be_billed`: the endpoint may have done the work, and charged for it."""

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
    """The endpoint refused the key, the model name or the request."""

    def __init__(self, model: str, endpoint: str, reason: str, *, advice: str) -> None:
        self.model = model
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(f"{endpoint} refused the call to {model!r}: {reason}. {advice}")


class ContextTooLong(LLMRefused):
    """The prompt, or the output asked for, is more than the model can take. A number is None if not stated.

    `window_tokens`: what prompt and output may have together. `prompt_tokens`: what this prompt has.
    `max_output_tokens`: the most output that the model allows in any reply.
    """

    def __init__(
        self,
        model: str,
        endpoint: str,
        reason: str,
        *,
        advice: str,
        window_tokens: int | None = None,
        prompt_tokens: int | None = None,
        max_output_tokens: int | None = None,
    ) -> None:
        self.window_tokens = window_tokens
        self.prompt_tokens = prompt_tokens
        self.max_output_tokens = max_output_tokens
        super().__init__(model, endpoint, reason, advice=advice)


class LLMBadResponse(LLMError):
    """The endpoint answered with something other than a chat completion."""

    may_be_billed = True

    def __init__(
        self,
        model: str,
        endpoint: str,
        reason: str,
        *,
        advice: str = "Look at the endpoint's log, or try again later.",
    ) -> None:
        self.model = model
        self.endpoint = endpoint
        self.reason = reason
        self.advice = advice
        super().__init__(
            f"{endpoint} answered for {model!r} with something that is not a chat completion: "
            f"{reason}. {advice}"
        )


class CallFailed(LLMError):
    """A call that failed before the run was interrupted; a resume takes the failure from the journal."""


class RunError(FunnelError):
    """A run cannot be resumed. `run` is its name."""

    def __init__(self, run: str, message: str) -> None:
        self.run = run
        super().__init__(message)


class RunUnknown(RunError):
    """The memory does not hold the run, or not in a readable form."""

    def __init__(self, run: str, url: str, reason: str = "there is none of that name") -> None:
        super().__init__(
            run, f"Run {run[:200]!r} is not available from {url}: {reason}. Name its memory: --memory URL."
        )


class RunTaken(RunError):
    """Another process is working on that run."""

    def __init__(self, run: str, holder: str) -> None:
        self.holder = holder
        super().__init__(
            run, f"Run {run[:200]!r} is being worked on by {holder}. Wait until it ends, or end it."
        )


class RunLost(RunError):
    """The memory no longer holds the run that was being worked on: it was emptied, or the run removed."""

    def __init__(self, run: str, url: str) -> None:
        self.url = url
        super().__init__(
            run,
            f"Run {run[:200]!r} is lost: {url} no longer holds it. Somebody emptied that memory or removed "
            "the run. It cannot be resumed; ask the question anew.",
        )


class RunChanged(RunError):
    """A document that the run had read has changed, or the asker may not read it now."""

    def __init__(self, run: str, reason: str) -> None:
        self.reason = reason
        super().__init__(run, f"Run {run[:200]!r} cannot be resumed: {reason}. Ask the question anew.")


class MemoryFailed(FunnelError):
    """A memory backend is down or refused the request. The URL is shown without credentials."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"Memory {url}: {reason}")


class SwapFailed(MemoryFailed):
    """A memory could not be replaced by another; the old one, at `url`, is still in use."""

    def __init__(self, url: str, why: str) -> None:
        self.why = why.rstrip(".")
        super().__init__(url, f"it stays in use, the swap failed: {self.why}.")


class UnknownDocument(FunnelError):
    """A document that this run does not have."""

    def __init__(self, document_id: str) -> None:
        self.document_id = document_id
        super().__init__(f"This run has no document {document_id[:200]!r}. Add it to the workspace first.")


class BadPattern(FunnelError, ValueError):
    """An invalid regular expression, or one that takes too much time or memory. `position` starts at 0."""

    def __init__(self, pattern: str, reason: str, *, advice: str, position: int | None = None) -> None:
        self.pattern = pattern
        self.reason = reason
        self.position = position
        where = "" if position is None else f" at position {position}"
        super().__init__(f"The pattern {pattern[:100]!r}: {reason}{where}. {advice}")


class SandboxError(FunnelError):
    """A sandbox, in which the model's code runs, does not work."""


class SandboxUnavailable(SandboxError):
    """This machine cannot run that sandbox."""

    def __init__(self, sandbox: str, reason: str) -> None:
        self.sandbox = sandbox
        self.reason = reason
        super().__init__(f"Sandbox {sandbox!r} is not available here: {reason}")


class SandboxDied(SandboxError):
    """The process that ran the code has died, and its state is lost: final, unlike an error in the code."""

    def __init__(self, sandbox: str, reason: str) -> None:
        self.sandbox = sandbox
        self.reason = reason
        super().__init__(f"Sandbox {sandbox!r} died: {reason}")
