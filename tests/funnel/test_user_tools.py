"""Functions of a caller's own that the model's code calls: named, checked, bounded, on both sandboxes."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from pydantic import BaseModel
from second_stage import FREE, cell, doc, last, reading
from services.sandboxes import need

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import BadSetting, BadTool, LLMUnavailable, UnknownName
from funnel.journal.listing import runs
from funnel.llm.budget import Limits
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.run.options import Options, ResumeOptions
from funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox
from funnel.sandbox.monty.engine import MontySandbox
from funnel.tools import tool, user_tools
from indexes import RawDocuments

LEASES = doc("leases", "The lease of Hill House ends in May 2026. Ada Roth signed it.", "Leases")
GRANTS = doc("grants", "The board withdrew the grant of Project Heron in 2019.", "Grants")
DEEP = Options(mode="deep")
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")


def rate(currency: str, day: date | None = None) -> float:
    """The rate of the euro to a currency.

    As the bank publishes it.
    """
    return {"USD": 1.25, "CHF": 0.5}[currency] if day is None else float(day.year)


async def stock(item: str, *, at_least: int = 1) -> dict[str, int]:
    """How many of an item there are."""
    await asyncio.sleep(0)
    return {item: at_least + 1}


class Person(BaseModel):
    name: str
    born: date


def person() -> Person:
    """Whoever signed."""
    return Person(name="Ada", born=date(1900, 1, 2))


@pytest.fixture(scope="module", params=["monty", "bubblewrap"])
def engine(request):
    """Each of the two sandboxes."""
    if request.param == "bubblewrap":
        need("bubblewrap")
    engine = MontySandbox(max_processes=8) if request.param == "monty" else BubblewrapSandbox()
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
async def memory():
    opened = InMemory()
    yield opened
    await opened.close()


@asynccontextmanager
async def a_funnel(tmp_path, memory, engine, *root, documents=(LEASES, GRANTS), sub=()):
    leads, parts = ScriptedLLM(root), ScriptedLLM(sub, name="sub")
    models = Models(leads, parts, prices={**FREE, "sub": (0.0, 0.0)})
    yield Funnel(
        RawDocuments(documents).as_owner(), models=models, memory=memory, sandbox=engine, trace_dir=tmp_path,
        router=Router(),
    ), leads  # fmt: skip


@pytest.fixture
async def monty():
    opened = MontySandbox(max_processes=8)
    yield opened
    await opened.close()


@pytest.fixture
def ask(tmp_path, memory, monty):
    """One question with these tools: the answer, and what the model was told."""

    async def asked(*root, tools=(), sandbox=None, options=DEEP, **how):
        async with a_funnel(tmp_path, memory, sandbox or monty, *root, **how) as (funnel, leads):
            answer = await funnel.ask("Who signed?", replace(options, tools=tools))
            return answer, leads.requests

    return asked


@pytest.fixture
def mistake(ask):
    """Runs one expression and gives the error that the model is shown."""

    async def told(expression, *tools):
        _, requests = await ask(cell(expression), cell("submit('x', citations=[])"), tools=tools)
        return last(requests[1])

    return told


# how they are called


async def test_sync_and_async_functions_work_in_each_sandbox(ask, engine):
    work = cell(
        "submit([rate('USD'), rate('CHF', day='2024-05-01'), stock('pens', at_least=3), await stock('ink')],"
        " citations=[])"
    )
    answer, _ = await ask(work, tools=[rate, stock], sandbox=engine)
    assert answer.value == [1.25, 2024.0, {"pens": 4}, {"ink": 2}]


async def test_the_prompt_names_them_with_signature_and_first_line(ask):
    _, requests = await ask(cell("submit(1, citations=[])"), tools=[rate, stock])
    system = requests[0].messages[0].content
    assert (
        "found=False).\n"
        "- rate(currency: str, day: datetime.date | None = None) -> float: "
        "The rate of the euro to a currency.\n"
        "- stock(item: str, *, at_least: int = 1) -> dict[str, int]: How many of an item there are.\n\n1. The"
    ) in system


async def test_a_child_may_call_them_too(ask):
    work = cell("submit(rlm_query('What is the rate?', ['leases']), citations=[])")
    child = cell("submit(str(rate('USD')), citations=[])")
    answer, _ = await ask(work, child, tools=[rate])
    assert answer.text == "1.25"


async def test_a_result_is_told_as_json_values(ask):
    answer, _ = await ask(cell("submit(person(), citations=[])"), tools=[person])
    assert answer.value == {"name": "Ada", "born": "1900-01-02"}


async def test_a_function_that_waits_holds_up_nothing_else(ask):
    loop_went_on = threading.Event()

    def patient() -> bool:
        """Waits until the event loop goes on."""
        return loop_went_on.wait(60)

    async def setter():
        await asyncio.sleep(0.05)
        loop_went_on.set()

    going_on = asyncio.create_task(setter())
    answer, _ = await ask(cell("submit([patient()], citations=[])"), tools=[patient])
    await going_on
    assert answer.value == [True]


async def test_a_call_stands_in_the_trace_like_any_other(ask, tmp_path):
    options = replace(DEEP, trace=tmp_path / "t.jsonl")
    await ask(cell("submit(rate('USD'), citations=[])"), tools=[rate], options=options)
    assert '"name": "rate"' in (tmp_path / "t.jsonl").read_text().replace('":"', '": "')


# what the code did wrong


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("rate()", "rate(): missing a required argument: 'currency'. Signature: rate(currency: str"),
        ("rate(7)", "rate(): currency: Input should be a valid string. Signature: rate(currency: str"),
        ("rate('USD', day='soon')", "rate(): day: Input should be a valid date"),
        ("rate('USD', when=1)", "rate(): got an unexpected keyword argument 'when'"),
        ("stock('pens', at_least=[1])", "stock(): at_least: Input should be a valid integer"),
        ("rate('XXX')", "rate() failed: KeyError: 'XXX'"),
        ("rate('x' * 300_000)", "rate() was passed 300,016 characters; at most 200,000 are allowed"),
    ],
)
async def test_a_mistake_is_told_to_the_code(mistake, expression, told):
    assert told in await mistake(expression, rate, stock)


# bounds


async def test_a_slow_function_is_not_waited_for(mistake):
    over = threading.Event()

    @tool(timeout_s=0.05)
    def slow() -> int:
        """Takes its time."""
        over.wait(60)
        return 1

    @tool(timeout_s=0.05)
    async def stuck() -> int:
        """Never comes back."""
        await asyncio.Event().wait()
        return 1

    assert "slow() took more than 0.05 s" in await mistake("slow()", slow)
    over.set()
    assert "stuck() took more than 0.05 s" in await mistake("stuck()", stuck)


async def test_a_long_result_is_refused(mistake):
    @tool(max_result_chars=1_000)
    def long() -> str:
        """Much."""
        return "x" * 1_000

    assert "long() returned 1,002 characters, at most 1,000 are allowed" in await mistake("long()", long)


class Stopped(BaseException):
    """What some libraries raise to end a task, with words that fail."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "error", [StopIteration, SystemExit, RuntimeError, asyncio.CancelledError, TimeoutError, Stopped]
)
async def test_whatever_a_function_raises_is_an_error_of_its_call(mistake, error):
    def raises() -> int:
        """Raises."""
        raise error

    async def raises_later() -> int:
        """Raises."""
        if error is not StopIteration:  # which no coroutine can raise
            raise error
        raise RuntimeError

    told = await mistake("raises()", raises)
    assert "raises() failed: " in told
    assert "raises_later() failed: " in await mistake("raises_later()", raises_later)


