"""Test kits for parts that you add: contract suites to inherit, and test doubles for your own code.

The suites need pytest, pytest-asyncio with `asyncio_mode = "auto"`, and hypothesis: the extra `testing`.

    funnel.testing.memory           MemoryContract, LastingMemoryContract
    funnel.testing.server_memory    ServerMemoryContract
    funnel.testing.text_index       TextIndexContract
    funnel.testing.sandbox          SandboxContract
    funnel.testing.model            ModelContract, EndpointModelContract
    funnel.testing.tool             ToolContract

The doubles need no extra: `ScriptedLLM`, `FakeClock`, the memories in `faulty_memory`, and `Proxy`.
"""

from __future__ import annotations

import sys

from funnel.llm.scripted import ScriptedLLM
from funnel.testing.clock import FakeClock
from funnel.testing.faulty_memory import FaultyMemory
from funnel.testing.proxy import Proxy

__all__ = ["FakeClock", "FaultyMemory", "Proxy", "ScriptedLLM"]

if "pytest" in sys.modules:
    import pytest

    # Before the suites are imported, so that a failed assertion in them shows its values.
    pytest.register_assert_rewrite(
        *(
            f"{__name__}.{suite}"
            for suite in ("memory", "server_memory", "text_index", "sandbox", "model", "tool")
        )
    )
