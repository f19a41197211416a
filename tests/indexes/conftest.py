"""A directory in memory where the machine has one: tests that kill and damage need no disk to be quick."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def ram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty directory for the tests of one file."""
    path = Path(tempfile.mkdtemp(dir=MEMORY)) if MEMORY.is_dir() else tmp_path_factory.mktemp("ram")
    yield path
    shutil.rmtree(path, ignore_errors=True)