async def test_what_only_a_thread_may_raise_is_an_error_of_its_call_too(mistake):
    def interrupted() -> int:
        """Raises."""
        raise KeyboardInterrupt

    assert "interrupted() failed: KeyboardInterrupt" in await mistake("interrupted()", interrupted)


async def test_an_error_with_half_a_character_is_told(mistake, caplog):
    caplog.set_level(logging.CRITICAL)  # pytest-xdist cannot send a log that holds it

    def unreadable() -> int:
        """Raises."""
        raise ValueError("no file \ud800")

    assert r"unreadable() failed: ValueError: no file \ud800" in await mistake("unreadable()", unreadable)


async def test_cancelling_a_run_in_a_function_cancels_the_run(ask):
    began = asyncio.Event()

    async def slow() -> int:
        """Slow."""
        began.set()
        await asyncio.sleep(60)
        return 1

    run = asyncio.create_task(ask(cell("slow()"), tools=[slow]))
    await began.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


def test_who_names_one_document_instead_of_a_list_exposes_all():
    @tool(exposes=lambda _result: "leases")
    def which() -> int:
        """Which."""
        return 1

    assert which.exposed(1) is None


async def test_a_wrapped_coroutine_function_is_awaited(ask):
    @functools.wraps(stock)
    def wrapped(*args, **kwargs):
        return stock(*args, **kwargs)

    answer, _ = await ask(cell("submit([stock('pens')], citations=[])"), tools=[wrapped])
    assert answer.value == [{"pens": 2}]


async def test_a_result_that_is_no_data_is_refused(mistake):
    def thing() -> object:
        """A thing."""
        return object()

    assert "thing() failed: PydanticSerializationError: Unable to serialize" in await mistake(
        "thing()", thing
    )


