"""Tests that an error of a cell says where it is and what to write."""

from __future__ import annotations

from typing import Any

import pytest

from funnel.sandbox.base import CellError, Sandbox
from funnel.testing.sandbox.fixtures import SandboxFixtures


class ErrorsContract(SandboxFixtures):
    """Tests of `CellError` and of `CellResult.refused`."""

    async def error(self, sandbox: Sandbox, code: str, **functions: Any) -> CellError:
        """Run one cell and return its error."""
        result = await self.one(sandbox, code, **functions)
        assert result.error is not None
        return result.error

    async def test_an_attribute_of_a_dict_is_answered_by_its_key(self, sandbox: Sandbox) -> None:
        error = await self.error(sandbox, "hit = {'title': 'a'}\nprint(hit.title)")
        assert 'hit["title"]' in error.hint

    async def test_a_slice_of_none_is_answered_by_a_test(self, sandbox: Sandbox) -> None:
        error = await self.error(sandbox, "found = None\nprint(found[0:5])")
        assert "if found is not None" in error.hint

    async def test_a_missing_key_is_answered_by_the_keys_there_are(self, sandbox: Sandbox) -> None:
        error = await self.error(sandbox, "d = {'a': 1, 'b': 2}\nprint(d['c'])")
        assert error.message == "'c' (the keys are 'a', 'b')"

    async def test_of_many_keys_the_first_are_told_and_how_many_more(self, sandbox: Sandbox) -> None:
        error = await self.error(sandbox, "d = {i: 1 for i in range(1_000)}\nprint(d['c'])")
        assert error.message.endswith("10, 11 and 988 more)")

    async def test_an_unknown_name_is_answered_by_the_nearest_variable(self, sandbox: Sandbox) -> None:
        error = await self.error(sandbox, "passages = [1]\nprint(pasages)")
        assert "passages" in error.hint

    async def test_an_unknown_name_is_answered_by_the_nearest_host_function(self, sandbox: Sandbox) -> None:
        assert "echo" in (await self.error(sandbox, "eco(1)")).hint

    async def test_a_wrong_keyword_of_a_host_function_is_answered_by_its_parameters(
        self, sandbox: Sandbox
    ) -> None:
        error = await self.error(sandbox, "echo(value=1, sufix='!')")
        assert error.message.endswith("it is echo(value, *, suffix='')")

    async def test_the_line_of_an_error_in_an_own_function_is_the_statement_that_called_it(
        self, sandbox: Sandbox
    ) -> None:
        error = await self.error(sandbox, "def half(n):\n    return n / 0\nx = 1\ny = half(x)")
        assert (error.line, error.source_line) == (4, "y = half(x)")
        assert error.within == "line 2, in half: return n / 0"

    async def test_an_error_in_a_function_of_an_earlier_cell_quotes_it(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("def half(n):\n    return n / 0")
            result = await session.run("x = 1\nhalf(x)")
        assert result.error is not None
        assert (result.error.line, result.error.within) == (2, "in half: return n / 0")

    @pytest.mark.parametrize("code", ["print(1)\nx = = 2", "print(1)\nif x\n    y"])
    async def test_nothing_runs_of_a_cell_that_is_not_python(self, sandbox: Sandbox, code: str) -> None:
        result = await self.one(sandbox, code)
        assert (result.stdout, result.refused, result.restored) == ("", True, False)

    async def test_a_cell_that_ran_up_to_an_error_is_not_refused(self, sandbox: Sandbox) -> None:
        assert not (await self.one(sandbox, "print(1)\n1 / 0")).refused

    async def test_a_syntax_error_that_code_raises_itself_is_not_a_refusal(self, sandbox: Sandbox) -> None:
        assert not (await self.one(sandbox, "print(1)\nraise SyntaxError('x')")).refused
