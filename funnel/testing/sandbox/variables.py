"""Tests that a session tells its variables."""

from __future__ import annotations

import pytest

from funnel.sandbox.base import Sandbox, Variable
from funnel.testing.sandbox.fixtures import SandboxFixtures

SIZED = {"text": "'abc'", "items": "[1, 2]", "table": "{'a': 1}", "pair": "(1, 2)", "unique": "{1}"}


class VariablesContract(SandboxFixtures):
    """Tests of `Session.variables`."""

    async def test_variables_are_told_with_the_name_of_their_type_and_their_length(
        self, sandbox: Sandbox
    ) -> None:
        async with self.open(sandbox) as session:
            await session.run("\n".join(f"{name} = {value}" for name, value in SIZED.items()))
            assert await session.variables() == (
                Variable("items", "list", 2),
                Variable("pair", "tuple", 2),
                Variable("table", "dict", 1),
                Variable("text", "str", 3),
                Variable("unique", "set", 1),
            )

    async def test_given_variables_are_told_before_the_first_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox, {"context": ["a", "b"], "n": 2}) as session:
            assert await session.variables() == (Variable("context", "list", 2), Variable("n", "int"))

    async def test_own_functions_and_objects_are_told_without_a_length(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run(
                "def double(n):\n    m = n\n    return 2 * m\nclass Box:\n    pass\nbox = Box()"
            )
            assert [(v.name, v.kind, v.size) for v in await session.variables()] == [
                ("Box", "type", None),
                ("box", "Box", None),
                ("double", "function", None),
            ]

    async def test_modules_host_functions_and_underscored_names_are_not_told(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("import json, re as regex\n_hidden = 1\nprint(echo(1))\n3")
            assert await session.variables() == ()

    async def test_a_variable_is_told_as_it_is_now(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("x = [1]")
            before = await session.variables()
            await session.run("x = 'abc'")
            after = await session.variables()
        assert (before, after) == ((Variable("x", "list", 1),), (Variable("x", "str", 3),))

    async def test_telling_the_variables_changes_none(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox, {"context": "abc"}) as session:
            await session.run("x = 1")
            await session.variables()
            told = await session.variables()
            result = await session.run("print(x, context, echo('a'))")
        assert (len(told), result.stdout) == (2, "1 abc a\n")

    async def test_what_an_undone_cell_assigned_is_not_told(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("x = 1")
            await session.run("y = 2\nend()")
            assert await session.variables() == (Variable("x", "int"),)

    @pytest.mark.parametrize("taken", ["len = type = 3", "def len(x):\n    return 99\ntype = len"])
    async def test_a_cell_that_took_a_built_in_function_changes_nothing_of_the_list(
        self, sandbox: Sandbox, taken: str
    ) -> None:
        async with self.open(sandbox) as session:
            await session.run(taken)
            await session.run("x = [1, 2]")
            assert Variable("x", "list", 2) in await session.variables()
