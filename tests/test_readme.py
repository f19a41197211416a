"""What the README tells people to type works: its commands and snippets run, in its order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import ChatServer, Reply

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SUBMIT = "```python\nsubmit('They wait.', citations=[])\n```"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README has it: the demo's collection and the project's docs."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "docs").symlink_to(ROOT / "docs")
    done = run(["bash", "-c", "funnel demo --dir .demo"], folder)
    assert done.stdout.count("trace: ") == 4
    return folder


def run(command: list[str], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **env},
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("snippet", blocks("python"), ids=lambda snippet: snippet.split("\n")[0])
def test_a_python_snippet_of_the_readme_runs(snippet: str, folder: Path) -> None:
    run([sys.executable, "-c", snippet], folder)


@pytest.mark.parametrize("block", blocks("bash"), ids=lambda block: block.split("\n")[0])
def test_the_commands_of_the_readme_run(block: str, folder: Path, chat_server: ChatServer) -> None:
    script = re.sub(r"http://localhost:\d+/v1", chat_server.url, block)
    chat_server.replies.extend([Reply(text=SUBMIT)] * 10)
    run(["bash", "-euc", script], folder)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions of Python document other things")
def test_the_session_in_the_readme_is_what_the_demo_prints(folder: Path) -> None:
    printed = run(["bash", "-c", "funnel demo --dir .demo"], folder).stdout
    # Builds of 3.11 document some other functions, so that two equally good ones change places.
    quoted = [re.sub(r" \[\d+\]$", "", line) for line in blocks("text")[0].splitlines() if line[:2] == "- "]
    assert quoted
    assert [line for line in quoted if line not in printed] == []
