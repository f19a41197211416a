"""The contract of a sandbox: what every engine must do, as a class of tests to inherit."""

from __future__ import annotations

import asyncio
import re
from typing import Any, NoReturn

import pytest

from funnel.errors import BudgetExceeded
from funnel.sandbox.base import CellResult, HostFunction, Sandbox, SandboxLimits
from funnel.sandbox.values import Compiled, compiled_pattern
from funnel.testing.sandbox.errors import ErrorsContract
from funnel.testing.sandbox.fixtures import FUNCTIONS, TIGHT
from funnel.testing.sandbox.isolation import IsolationContract
from funnel.testing.sandbox.names import NamesContract
from funnel.testing.sandbox.variables import VariablesContract

__all__ = ["FUNCTIONS", "TIGHT", "SandboxContract"]


class SandboxContract(IsolationContract, NamesContract, VariablesContract, ErrorsContract):
    """What every `funnel.sandbox.base.Sandbox` must do.

        class TestMine(SandboxContract):
            @pytest.fixture
            def sandbox(self):
                return MySandbox()

    The tests close every session that they open, and one of them closes the sandbox: a fixture that shares
    one engine between tests needs one that starts again after `close`. The code that they run uses
    only the small Python that every engine has.
    """

    async def test_it_has_a_name_and_a_short_dialect(self, sandbox: Sandbox) -> None:
        assert sandbox.name
        assert len(sandbox.dialect) <= 900

    async def test_printed_text_is_the_output(self, sandbox: Sandbox) -> None:
        assert await self.one(sandbox, "print('a', 1)\nprint('b')") == CellResult(stdout="a 1\nb\n")

    async def test_variables_last_from_cell_to_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("x = [1]")
            await session.run("x.append(2)")
            assert (await session.run("print(x)")).stdout == "[1, 2]\n"

    async def test_functions_last_from_cell_to_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("def double(n):\n    return 2 * n")
            assert (await session.run("print(double(4))")).stdout == "8\n"

    async def test_sessions_share_nothing(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as one, self.open(sandbox) as other:
            await one.run("x = 1")
            result = await other.run("print(x)")
            assert result.error is not None
            assert result.error.kind == "NameError"

    async def test_given_variables_are_there_with_their_types(self, sandbox: Sandbox) -> None:
        given = {"context": ["a", "b"], "n": 2, "meta": {"k": [1.5, None, True]}}
        async with self.open(sandbox, given) as session:
            assert (await session.run("print(context, n, meta)")).stdout == (
                "['a', 'b'] 2 {'k': [1.5, None, True]}\n"
            )

    async def test_a_lone_surrogate_in_a_variable_becomes_one_question_mark(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox, {"text": "a\ud800b"}) as session:
            assert (await session.run("print(text, len(text))")).stdout == "a?b 3\n"

    async def test_a_host_call_gives_its_result_without_await(self, sandbox: Sandbox) -> None:
        assert (await self.one(sandbox, "x = echo({'a': [1, 'b']})\nprint(x['a'])")).stdout == "[1, 'b']\n"

    async def test_a_host_call_takes_keywords(self, sandbox: Sandbox) -> None:
        assert (await self.one(sandbox, "print(echo(value='a', suffix='!'))")).stdout == "a!\n"

    async def test_a_host_call_works_inside_functions_and_comprehensions(self, sandbox: Sandbox) -> None:
        code = "def ask(v):\n    return echo(v)\nprint([ask(i) for i in range(3)])"
        assert (await self.one(sandbox, code)).stdout == "[0, 1, 2]\n"

    async def test_a_host_error_is_a_runtime_error_that_can_be_caught(self, sandbox: Sandbox) -> None:
        code = "try:\n    refuse()\nexcept RuntimeError as e:\n    print('caught', e)"
        assert (await self.one(sandbox, code)).stdout == "caught nothing of that name; known: a, b\n"

    async def test_a_host_error_that_is_not_caught_is_the_cells_error(self, sandbox: Sandbox) -> None:
        result = await self.one(sandbox, "x = 1\nrefuse()")
        assert result.error is not None
        assert (result.error.kind, result.error.line) == ("RuntimeError", 2)
        assert result.error.message == "nothing of that name; known: a, b"

    @pytest.mark.parametrize(
        "code",
        [
            "print('before')\nend(1)\nprint('after')",
            "print('before')\ntry:\n    end(1)\nexcept BaseException:\n    print('after')",
            "print('before')\ntry:\n    end(1)\nfinally:\n    print('after')",
            "print('before')\nwhile True:\n    try:\n        end()\n    except BaseException:\n        pass",
            "def stop():\n    end()\nprint('before')\nstop()\nprint('after')",
        ],
    )
    async def test_nothing_runs_after_end_of_cell(self, sandbox: Sandbox, code: str) -> None:
        result = await self.one(sandbox, code)
        assert (result.stdout, result.error, result.ended) == ("before\n", None, True)

    async def test_a_session_goes_on_after_end_of_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("x = 1")
            assert (await session.run("x = 2\nend()")).restored
            assert (await session.run("print(x)")).stdout == "1\n"

    async def test_another_exception_of_a_host_function_reaches_the_caller_unchanged(
        self, sandbox: Sandbox
    ) -> None:
        error = BudgetExceeded("max_calls", 1, 1)

        async def spend() -> NoReturn:
            raise error

        async with self.open(sandbox, spend=spend) as session:
            await session.run("x = 1")
            with pytest.raises(BudgetExceeded) as caught:
                await session.run("x = 2\ntry:\n    spend()\nexcept BaseException:\n    pass")
            assert caught.value is error
            assert (await session.run("print(x)")).stdout == "1\n"

    async def test_a_cancelled_cell_leaves_the_session_usable(self, sandbox: Sandbox) -> None:
        reached = asyncio.Event()

        async def hang() -> None:
            reached.set()
            await asyncio.Event().wait()

        async with self.open(sandbox, hang=hang) as session:
            await session.run("x = 1")
            running = asyncio.create_task(session.run("x = 2\nhang()"))
            await reached.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert (await session.run("print(x)")).stdout == "1\n"

    async def test_an_ordinary_error_names_kind_line_and_source(self, sandbox: Sandbox) -> None:
        result = await self.one(sandbox, "x = 1\n\nprint(x / 0)  # here")
        assert result.error is not None
        assert (result.error.kind, result.error.line) == ("ZeroDivisionError", 3)
        assert result.error.source_line == "print(x / 0)  # here"
        assert result.error.message == "division by zero"

    async def test_the_line_of_an_error_in_an_older_function_is_the_call_in_this_cell(
        self, sandbox: Sandbox
    ) -> None:
        async with self.open(sandbox) as session:
            await session.run("\n\n\ndef f():\n    return 1 / 0")
            result = await session.run("y = 1\nf()")
            assert result.error is not None
            assert (result.error.line, result.error.source_line) == (2, "f()")

    async def test_what_an_erring_cell_assigned_and_printed_is_kept(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            result = await session.run("x = 5\nprint('so far')\n1 / 0\nx = 6")
            assert result.stdout == "so far\n"
            assert not result.restored
            assert (await session.run("print(x)")).stdout == "5\n"

    async def test_a_syntax_error_is_an_error_with_its_line(self, sandbox: Sandbox) -> None:
        result = await self.one(sandbox, "x = 1\ny = = 2")
        assert result.error is not None
        assert (result.error.kind, result.error.line) == ("SyntaxError", 2)

    async def test_an_endless_loop_is_ended_and_the_session_restored(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("x = 1")
            result = await session.run("x = 2\nwhile True:\n    pass")
            assert result.restored
            assert result.error is not None
            assert result.error.kind == "TimeoutError"
            assert "0.3 s" in result.error.message
            assert (await session.run("print(x)")).stdout == "1\n"

    async def test_too_much_memory_is_an_error_and_the_session_is_restored(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            await session.run("x = 1")
            result = await session.run("x = 2\nbig = 'x' * 10**9")
            assert result.restored
            assert result.error is not None
            assert result.error.kind == "MemoryError"
            assert "64 MB" in result.error.message
            assert (await session.run("print(x)")).stdout == "1\n"

    async def test_given_variables_are_restored_after_a_broken_first_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox, {"context": "abc"}) as session:
            assert (await session.run("context = None\nwhile True:\n    pass")).restored
            assert (await session.run("print(context, echo(1))")).stdout == "abc 1\n"

    async def test_waiting_for_the_host_is_not_computing(self, sandbox: Sandbox) -> None:
        async def slow() -> str:
            await asyncio.sleep(2 * TIGHT.cell_s)
            return "late"

        assert (await self.one(sandbox, "print(slow())", slow=slow)).stdout == "late\n"

    async def test_long_output_is_cut_with_its_true_length(self, sandbox: Sandbox) -> None:
        result = await self.one(sandbox, "print('x' * 19_999)")
        assert result.error is None
        assert result.stdout.startswith("x" * 5_000 + "\n[output cut: 20,000 bytes")

    async def test_output_is_counted_in_bytes(self, sandbox: Sandbox) -> None:
        result = await self.one(sandbox, "print('é' * 4_000)")
        assert "[output cut: 8,001 bytes" in result.stdout

    async def test_output_is_counted_for_each_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            for _ in range(3):
                assert (await session.run("print('x' * 4_000)")).stdout == "x" * 4_000 + "\n"

    async def test_too_many_host_calls_end_the_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            result = await session.run(
                "while True:\n    try:\n        echo(1)\n    except BaseException:\n        pass"
            )
            assert result.error is not None
            assert "more than 50 host calls" in result.error.message
            assert (await session.run("print(echo(2))")).stdout == "2\n"

    async def test_host_calls_are_counted_for_each_cell(self, sandbox: Sandbox) -> None:
        async with self.open(sandbox) as session:
            for _ in range(3):
                assert (await session.run("for i in range(40): echo(i)")).error is None

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("l = [0]\nfor i in range(30): l = [l, l]\necho(l)", "pass a smaller one"),
            ("l = [0]\nfor i in range(40): l = [l, l]\necho(l)", "flatten it"),
            ("echo(['x' * 1_000_000] * 100)", "pass a slice of it"),
            ("class A:\n    pass\necho(A())", "pass str, int, float, bool, None"),
            ("echo()", "missing"),
            ("echo(1, 2, 3)", "too many"),
        ],
    )
    async def test_an_argument_that_cannot_cross_is_an_error_inside(
        self, sandbox: Sandbox, code: str, words: str
    ) -> None:
        result = await self.one(sandbox, code)
        assert result.error is not None
        assert result.error.kind == "TypeError"
        assert words in result.error.message

    async def test_json_values_cross_to_the_host_and_back_with_their_types(self, sandbox: Sandbox) -> None:
        seen: list[Any] = []

        async def take(value: Any) -> Any:
            seen.append(value)
            return value

        sent = "{'n': None, 't': True, 'i': 1, 'big': 2**70, 'f': 1.0, 's': 'é\U0001f600', 'l': [[], {}]}"
        result = await self.one(
            sandbox, f"v = {sent}\nprint(take(v) == v, take(True), take(1), take(1.0))", take=take
        )
        assert (result.error, result.stdout) == (None, "True True 1 1.0\n")
        assert repr(seen[0]) == repr(
            {"n": None, "t": True, "i": 1, "big": 2**70, "f": 1.0, "s": "é\U0001f600", "l": [[], {}]}
        )

    @pytest.mark.parametrize(
        ("written", "crosses"),
        [
            ("re.compile(r'a \\d+')", Compiled(r"a \d+", 0)),
            ("re.compile('it\\'s \"x\"\\n', re.I)", Compiled('it\'s "x"\n', re.IGNORECASE)),
            ("re.compile('é' * 300, re.M | re.S)", Compiled("é" * 300, re.MULTILINE | re.DOTALL)),
        ],
    )
    async def test_a_compiled_pattern_crosses_with_its_flags(
        self, sandbox: Sandbox, written: str, crosses: Compiled
    ) -> None:
        seen: list[Any] = []

        async def take(value: Any, *, also: Any) -> None:
            seen.extend([value, also])

        result = await self.one(sandbox, f"import re\np = {written}\ntake(p, also=p)", take=take)
        assert result.error is None
        assert [compiled_pattern(value) for value in seen] == [crosses, crosses]

    async def test_nothing_inside_changes_a_value_of_the_host(self, sandbox: Sandbox) -> None:
        given, kept = {"context": ["a"]}, ["a"]

        async def peek() -> list[str]:
            return kept

        async with self.open(sandbox, given, peek=peek) as session:
            assert (
                await session.run("context.append('b')\npeek().append('b')\nprint(context)")
            ).error is None
        assert (given, kept) == ({"context": ["a"]}, ["a"])

    async def test_limits_need_not_be_given(self, sandbox: Sandbox) -> None:
        async with sandbox.session({}, {"x": 1}) as session:
            assert (await session.run("print(x)")).stdout == "1\n"

    # many at once

    async def test_a_child_session_opens_inside_a_host_call_three_levels_deep(self, sandbox: Sandbox) -> None:
        def inspector(depth: int) -> HostFunction:
            async def ask(question: str) -> str:
                if depth == 0:
                    return question
                async with self.open(sandbox, ask=inspector(depth - 1)) as session:
                    return (await session.run(f"print(ask({question + str(depth)!r}), end='')")).stdout

            return ask

        assert await inspector(3)("q") == "q321"

    async def test_forty_sessions_wait_side_by_side(self, sandbox: Sandbox) -> None:
        arrived = 0
        everybody = asyncio.Event()

        async def meet() -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 40:
                everybody.set()
            await everybody.wait()

        async def guest(number: int) -> str:
            async with self.open(sandbox, {"n": number}, meet=meet) as session:
                return (await session.run("meet()\nprint(n)")).stdout

        async with asyncio.timeout(120):
            assert await asyncio.gather(*map(guest, range(40))) == [f"{n}\n" for n in range(40)]

    async def test_two_hundred_concurrent_sessions_complete(self, sandbox: Sandbox) -> None:
        opened = 0
        all_open = asyncio.Event()
        cells = ["x = [echo(n) for i in range(3)]", "x.append(echo(n + 1))", "print(x)"]

        async def inspector(number: int) -> list[str]:
            nonlocal opened
            async with self.open(sandbox, {"n": number}, SandboxLimits(cell_s=20)) as session:
                opened += 1
                if opened == 200:
                    all_open.set()
                await all_open.wait()
                return [(await session.run(code)).stdout for code in cells]

        async with asyncio.timeout(120):
            said = await asyncio.gather(*map(inspector, range(200)))
        assert said == [["", "", f"[{n}, {n}, {n}, {n + 1}]\n"] for n in range(200)]

    async def test_closing_twice_does_no_harm(self, sandbox: Sandbox) -> None:
        await self.one(sandbox, "pass")
        await sandbox.close()
        await sandbox.close()
