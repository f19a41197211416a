"""Learns which parameters an endpoint accepts for a model, from what it refuses; sends nothing itself.

A parameter that is refused by name is left out or renamed, and the call is made again. If the refusal names
none, the call is made once more with only what every endpoint knows. What helped is kept for later calls.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from funnel.llm.base import Completion
from funnel.llm.openai.failures import CHECK_REQUEST, FailedAttempt
from funnel.llm.openai.status import MISSING

SYSTEM = "the system role"
"""Negotiated like a parameter: without it the system text is put before the first message of the user."""
LIMITS = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
"""Each name of the token limit, and the other one."""
OPTIONAL = ("stream", "stream_options", "service_tier", SYSTEM, "temperature", "grammar", "response_format")
"""What a completion can be had without, as it is tried again: what is most likely refused comes last."""

_MEANT = {
    "response_format": r"response.?format|json.?(?:schema|mode|object)|structured.?output|guided|grammar",
    "temperature": r"temperature|\btemp\b|sampling",
    "stream_options": r"stream.?options|include.?usage",
    "stream": r"\bstream(?:ing|ed)?\b",
    "service_tier": r"service.?tier|\b(?:flex|priority) (?:tier|processing)",
    "max_completion_tokens": r"max.?completion.?tokens",
    "max_tokens": r"max.?tokens",
    SYSTEM: r"\b(?:system|developer)\W{0,3}\s?(?:role|message|prompt|instruction)"
    r"|\brole.{0,60}\b(?:system|developer)\b|\b(?:system|developer)\b.{0,30}\brole"
    r"|\broles?\b.{0,20}\balternate|\bonly\b.{0,20}\buser\b.{0,12}\bassistant\b",
}
MEANT = {name: re.compile(pattern, re.IGNORECASE | re.DOTALL) for name, pattern in _MEANT.items()}
"""How servers speak of a parameter, by its own name or by what it does."""
UNKNOWN = re.compile(
    r"un(?:supported|known|expected|recogni[sz]ed)|extra (?:inputs|fields)|no such|unavailable"
    r"|not (?:\w+ )?(?:support|permit|allow|implement|enabl|recogni)|does(?: not|n't) (?:exist|accept)",
    re.IGNORECASE,
)
"""The server does not know the parameter, rather than its value."""
OTHER_CAUSE = re.compile(
    r"^invalid schema|safety|content.?(?:policy|filter|management)|moderat|flagged|blocked|harmful"
    r"|(?:no such|unknown|invalid|valid) model|decommission|retired"
    r"|\bmodel\b.{0,60}\b(?:not found|not exist|unavailable|deprecated)"
    r"|\broles?\b|\bmessages\b|api.?key|credit|billing|quota|organi[sz]ation|region|country",
    re.IGNORECASE | re.DOTALL,
)
"""A refusal that says what it is about, which is no optional parameter."""
NAMELESS = frozenset({400, 422})
FAILED_ON_IT = frozenset({500, 501})
"""Servers that fail on what they do not know; believed only if they name it."""


@dataclass(frozen=True, slots=True)
class Form:
    """How requests are put. `limit_name` None: no token limit is sent. `system`: that role is used."""

    limit_name: str | None
    dropped: frozenset[str] = frozenset()
    system: bool = True

    def without(self, names: Collection[str]) -> Form:
        """Return the form that leaves these out as well."""
        if not names:
            return self
        system = self.system and SYSTEM not in names
        return replace(self, dropped=self.dropped.union(names) - {SYSTEM}, system=system)

    def put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body in this form."""
        left_out = {*self.dropped, *LIMITS}
        if "stream" in left_out:
            left_out.add("stream_options")
        put = {name: value for name, value in body.items() if name not in left_out}
        limit = next((body[name] for name in LIMITS if name in body), None)
        if self.limit_name is not None and limit is not None:
            put[self.limit_name] = limit
        if not self.system:
            put["messages"] = without_system_role(put["messages"])
        return put


Attempt = Callable[[dict[str, Any]], Awaitable[Completion | FailedAttempt]]


