"""Makes a call of a sub-model, with ok, value and error as result; repeats it if the value is malformed.

Knows no sandbox and no document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from funnel.errors import BadAnswer, BudgetExceeded, ContextTooLong, LLMError, LLMRefused
from funnel.inspector.tools.arguments import require_text
from funnel.inspector.tools.checking import checked
from funnel.inspector.tools.lines import numbered
from funnel.inspector.tools.typed import SubForm, SubForms
from funnel.llm.base import Completion, Message, Request, StepId, estimated_tokens
from funnel.llm.hearing import unusable
from funnel.prompts import fence, render
from funnel.run.context import Run
from funnel.sandbox.base import HostError
from funnel.trace.kinds import ReplyRejected
from indexes.fingerprint import joint_fingerprint

MAX_SUB_CALL_CHARS = 400_000
OUTPUT_TOKENS = 4_096
MAX_REPAIRS = 2
MAX_REPEATED_CHARS = 8_000
"""Maximum length of a malformed reply when it is shown to the model again."""
NONE = "NONE"
"""The reply that the prompt asks for if the text holds no answer."""

FOUND_NOTHING = "the sub-model found nothing in the text (NONE)"

_OF_SCHEMA = re.compile(r"schema|grammar|response.?format|structured.?output", re.IGNORECASE)
"""A refusal that is about the schema."""

SubCallResult = dict[str, Any]
"""The result of one call among several: ok, value, error."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where a tool is called: the id of the call's event, and its path in the tree of the run."""

    event: int
    path: tuple[int, ...]

    def part(self, number: int) -> CallSite:
        """Return the site of one of several parts of the call."""
        return CallSite(self.event, (*self.path, number))


@dataclass(frozen=True, slots=True)
class SubAsk:
    """One sub-call: its request, and the form of its value; None if the reply's text is the value."""

    request: Request
    form: SubForm | None
    forms: SubForms


async def sub_ask(run: Run, prompt: object, text: object, forms: SubForms) -> SubAsk:
    """Return the call that asks `prompt` about `text`, which may be a list of lines. Raises: `HostError`."""
    require_text(prompt=prompt)
    as_lines = isinstance(text, (list, tuple))
    shown = numbered(text) if isinstance(text, (list, tuple)) else text
    if shown is not None:
        require_text(text=shown)
        shown = str(shown)
    size = len(str(prompt)) + len(shown or "")
    if size > MAX_SUB_CALL_CHARS:
        raise HostError(
            f"{size:,} characters are too many for one sub-call (at most {MAX_SUB_CALL_CHARS:,}); "
            "slice the text and use llm_query_batched"
        )
    form = await forms.form(str(prompt), shown, given_as_lines=as_lines)
    parts = [str(prompt)]
    if form is not None:
        parts.append(form.words)
    if shown is not None:
        parts.append(fence("text", shown))
    system = run.prompts.render_for(run.sub.name, "sub_call")
    messages = (Message("system", system), Message("user", "\n\n".join(parts)))
    schema = None if form is None else form.enforceable
    return SubAsk(Request(messages, "query", max_output_tokens=OUTPUT_TOKENS, schema=schema), form, forms)


async def sub_call(run: Run, ask: SubAsk, site: CallSite) -> SubCallResult:
    """Return the reply's text, or its checked value if it has a form; a failed call is never a reply."""
    request, form = ask.request, ask.form
    result, asked = await _complete(run, ask, request, site), request
    for number in range(1, MAX_REPAIRS + 2):
        if form is None or not result["ok"]:
            break
        reply = str(result["value"])
        if reply.strip() == NONE:
            return _failed(FOUND_NOTHING)
        try:
            return {"ok": True, "value": await checked(partial(form.take, reply)), "error": None}
        except BadAnswer as error:
            reason = str(error)
        if number > MAX_REPAIRS:
            return _failed(f"the sub-model gave no value that meets the schema: {reason}")
        run.events.point(ReplyRejected(reason=reason), parent=site.event)
        repair = Message("user", render("sub_call_repair", reason=fence("problem", reason)))
        said = Message("assistant", reply[:MAX_REPEATED_CHARS])
        asked = replace(request, messages=(*request.messages, said, repair))
        result = await _complete(run, ask, asked, site.part(number))
    return result


async def _complete(run: Run, ask: SubAsk, request: Request, site: CallSite) -> SubCallResult:
    if (too_long := _too_long(request, run.ledger.limits.max_sub_prompt_tokens)) is not None:
        return too_long
    step = StepId(site.path, joint_fingerprint(*(message.content for message in request.messages)))
    try:
        completion = await _sent(run, ask, request, site.event, step)
    except ContextTooLong as error:
        # What was just refused does not fit, whatever the estimate.
        size, room = request.estimated_input_tokens(), run.sub.window_room(OUTPUT_TOKENS)
        fits = size * 3 // 4 if room is None else min(room, size * 3 // 4)
        return _too_long(request, fits) or _failed(str(error))
    except (LLMError, BudgetExceeded) as error:
        return _failed(str(error))
    if wrong := unusable(completion, "the sub-model"):
        return _failed(wrong)
    return {"ok": True, "value": completion.text, "error": None}


async def _sent(run: Run, ask: SubAsk, request: Request, event: int, step: StepId) -> Completion:
    """Return the completion; if the endpoint refuses the schema, of this and all later calls without it."""
    if request.schema is None or not ask.forms.enforced:
        return await run.sub.complete(replace(request, schema=None), parent=event, place=step)
    try:
        return await run.sub.complete(request, parent=event, place=step)
    except ContextTooLong:
        raise
    except LLMRefused as error:
        if _OF_SCHEMA.search(error.reason) is None:
            raise
        ask.forms.enforced = False
        return await run.sub.complete(replace(request, schema=None), parent=event, place=step)


def _too_long(request: Request, room: int | None) -> SubCallResult | None:
    """Return a failure that says how many characters fit into `room`; None if the prompt fits."""
    size = request.estimated_input_tokens()
    if room is None or size <= room:
        return None
    own = request.messages[1].content
    tokens = estimated_tokens(own)
    n_chars = len(own) * max(0, room - (size - tokens)) // tokens
    return _failed(
        f"{len(own):,} characters are too many for one sub-call of this model: about {n_chars:,} fit, prompt "
        "and text together; slice the text and use llm_query_batched"
    )


def _failed(error: str) -> SubCallResult:
    return {"ok": False, "value": None, "error": error}
