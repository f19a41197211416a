"""What runs in the sandbox before the model's first cell, while the model thinks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from second_stage import a_run, cell, reading

from funnel.errors import SandboxDied
from funnel.inspector import Inspector
from funnel.inspector.loop import PRELUDE
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox.monty.engine import MontySandbox


class Prelude:
    """A sandbox whose sessions do `first` before they run the prelude."""

    def __init__(self, sandbox: MontySandbox, first) -> None:
        self.name, self.dialect = sandbox.name, sandbox.dialect
        self._sandbox = sandbox
        self._first = first

    @asynccontextmanager
    async def session(self, *given):
        async with self._sandbox.session(*given) as session:
            run = session.run

            async def after(code):
                if code == PRELUDE:
                    await self._first()
                return await run(code)

            session.run = after
            yield session


async def test_the_model_is_asked_while_it_runs_and_its_cell_comes_after_it(sandbox):
    asked = asyncio.Event()

    def reply(_request):
        asked.set()
        return cell("submit(math.sqrt(49), citations=[])")

    async with asyncio.timeout(20), a_run(ScriptedLLM([reply])) as bench:
        draft = await Inspector(Prelude(sandbox, asked.wait)).answer(bench.run, bench.hits())
    assert draft.value == 7.0


async def test_a_sandbox_that_dies_of_it_is_work_that_ended_and_says_why(sandbox):
    async def die():
        raise SandboxDied("monty", "it was killed")

    model = ScriptedLLM(
        [cell("submit(1, citations=[])"), "NOT FOUND", reading("It is not said.", found=False)]
    )
    async with a_run(model) as bench:
        draft = await Inspector(Prelude(sandbox, die)).answer(bench.run, bench.hits())
    assert draft.status == "failed"
    assert "it was killed" in draft.notices[0]