class Parameters:
    """What one endpoint accepts for one model.

    `form`: how the first call is put. `extra`: what the user's own settings add to each body, which is never
    left out without the user's knowledge. There None leaves a member out, and so does False `stream`.
    """

    def __init__(self, form: Form, extra: Mapping[str, Any] | None = None) -> None:
        extra = extra or {}
        unwanted = {
            name for name, value in extra.items() if value is None or (name == "stream" and not value)
        }
        self.form = form.without(unwanted)
        self.extra = {name: value for name, value in extra.items() if name not in unwanted}
        self._suspects: tuple[str, ...] = ()
        self._culprit_found = True
        self._probing = False

    def sends(self, name: str) -> bool:
        """Whether the endpoint is still sent an optional parameter, as far as it was not refused."""
        return name not in self.form.dropped

    async def negotiate(self, body: Mapping[str, Any], attempt: Attempt) -> Completion | FailedAttempt:
        """Make one attempt; repeat it in another form each time the endpoint refuses a parameter.

        `body`: what would be sent to an endpoint that accepts everything. Returns the first failure if no
        other form avoids it.
        """
        call = self._begin(body)
        try:
            while True:
                outcome = await attempt(call.sent)
                if isinstance(outcome, Completion):
                    self._learn(call)
                    return outcome
                if not call.adapt(outcome):
                    return call.failure(outcome)
        finally:
            if call.probes:
                self._probing = False

    def _begin(self, body: Mapping[str, Any]) -> _Negotiation:
        """Return the negotiation of a call, which restores one of the suspects.

        When a call helped that left out several parameters, they are suspects: each later call restores one,
        until it is known which of them the endpoint refuses; the last is not tried if all others are
        cleared. One call at a time does so.
        """
        call = _Negotiation(self.form, body, self.extra, self._suspects)
        if not self._probing:
            suspect = next((name for name in self._suspects if _is_sent(name, body)), None)
            self._probing = suspect is not None
            call.probe(suspect)
        return call

    def _learn(self, call: _Negotiation) -> None:
        """Keep what helped. A part that was left out alone is to blame for certain."""
        blamed = {*call.refused, *(call.plain if len(call.plain) == 1 else ())}
        cleared = {*blamed, *([call.suspect] if call.suspect else ())}
        self._culprit_found = self._culprit_found or not blamed.isdisjoint(self._suspects)
        suspects = dict.fromkeys(self._suspects)
        if len(call.plain) > 1:
            suspects |= dict.fromkeys(call.plain)
            self._culprit_found = call.renamed
        left = tuple(name for name in suspects if name not in cleared)
        if len(left) == 1 and not self._culprit_found:
            blamed, left = blamed.union(left), ()
        self.form = replace(self.form, limit_name=call.form.limit_name).without(blamed)
        self._suspects = left