async def test_calls_are_counted_over_the_whole_run(ask):
    @tool(max_calls=3)
    def one() -> int:
        """One."""
        return 1

    child = cell("[one(), one()]", "submit('done', citations=[])")
    work = cell("rlm_query('q', ['leases'])", "one()", "try: one()", "except RuntimeError as e: print(e)")
    _, requests = await ask(work, child, cell("submit(1, citations=[])"), tools=[one])
    assert "one() was called 3 times, the most that a run may" in last(requests[2])


# what is refused before anything is spent


def undocumented(x: int) -> int:
    return x


def unhinted(x) -> int:
    """A text."""
    return x


def unsaid(x: int):
    """A text."""
    return x


def several(*x: int) -> int:
    """A text."""
    return len(x)


class Opaque:
    """Nothing that can be checked."""


def opaque(x: Opaque) -> int:
    """A text."""
    return 1


def local():
    class Inner(BaseModel):
        x: int

    def unseen(x: Inner) -> int:
        """A text."""
        return 1

    return unseen


def named(name):
    def function(x: int) -> int:
        """A text."""
        return x

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (undocumented, "The tool undocumented: it has no docstring"),
        (unhinted, "The tool unhinted: the parameter x has no type hint"),
        (unsaid, "The tool unsaid: it has no return hint"),
        (several, "The tool several: the parameter x cannot be passed by name"),
        (opaque, "The tool opaque: the type hint of x cannot be checked"),
        (local(), "The tool unseen: its type hints cannot be read (name 'Inner' is not defined)"),
        (named("search"), "The tool search: the model's code has something else of that name"),
        (named("context"), "The tool context: the model's code has something else of that name"),
        (named("json"), "The tool json: the model's code has something else of that name"),
        (named("print"), "The tool print: Python has something else of that name"),
        (named("<lambda>"), "The tool <lambda>: that is not a plain name"),
        (named("class"), "The tool class: that is not a plain name"),
        (3, "The tool 3: it is not a function"),
    ],
)
async def test_what_cannot_be_a_tool_is_refused_in_one_line(ask, memory, function, reason):
    with pytest.raises(BadTool) as caught:
        await ask(tools=[function])
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)
    assert await memory.namespaces() == []


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(BadTool, match="The tool rate: two tools have that name"):
        user_tools([rate, rate], ())


def test_a_declared_function_can_still_be_called():
    assert tool(exposes="nothing")(rate)("USD") == 1.25


# resuming


async def test_a_resumed_run_does_not_call_them_again(tmp_path, memory, monty):
    made = []

    def order(item: str) -> int:
        """Orders an item."""
        made.append(item)
        return len(made)

    options = replace(DEEP, tools=[order])
    async with a_funnel(tmp_path, memory, monty, cell("n = [order('a'), order('b')]"), DOWN, DOWN) as (
        first,
        _,
    ):
        answer = await first.ask("Who signed?", options)
    again = ResumeOptions(tools=[order])
    async with a_funnel(tmp_path, memory, monty, cell("submit([n, order('c')], citations=[])")) as (
        second,
        _,
    ):
        assert (await second.resume(answer.run, again)).value == [[1, 2], 3]
    assert made == ["a", "b", "c"]


async def test_a_function_that_changes_its_arguments_is_not_called_again(tmp_path, memory, monty):
    made = []

    def take(items: Any) -> float:
        """Takes items."""
        made.append(list(items))
        items.clear()
        return float("nan")

    options = replace(DEEP, tools=[take])
    async with a_funnel(tmp_path, memory, monty, cell("n = take(['a'])"), DOWN, DOWN) as (first, _):
        answer = await first.ask("Who signed?", options)
    last_cell = cell("submit(str(n), citations=[])")
    async with a_funnel(tmp_path, memory, monty, last_cell) as (second, _):
        resumed = await second.resume(answer.run, ResumeOptions(tools=[take]))
    assert (resumed.text, made) == ("None", [["a"]])
    assert not any("no longer fitted" in notice for notice in resumed.notices)


async def test_a_result_is_written_before_the_code_goes_on(tmp_path, memory, monty):
    """The process may die at once after the call, which may have had an effect."""
    written = []

    def order() -> int:
        """Orders."""
        return 1

    class Watched(InMemory):
        async def put_many(self, where, items, **how):
            written.extend(items.values())
            await super().put_many(where, items, **how)

    def second_call() -> bool:
        """Whether the result of the first call is written."""
        return any(b'"result":1,' in value.replace(b" ", b"") for value in written)

    watched = Watched()
    async with a_funnel(
        tmp_path, watched, monty, cell("order()", "submit([second_call()], citations=[])")
    ) as (
        funnel,
        _,
    ):
        answer = await funnel.ask("Who signed?", replace(DEEP, tools=[order, second_call]))
    assert answer.value == [True]
    await watched.close()


