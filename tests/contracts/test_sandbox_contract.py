"""The sandbox contract fails for an engine that keeps nothing apart, and for results that are wrong."""

from __future__ import annotations

import contextlib
import io
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from funnel.sandbox.base import CellError, CellResult, Variable
from funnel.sandbox.monty.engine import MontySandbox
from funnel.testing.sandbox import SandboxContract


class ExecSession:
    def __init__(self, functions, variables):
        self.space = {**functions, **variables}

    async def run(self, code):
        printed, error = io.StringIO(), None
        with contextlib.redirect_stdout(printed):
            try:
                exec(code, self.space)  # noqa: S102 - what a sandbox must not be
            except Exception as raised:  # noqa: BLE001 - the error is the result
                error = CellError(type(raised).__name__, str(raised))
        return CellResult(printed.getvalue(), error)

    async def variables(self):
        return tuple(Variable(name, type(value).__name__) for name, value in self.space.items())


class ExecSandbox:
    """Runs cells in this very process."""

    name, dialect = "exec", ""

    @asynccontextmanager
    async def session(self, functions, variables, limits=None):
        yield ExecSession(functions, variables)

    async def close(self):
        """Nothing was started."""


class Changed:
    """Monty, with every result changed by `change(result)`."""

    name, dialect = "changed", ""

    def __init__(self, change):
        self.engine, self.change = MontySandbox(max_processes=2), change

    @asynccontextmanager
    async def session(self, functions, variables, limits):
        async with self.engine.session(functions, variables, limits) as session:
            run, change = session.run, self.change

            class Session:
                async def run(self, code):
                    return change(await run(code))

                async def variables(self):
                    return await session.variables()

            yield Session()

    async def close(self):
        await self.engine.close()


@pytest.fixture
def given(tmp_path, monkeypatch):
    return {"tmp_path": tmp_path, "monkeypatch": monkeypatch}


async def fails(sandbox, test, given):
    method = getattr(SandboxContract(), test)
    asked = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await method(**{name: {"sandbox": sandbox, **given}[name] for name in asked})
    await sandbox.close()


# The code of these tests leaves files and connections open, which ends with the process of a sandbox.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "test",
    [
        "test_no_file_of_the_host_can_be_read",
        "test_no_file_of_the_host_can_be_written",
        "test_no_program_of_the_host_can_be_run",
        "test_no_variable_of_the_environment_can_be_read",
        "test_nothing_on_the_network_can_be_reached",
        "test_long_output_is_cut_with_its_true_length",
        "test_modules_host_functions_and_underscored_names_are_not_told",
    ],
)
async def test_an_engine_that_keeps_nothing_apart_fails_the_contract(given, test):
    await fails(ExecSandbox(), test, given)


@pytest.mark.parametrize(
    ("change", "test"),
    [
        (lambda r: replace(r, restored=False), "test_a_session_goes_on_after_end_of_cell"),
        (lambda r: replace(r, stdout=r.stdout.rstrip()), "test_printed_text_is_the_output"),
        (lambda r: replace(r, error=None), "test_an_ordinary_error_names_kind_line_and_source"),
        (lambda r: replace(r, restored=True), "test_what_an_erring_cell_assigned_and_printed_is_kept"),
        (lambda r: replace(r, stdout=r.stdout[:4_000]), "test_output_is_counted_for_each_cell"),
        (
            lambda r: replace(r, stdout=r.stdout.replace("bytes", "characters")),
            "test_output_is_counted_in_bytes",
        ),
        (
            lambda r: replace(r, reclaimed=(("echo", ""),)),
            "test_a_name_inside_a_function_is_its_own",
        ),
        (
            lambda r: replace(r, reclaimed=()),
            "test_a_built_in_function_comes_back_where_nothing_was_made_of_it",
        ),
    ],
)
async def test_an_engine_with_wrong_results_fails_the_contract(given, change, test):
    await fails(Changed(change), test, given)
