"""The contract of a tool, as tests to inherit: what a function that the model's code may call must do."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from funnel.inspector.tools.registry import RESERVED
from funnel.sandbox import open_sandbox
from funnel.sandbox.base import HostError
from funnel.tools import RunTools, UserTool, user_tools

Calls = Sequence[Mapping[str, Any]]


class ToolContract:
    """What every function for `Options(tools=[…])` must do, declared with `funnel.tool` or plain.

        class TestMine(ToolContract):
            @pytest.fixture
            def tool(self):
                return exchange_rate                        # or its name, if it is an entry point

            @pytest.fixture
            def calls(self):
                return [{"currency": "USD"}]                # arguments that it takes, at least one set

            @pytest.fixture
            def wrong_calls(self):
                return [{"currency": 7}, {}]                # arguments that it has to refuse

    Each of `calls` may be made many times, so a function with side effects needs a stand-in behind it.
    """

    @pytest.fixture
    def tool(self) -> Callable[..., Any] | str:
        """Return the function."""
        raise NotImplementedError("override the fixture `tool`: return a function or an installed name")

    @pytest.fixture
    def calls(self) -> Calls:
        """Return arguments by parameter, for calls that must work."""
        raise NotImplementedError("override the fixture `calls`: return a list of dicts")

    @pytest.fixture
    def wrong_calls(self) -> Calls:
        """Return arguments by parameter, for calls that must be refused."""
        raise NotImplementedError("override the fixture `wrong_calls`: return a list of dicts, maybe empty")

    @pytest.fixture
    def declared(self, tool: Callable[..., Any] | str) -> UserTool:
        """Return the function as funnel declares it to the model."""
        [declared] = user_tools([tool], RESERVED)
        return declared

    def test_the_model_is_told_its_name_types_and_purpose_in_one_line(self, declared: UserTool) -> None:
        assert declared.line.startswith(f"{declared.name}(")
        assert " -> " in declared.line
        assert declared.line.isprintable()
        assert declared.line.partition(": ")[2].strip()

    def test_the_line_is_the_same_in_every_process(self, declared: UserTool) -> None:
        # A resumed run is refused if it differs; an address in it would.
        assert " at 0x" not in declared.line

    def test_its_arguments_go_through_json(self, calls: Calls) -> None:
        assert calls
        assert all(json.loads(json.dumps(dict(arguments))) == arguments for arguments in calls)

    async def test_each_call_returns_json_within_its_bounds(self, declared: UserTool, calls: Calls) -> None:
        for arguments in calls:
            result = await declared.result(_bound(declared, arguments))
            assert json.loads(json.dumps(result)) == result

    async def test_a_wrong_call_is_refused_with_a_message_for_the_code(
        self, declared: UserTool, wrong_calls: Calls
    ) -> None:
        for arguments in wrong_calls:
            with pytest.raises(HostError) as refused:
                await declared.result(_bound(declared, arguments))
            assert declared.name in str(refused.value)

    async def test_it_names_the_documents_whose_text_a_result_may_hold(
        self, declared: UserTool, calls: Calls
    ) -> None:
        for arguments in calls:
            ids = declared.exposed(await declared.result(_bound(declared, arguments)))
            # None means any document, but a function that is meant to name them must not fail.
            assert ids is not None or declared.exposes == "everything"
            assert all(isinstance(each, str) and each for each in ids or ())

    async def test_many_concurrent_calls_complete(self, declared: UserTool, calls: Calls) -> None:
        tools = RunTools([declared])
        made = [_bound(declared, arguments) for arguments in calls] * 16
        async with asyncio.timeout(declared.timeout_s * 2):
            done = await asyncio.gather(*(tools.call(declared, dict(arguments)) for arguments in made))
        assert len(done) == len(made)

    async def test_a_cancelled_call_leaves_it_usable(self, declared: UserTool, calls: Calls) -> None:
        arguments = _bound(declared, calls[0])
        calling = asyncio.create_task(declared.result(dict(arguments)))
        await asyncio.sleep(0)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await declared.result(arguments)

    async def test_code_in_a_sandbox_can_call_it(self, declared: UserTool, calls: Calls) -> None:
        given: list[Any] = []

        async def call(*args: Any, **kwargs: Any) -> Any:
            result = await declared.result(declared.signature.bind(*args, **kwargs).arguments)
            given.append(result)
            return result

        sandbox = open_sandbox("monty")
        try:
            async with sandbox.session(
                {declared.name: call}, {"calls": [dict(each) for each in calls]}
            ) as cell:
                for number in range(len(calls)):
                    done = await cell.run(f"print({declared.name}(**calls[{number}]) is None)")
                    assert (done.error, done.stdout.strip()) == (None, str(given[-1] is None))
        finally:
            await sandbox.close()


def _bound(declared: UserTool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by parameter, as the model's code binds them."""
    try:
        return declared.signature.bind(**arguments).arguments
    except TypeError as error:
        raise HostError(
            f"{declared.name}(): {error}. Signature: {inspect.signature(declared.function)}"
        ) from None