@pytest.mark.parametrize("tools", [(), (stock,), (stock, rate)])
async def test_a_run_is_resumed_with_the_tools_that_it_began_with_only(tmp_path, memory, monty, tools):
    async with a_funnel(tmp_path, memory, monty, cell("x = 1"), DOWN, DOWN) as (first, _):
        answer = await first.ask("Who signed?", replace(DEEP, tools=[rate]))
    async with a_funnel(tmp_path, memory, monty) as (second, leads):
        with pytest.raises(BadSetting, match=r"^tools: run \S+ began with rate\(currency: str") as caught:
            await second.resume(answer.run, ResumeOptions(tools=tools))
    assert "\n" not in str(caught.value)
    assert leads.requests == []


# what they show


ANN = Asker.of("ann")
OPEN = [replace(each, readers=frozenset({"ann"})) for each in (LEASES, GRANTS)]
ENDS = 'cite("leases", quote="The lease of Hill House ends in May 2026.")'
RECALL = cell("submit(recall('Hill House lease grant'), citations=[])")


def leak() -> str:
    """What stands in some document."""
    return GRANTS.text


@pytest.mark.parametrize(
    ("exposes", "told"),
    [(None, 0), ("everything", 0), ("nothing", 1), (lambda _: ["grants"], 0), (lambda _: ["leases"], 1)],
    ids=["says nothing", "everything", "nothing", "the other", "the same"],
)
async def test_what_a_run_found_out_is_told_to_who_may_read_all_that_a_tool_may_have_shown(
    ask, exposes, told
):
    """The run itself reads the lease only; what its tool shows stands in the grants."""
    shows = leak if exposes is None else tool(exposes=exposes)(leak)
    only = [OPEN[0], replace(OPEN[1], text="Of something else.")]
    options = replace(DEEP, asker=ANN, k=1)
    work = cell("text = leak()", f'submit("In May 2026 " + {ENDS} + ".")')
    await ask(work, tools=[shows], documents=only, options=replace(options, k=1))
    for documents, count in ((only, 1), ([only[0], replace(only[1], readers=frozenset())], told)):
        answer, _ = await ask(RECALL, documents=documents, options=options)
        assert len(answer.value) == count


async def test_an_error_may_show_as_much_as_a_result(ask):
    def fails() -> str:
        """Fails."""
        raise ValueError(GRANTS.text)

    options = replace(DEEP, asker=ANN, k=1)
    work = cell("try: fails()", "except RuntimeError: pass", f'submit("In May 2026 " + {ENDS} + ".")')
    await ask(work, tools=[fails], documents=OPEN, options=options)
    answer, _ = await ask(RECALL, documents=[OPEN[0], GRANTS], options=options)
    assert answer.value == []


async def test_a_stray_call_of_one_as_the_last_reply_is_no_answer(ask):
    options = replace(DEEP, limits=Limits(max_turns=1))
    not_there = reading("Not there.", found=False)
    answer, _ = await ask(cell("x = 1"), "rate('USD')", not_there, tools=[rate], options=options)
    assert answer.status == "declined"


async def test_the_run_keeps_with_what_tools_it_began(ask, memory):
    await ask(cell("submit(1, citations=[])"), tools=[stock])
    [found] = [each.record async for each in runs(memory, asker=LOCAL_OWNER)]
    assert found.tools == (
        "stock(item: str, *, at_least: int = 1) -> dict[str, int]: How many of an item there are.",
    )


# tools that a package brings


def brought(monkeypatch, value):
    point = EntryPoint(name="rate", value=value, group="funnel.tool")
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: EntryPoints([point]).select(group=group)
    )


async def test_a_tool_of_an_installed_package_is_named(ask, monkeypatch):
    brought(monkeypatch, f"{__name__}:rate")
    answer, requests = await ask(
        cell("print(rate('USD'))"), cell("submit('x', citations=[])"), tools=["rate"]
    )
    assert answer.status != "incomplete"
    assert "1.25" in last(requests[1])


def test_a_tool_that_no_package_brings_is_unknown(monkeypatch):
    brought(monkeypatch, f"{__name__}:rate")
    with pytest.raises(UnknownName, match=r"Unknown tool 'rates'\. Known: rate\."):
        user_tools(["rates"], ())


def test_a_package_whose_tool_does_not_load_is_named(monkeypatch):
    brought(monkeypatch, "no_such_module:rate")
    with pytest.raises(BadTool, match="The tool rate: its plug-in no_such_module:rate does not load"):
        user_tools(["rate"], ())
