"""Makes a call of a sub-model, with ok, value and error as result; repeats it if the value is malformed.

Knows no sandbox and no document.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from funnel.errors import BadAnswer, BadSchema, BudgetExceeded, ContextTooLong, LLMError
from funnel.inspector.tools.arguments import require_text
from funnel.inspector.tools.checking import checked
from funnel.llm.base import Message, Request, StepId, estimated_tokens
from funnel.llm.hearing import unusable
from funnel.prompts import fence, render
from funnel.run.context import Run
from funnel.sandbox.base import HostError
from funnel.schema import AnswerSchema
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


async def sub_schema(schema: object) -> AnswerSchema | None:
    """Return the schema that the model's code passed. Raises: `HostError`."""
    if schema is None:
        return None
    if not isinstance(schema, dict):
        raise HostError(f"schema must be a JSON Schema as a dict, not {type(schema).__name__}")
    try:
        return await checked(partial(AnswerSchema, schema, trusted=False))
    except BadSchema as error:
        raise HostError(str(error)) from error


def sub_request(run: Run, prompt: object, text: object, schema: AnswerSchema | None) -> Request:
    """Return the request that asks `prompt` about `text`. Raises: `HostError`."""
    require_text(prompt=prompt)
    if text is not None:
        require_text(text=text)
    size = len(str(prompt)) + len(str(text or ""))
    if size > MAX_SUB_CALL_CHARS:
        raise HostError(
            f"{size:,} characters are too many for one sub-call (at most {MAX_SUB_CALL_CHARS:,}); "
            "slice the text and use llm_query_batched"
        )
    parts = [str(prompt)]
    if schema is not None:
        parts.append(render("sub_call_typed", schema=fence("schema", schema.text)))
    if text is not None:
        parts.append(fence("text", str(text)))
    system = run.prompts.render_for(run.sub.name, "sub_call")
    messages = (Message("system", system), Message("user", "\n\n".join(parts)))
    return Request(
        messages,
        "query",
        max_output_tokens=OUTPUT_TOKENS,
        schema=None if schema is None else _enforceable(schema),
    )


def _enforceable(schema: AnswerSchema) -> dict[str, Any] | None:
    """Return the schema if endpoints accept it; after one refusal, an endpoint is sent no schema again."""
    return schema.json_schema if schema.json_schema.get("type") == "object" else None


async def sub_call(run: Run, request: Request, site: CallSite, schema: AnswerSchema | None) -> SubCallResult:
    """Return the reply's text, or with a schema its checked value; a failed call never passes for a reply."""
    result, asked = await _complete(run, request, site), request
    for number in range(1, MAX_REPAIRS + 2):
        if schema is None or not result["ok"]:
            break
        reply = str(result["value"])
        if reply.strip() == NONE:
            return _failed(FOUND_NOTHING)
        try:
            return {"ok": True, "value": await checked(partial(schema.parse, reply)), "error": None}
        except BadAnswer as error:
            reason = str(error)
        if number > MAX_REPAIRS:
            return _failed(f"the sub-model gave no value that meets the schema: {reason}")
        run.events.point(ReplyRejected(reason=reason), parent=site.event)
        repair = Message("user", render("sub_call_repair", reason=fence("problem", reason)))
        said = Message("assistant", reply[:MAX_REPEATED_CHARS])
        asked = replace(request, messages=(*request.messages, said, repair))
        result = await _complete(run, asked, site.part(number))
    return result


async def _complete(run: Run, request: Request, site: CallSite) -> SubCallResult:
    if (too_long := _too_long(request, run.ledger.limits.max_sub_prompt_tokens)) is not None:
        return too_long
    step = StepId(site.path, joint_fingerprint(*(message.content for message in request.messages)))
    try:
        completion = await run.sub.complete(request, parent=site.event, place=step)
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