class _Negotiation:
    """One call: the form in which it is put next, and what was refused so far."""

    def __init__(
        self, form: Form, body: Mapping[str, Any], extra: Mapping[str, Any], suspects: Collection[str]
    ) -> None:
        self._cautious = form.without(suspects)
        self._body = body
        self._extra = extra
        self._suspects = suspects
        self._base = form
        self._first: FailedAttempt | None = None
        self.renamed = False
        self.form = self._cautious
        self.refused: set[str] = set()
        self.plain: list[str] = []
        self.suspect: str | None = None
        self.probes = False

    def probe(self, suspect: str | None) -> None:
        """Restore one suspect in the first attempt."""
        if suspect is not None:
            self.suspect, self.probes = suspect, True
            self.form = self._base.without([name for name in self._suspects if name != suspect])

    @property
    def sent(self) -> dict[str, Any]:
        """The body of the next attempt."""
        return {**self.form.put(self._body), **self._extra}

    def adapt(self, failure: FailedAttempt) -> bool:
        """Choose the form of another attempt; False if none is worth making."""
        name = refused_parameter(failure, self.sent)
        if name in self._extra:
            return False
        if name in LIMITS:
            return self._rename(failure)
        if name is None and _names_no_cause(failure):
            if self.suspect is None:
                return self._make_plain(failure)
            name = self.suspect
        if name is not None:
            self._leave_out(name)
        return name is not None

    def failure(self, last: FailedAttempt) -> FailedAttempt:
        """Return the failure to report: the first without a cause, as later ones are about our changes."""
        shown = self._first if self._first is not None and not last.retry else last
        if not shown.refused or not self._extra or shown.advice != CHECK_REQUEST:
            return shown
        name = refused_parameter(shown, self.sent)
        if name in self._extra:
            return replace(shown, advice=f"FUNNEL_EXTRA_BODY sets {name}: remove it there for this model.")
        names = ", ".join(self._extra)
        return replace(shown, advice=f"{CHECK_REQUEST} FUNNEL_EXTRA_BODY adds {names}.")

    @property
    def _negotiable(self) -> dict[str, Any]:
        return {name: value for name, value in self.sent.items() if name not in self._extra}

    def _leave_out(self, name: str) -> None:
        if name == self.suspect:
            self.suspect = None
        self.refused.add(name)
        self.form = self.form.without([name])

    def _make_plain(self, failure: FailedAttempt) -> bool:
        """Leave out all that is optional; if that is done, use the other name of the token limit."""
        self._first = self._first or failure
        self.plain = self.plain or [part for part in OPTIONAL if _is_sent(part, self._negotiable)]
        plain = self.form.without(self.plain)
        if plain == self.form:
            return self._rename(failure)
        self.form = plain
        return True

    def _rename(self, failure: FailedAttempt) -> bool:
        """Use the other name of the token limit, or none if the endpoint knows neither."""
        name = self.form.limit_name
        if name is None:
            return False
        if not self.renamed:
            self.renamed = True
            self.form = replace(self.form, limit_name=LIMITS[name])
            return True
        if UNKNOWN.search(failure.said.message) is None:
            return False
        self.form = replace(self.form, limit_name=None)
        return True


def refused_parameter(failure: FailedAttempt, sent: Mapping[str, Any]) -> str | None:
    """Return which of the parameters sent a refusal is about; None if it names none of them."""
    said = failure.said
    named = failure.status in NAMELESS or (
        failure.status in FAILED_ON_IT and UNKNOWN.search(said.message) is not None
    )
    # The caller must correct an invalid schema; without the schema the answer could have any form.
    if not named or failure.too_long is not None or said.message.startswith("Invalid schema"):
        return None
    stated = re.split(r"[.\[]", said.param)[0]
    if stated in sent and stated not in {"messages", "model"}:
        return stated
    # Of several (`max_tokens` … use `max_completion_tokens`) the first is the refused one.
    found = {
        name: match.start()
        for name in (*sent, SYSTEM)
        if name not in {"messages", "model"} and _is_sent(name, sent)
        if (match := _spoken_of(name).search(said.message))
    }
    return min(found, key=lambda name: found[name], default=None)


def _spoken_of(name: str) -> re.Pattern[str]:
    return MEANT.get(name) or re.compile(rf"\b{re.escape(name)}\b")


def without_system_role(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the messages with the system's text before the user's first, and roles that alternate."""
    merged: list[dict[str, str]] = []
    for message in messages:
        role = "user" if message["role"] == "system" else message["role"]
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += f"\n\n{message['content']}"
        else:
            merged.append({"role": role, "content": message["content"]})
    return merged


def _names_no_cause(failure: FailedAttempt) -> bool:
    """Whether a refusal may be about a parameter although it names none."""
    if not failure.refused or failure.too_long is not None:
        return False
    words = f"{failure.said.message} {' '.join(failure.said.codes)}"
    if failure.status == MISSING:
        return "requested parameters" in words  # as OpenRouter words it
    return failure.status in NAMELESS and OTHER_CAUSE.search(words) is None


def _is_sent(name: str, body: Mapping[str, Any]) -> bool:
    if name == SYSTEM:
        return any(message["role"] == "system" for message in body["messages"])
    return name in body
