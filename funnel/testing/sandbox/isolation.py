"""Tests of isolation: no file, program, variable or connection of the host can be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from funnel.sandbox.base import (
    Sandbox,
)
from funnel.testing.sandbox.fixtures import SandboxFixtures


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


class IsolationContract(SandboxFixtures):
    """Tests that nothing of the host can be reached from inside."""

    async def test_no_file_of_the_host_can_be_read(self, sandbox: Sandbox, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("hunter2")
        result = await self.one(sandbox, f"print(open({str(secret)!r}).read())")
        assert result.error is not None
        assert "hunter2" not in f"{result}"

    async def test_no_file_of_the_host_can_be_written(self, sandbox: Sandbox, tmp_path: Path) -> None:
        await self.one(sandbox, f"f = open({str(tmp_path / 'made')!r}, 'w')\nf.write('x')\nf.close()")
        assert _names(tmp_path) == []

    async def test_no_program_of_the_host_can_be_run(self, sandbox: Sandbox, tmp_path: Path) -> None:
        code = f"import subprocess\nsubprocess.run(['touch', {str(tmp_path / 'made')!r}])"
        await self.one(sandbox, code)
        assert _names(tmp_path) == []

    async def test_no_variable_of_the_environment_can_be_read(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
        result = await self.one(sandbox, "import os\nprint(os.environ, os.getenv('OPENAI_API_KEY'))")
        assert "hunter2" not in f"{result}"

    async def test_nothing_on_the_network_can_be_reached(self, sandbox: Sandbox) -> None:
        reached: list[str] = []

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            reached.append("connected")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 0.2)"
            result = await self.one(sandbox, code)
        assert result.error is not None
        assert reached == []
