"""A session that begins in the small Python goes on in the full one when a cell needs it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from funnel.errors import SandboxUnavailable
from funnel.sandbox import open_sandbox
from funnel.sandbox.auto import SWITCHED, AutoSandbox
from funnel.sandbox.base import HostError
from funnel.sandbox.monty.engine import MontySandbox
from funnel.testing.sandbox import SandboxContract

YIELDS = "def evens(n):\n    for i in range(0, n, 2):\n        yield i\nprint(list(evens(5)))"


class TestAuto(SandboxContract):
    @pytest.fixture
    async def sandbox(self):
        engine = AutoSandbox()
        yield engine
        await engine.close()


@pytest.fixture
async def sandbox():
    engine = AutoSandbox()
    yield engine
    await engine.close()


class Asked:
    """A host function that counts its calls."""

    def __init__(self):
        self.prompts = []

    async def ask(self, prompt, *, fail=False):
        self.prompts.append(prompt)
        if fail:
            raise HostError("not today")
        return f"{len(self.prompts)}:{prompt}"


async def test_a_cell_that_the_small_python_lacks_runs_in_the_full_one(sandbox):
    async with sandbox.session({}, {}) as session:
        result = await session.run(YIELDS)
    assert (result.stdout, result.error, result.remarks) == ("[0, 2, 4]\n", None, (SWITCHED,))


async def test_what_the_small_python_has_stays_there(sandbox):
    async with sandbox.session({}, {}) as session:
        assert (await session.run("print(1)")).remarks == ()
        assert (await session.run("print(x)")).remarks == ()


async def test_variables_and_functions_of_earlier_cells_are_there_after_the_switch(sandbox):
    async with sandbox.session({}, {"given": [1, 2]}) as session:
        await session.run("def double(n):\n    return 2 * n\nx = double(4)")
        await session.run("y = x + 1\n1 / 0")
        result = await session.run(f"{YIELDS}\nprint(x, y, double(1), given)")
        after = await session.run("print(sum(evens(9)))")
    assert (result.stdout, after.stdout) == ("[0, 2, 4]\n8 9 2 [1, 2]\n", "20\n")


async def test_calls_of_earlier_cells_are_not_made_again(sandbox):
    asked = Asked()
    async with sandbox.session({"ask": asked.ask}, {}) as session:
        await session.run("a = ask('first')\nb = [ask('same') for i in range(2)]")
        await session.run("try:\n    ask('bad', fail=True)\nexcept RuntimeError as e:\n    c = str(e)")
        result = await session.run(f"{YIELDS}\nprint(a, b, c, ask('second'))")
    assert asked.prompts == ["first", "same", "same", "bad", "second"]
    assert result.stdout == "[0, 2, 4]\n1:first ['2:same', '3:same'] not today 5:second\n"


async def test_calls_that_a_cell_made_before_it_failed_are_not_made_again(sandbox):
    asked = Asked()
    async with sandbox.session({"ask": asked.ask}, {}) as session:
        result = await session.run(
            "a = ask('one')\nimport zlib\nprint(a, zlib.crc32(b'abc') > 0, ask('two'))"
        )
    assert (asked.prompts, result.stdout) == (["one", "two"], "1:one True 2:two\n")


async def test_a_session_whose_cells_print_something_else_again_stays_with_a_hint(sandbox):
    async with sandbox.session({}, {}) as session:
        await session.run("import time\nprint(time.time())")
        result = await session.run(YIELDS)
        assert result.error is not None
        assert "append to a list" in result.error.hint
        assert (await session.run("print(2)")).stdout == "2\n"


async def test_a_cell_that_no_python_here_can_run_does_not_switch(sandbox):
    async with sandbox.session({}, {}) as session:
        result = await session.run("import requests")
        assert result.error is not None
        assert (result.error.kind, result.remarks) == ("ModuleNotFoundError", ())


async def test_without_the_full_python_the_hint_is_given():
    class Missing:
        name, dialect = "missing", ""

        @asynccontextmanager
        async def session(self, functions, variables, limits):
            raise SandboxUnavailable("missing", "it is not installed")
            yield

        async def close(self):
            """Nothing was started."""

    engine = AutoSandbox(MontySandbox(), Missing())
    async with engine.session({}, {}) as session:
        await session.run("x = 1")
        result = await session.run(YIELDS)
        assert result.error is not None
        assert "append to a list" in result.error.hint
        assert (await session.run("print(x)")).stdout == "1\n"
    await engine.close()


async def test_the_variables_are_those_of_the_session_that_goes_on(sandbox):
    async with sandbox.session({}, {}) as session:
        await session.run("x = [1]")
        await session.run(YIELDS)
        assert [each.name for each in await session.variables()] == ["evens", "x"]


def test_it_is_chosen_by_its_name():
    assert open_sandbox("auto").name == "auto"
