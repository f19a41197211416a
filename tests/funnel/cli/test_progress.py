"""The progress line of `funnel ask`: what its calls do, in a few words."""

from __future__ import annotations

from funnel.cli.running import ProgressLine
from funnel.trace.events import Events
from funnel.trace.kinds import CallWaits, ModelCallEnded, ModelCallStarted

CALL = ModelCallStarted(purpose="query", model="m", messages=(), max_output_tokens=9)


def test_the_line_tells_calls_that_wait_for_the_rate_from_those_in_flight():
    lines: list[str] = []
    events = Events("r", ProgressLine(lambda line, _words: lines.append(line)))
    with events.open(CALL, parent=None), events.open(CALL, parent=None) as call:
        with events.open(CallWaits(reason="HTTP 429, " + "slow " * 40, wait_s=30), parent=call.id):
            assert "1 in flight · 1 waiting for the endpoint's rate (HTTP 429, slow slow" in lines[-1]
            assert len(lines[-1]) < 160
        assert "2 in flight" in lines[-1]
        assert "waiting" not in lines[-1]
        call.end_with(ModelCallEnded())
    assert "2 calls · 0 in flight" in lines[-1]
