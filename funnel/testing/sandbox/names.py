"""Tests that no cell takes a function from the cells after it."""

from __future__ import annotations

import pytest

from funnel.sandbox.base import Sandbox
from funnel.testing.sandbox.fixtures import SandboxFixtures

TAKEN = {
    "assigned": "echo = 3",
    "assigned None": "echo = None",
    "deleted": "del echo",
    "defined": "def echo(x):\n    return 'mine'",
    "a class": "class echo:\n    pass",
    "imported": "import json as echo",
    "imported from": "from json import dumps as echo",
    "a loop's": "for echo in range(3):\n    pass",
    "a condition's": "if (echo := 3):\n    pass",
    "unpacked": "first, *echo = [1, 2, 3]",
    "a function's, by global": "def take():\n    global echo\n    echo = 3\ntake()",
    "before an error": "echo = 3\n1 / 0",
}
"""Ways to take the name of a host function, in every engine's Python."""


class NamesContract(SandboxFixtures):
    """Tests that the names of functions come back."""

    @pytest.mark.parametrize("code", TAKEN.values(), ids=TAKEN)
    async def test_a_host_function_comes_back_in_the_next_cell(self, sandbox: Sandbox, code: str) -> None:
        async with self.open(sandbox) as session:
            taken = await session.run(code)
            after = await session.run("print(echo('x'))")
        assert after.stdout == "x\n"
        assert [name for name, _ in taken.reclaimed] == ["echo"]

    async def test_the_name_of_an_error_is_a_functions_again_after_it(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("try:\n    1 / 0\nexcept ZeroDivisionError as echo:\n    pass")
            after = await session.run("print(echo('x'))")
        assert after.stdout == "x\n"

    async def test_what_a_cell_assigned_to_the_name_is_kept_under_another(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("echo_ = 'before'")
            taken = await session.run("echo = [1, 2]")
            ((_, kept),) = taken.reclaimed
            after = await session.run(f"print({kept}, echo_, echo('x'))")
        assert after.stdout == "[1, 2] before x\n"
        assert after.reclaimed == ()

    async def test_a_function_that_is_called_later_takes_no_name_for_good(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            first = await session.run("def take():\n    global echo\n    echo = 3")
            second = await session.run("take()\nprint(echo)")
            after = await session.run("print(echo('x'))")
        assert (first.reclaimed, second.stdout, after.stdout) == ((), "3\n", "x\n")
        assert [name for name, _ in second.reclaimed] == ["echo"]

    async def test_a_name_inside_a_function_is_its_own(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            result = await session.run("def double(echo):\n    return 2 * echo\nprint(double(4))")
            after = await session.run("print(double(5), echo('x'))")
        assert (result.stdout, result.reclaimed, after.stdout) == ("8\n", (), "10 x\n")

    @pytest.mark.parametrize("code", ["print = None", "print = 3", "def print(*x):\n    pass"])
    async def test_printing_comes_back_in_the_next_cell(self, sandbox: Sandbox, code: str) -> None:
        async with self.open(sandbox) as session:
            taken = await session.run(code)
            after = await session.run("print('seen')")
        assert after.stdout == "seen\n"
        assert [name for name, _ in taken.reclaimed] == ["print"]

    async def test_a_built_in_function_comes_back_where_nothing_was_made_of_it(
        self, sandbox: Sandbox
    ) -> None:
        async with self.open(sandbox) as session:
            taken = await session.run("len = None\nsum = 0\nsum += 2")
            after = await session.run("print(len('abc'), sum)")
        assert after.stdout == "3 2\n"
        assert taken.reclaimed == (("len", ""),)

    async def test_a_cell_that_was_undone_took_nothing(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            result = await session.run("echo = 3\nend()")
            after = await session.run("print(echo('x'))")
        assert (result.reclaimed, after.stdout) == ((), "x\n")
