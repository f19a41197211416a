"""asyncio and executors for a sandbox that has neither sockets nor threads; knows no cell.

The event loop waits only for the host's answers. Sleeping takes no time, because nothing else could happen
meanwhile.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread
import inspect
import selectors
import time
from asyncio import events, runners, selector_events, tasks
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NoReturn

from funnel.sandbox.bubblewrap.guest.channel import HostCalls, HostFunction


class _Selector(selectors.BaseSelector):
    def __init__(self, calls: HostCalls) -> None:
        self._calls = calls
        self.slept_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return []
        if self._calls.has_waiting:
            self._calls.wait(timeout)
        elif timeout is None:
            raise RuntimeError("Deadlock: every coroutine waits for another one.")
        else:
            self.slept_s += timeout
        return []

    def register(self, *_: Any, **__: Any) -> NoReturn:
        raise PermissionError("no files and no network here")

    def unregister(self, fileobj: Any) -> NoReturn:
        raise KeyError(fileobj)

    def get_map(self) -> dict[Any, Any]:
        return {}


class HostLoop(selector_events.BaseSelectorEventLoop):
    """An event loop in which only host calls and sleeping take time."""

    def __init__(self, calls: HostCalls) -> None:
        self._waits = _Selector(calls)
        super().__init__(self._waits)

    def time(self) -> float:
        """Return the loop's clock in seconds; time spent in `sleep` is added although it takes none."""
        return time.monotonic() + self._waits.slept_s

    def _make_self_pipe(self) -> None:
        """Do nothing: there is no other thread that could wake the loop."""

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class SerialExecutor(concurrent.futures.Executor):
    """Runs each call as soon as it is submitted."""

    def __init__(self, *_args: Any, **_options: Any) -> None:
        super().__init__()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Run the call and return a finished future."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as exc:  # noqa: BLE001 - as the executors of the standard library do
            future.set_exception(exc)
        return future


async def _value(awaitable: Any) -> Any:
    return await awaitable if inspect.isawaitable(awaitable) else awaitable


def awaitable(value: Any) -> Awaitable[Any]:
    """Return an awaitable of `value`, so that code may await a host function's result, though it need not."""
    return value if inspect.isawaitable(value) else _value(value)


def start_call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function whose result is awaited; a host function is started without waiting for it."""
    return (function.start if isinstance(function, HostFunction) else function)(*args, **kwargs)


def run(calls: HostCalls, main: Any) -> Any:
    """Run a coroutine and return its result."""
    with asyncio.Runner(loop_factory=lambda: HostLoop(calls)) as runner:
        return runner.run(main)


def adapt(calls: HostCalls) -> None:
    """Patch asyncio, `time.sleep` and thread pools to do what is possible inside the sandbox."""

    def new_event_loop() -> HostLoop:
        return HostLoop(calls)

    patched: dict[str, Any] = {"new_event_loop": new_event_loop}
    ensure_future = tasks.ensure_future
    for name in ("as_completed", "wait_for", "ensure_future", "shield"):
        patched[name] = _accepting_values(getattr(tasks, name), awaitable)
    patched["gather"] = _accepting_values(tasks.gather, awaitable, everywhere=True)
    patched["create_task"] = _accepting_values(tasks.create_task, _coroutine)
    patched["wait"] = _accepting_values(tasks.wait, lambda value: ensure_future(awaitable(value)))
    asyncio_run = runners.run
    patched["run"] = lambda main, **options: asyncio_run(_value(main), **options)
    for name, function in patched.items():
        for module in (asyncio, events, tasks, runners):
            if hasattr(module, name):
                setattr(module, name, function)
    for name in ("DefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        if policy := getattr(asyncio, name, None):
            policy._loop_factory = staticmethod(new_event_loop)  # noqa: SLF001 - what `get_event_loop` makes
    concurrent.futures.ThreadPoolExecutor = concurrent.futures.thread.ThreadPoolExecutor = SerialExecutor  # type: ignore[assignment, misc]  # threads cannot start
    concurrent.futures.as_completed = _as_submitted  # type: ignore[assignment]  # of futures only
    time.sleep = _sleep  # type: ignore[assignment]  # of plain numbers only


def _as_submitted(
    futures: Iterable[concurrent.futures.Future[Any]],
    timeout: float | None = None,  # noqa: ARG001 - nothing is waited for
) -> Iterator[concurrent.futures.Future[Any]]:
    """Yield the futures in order; all are done, and the standard library would order them by address."""
    return iter(dict.fromkeys(futures))


def _sleep(seconds: float, /) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")


def _coroutine(value: Any) -> Any:
    return value if inspect.iscoroutine(value) else _value(value)


def _accepting_values(
    function: Callable[..., Any], convert: Callable[[Any], Any], *, everywhere: bool = False
) -> Callable[..., Any]:
    """Wrap an asyncio function so that it accepts plain values where it expects awaitables.

    Converts the first argument (or all with `everywhere`; for some functions it is a list of them).
    """
    name = function.__name__

    def converted(value: Any) -> Any:
        is_group = name in {"as_completed", "wait"} and isinstance(value, (list, tuple, set))
        return list(map(convert, value)) if is_group else convert(value)

    def call(*args: Any, **kwargs: Any) -> Any:
        count = len(args) if everywhere else 1
        return function(*map(converted, args[:count]), *args[count:], **kwargs)

    call.__name__ = name
    return call
