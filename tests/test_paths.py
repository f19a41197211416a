"""A file or module of this project that a document, comment or setting names is there."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from funnel.factory import MODELS
from funnel.memory import MEMORIES
from funnel.sandbox import SANDBOXES
from funnel.tools import TOOLS
from indexes.dense import EMBEDDERS
from indexes.dense.engines import VECTOR_ENGINES
from indexes.lexical import LEXICAL_ENGINES
from indexes.loaders.documents import LOADERS
from indexes.rerank import RERANKERS

ROOT = Path(__file__).parents[1]
PATH = re.compile(
    r"(?<![\w./-])((?:funnel|indexes|tests|benchmarks|docs/decisions|\.ci|\.github)(?:/[\w.-]*\w)+|docs/\w+\.(?:md|svg))"
)
MODULE = re.compile(r"(?<![\w./-])((?:indexes|funnel(?=\.\w+\.))(?:\.\w+)+)(?![\w(])")
OURS = (MEMORIES, MODELS, SANDBOXES, TOOLS)
GROUPS = {
    registry.group for registry in (*OURS, EMBEDDERS, LEXICAL_ENGINES, LOADERS, RERANKERS, VECTOR_ENGINES)
}
"""The names of groups of entry points."""
KINDS = {".md", ".py", ".toml", ".yml", ".yaml", ".sh", ".txt", ""}


def files(*kinds: str) -> list[Path]:
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    found = [ROOT / name for name in listed.splitlines()]
    return [file for file in found if file.suffix in kinds and file.is_file()]


def test_every_path_that_is_named_exists():
    missing = [
        f"{file.relative_to(ROOT)}: {path}"
        for file in files(*KINDS)
        for path in PATH.findall(file.read_text())
        if not (ROOT / path).exists()
    ]
    assert missing == []


def is_there(name: str) -> bool:
    """Whether it is a module, or something in one."""
    module, _, rest = name.partition(".")
    found: object = import_module(module)
    for part in rest.split("."):
        module = f"{module}.{part}"
        if hasattr(found, part):
            found = getattr(found, part)
            continue
        try:
            found = import_module(module)
        except ModuleNotFoundError:
            return False
    return True


@pytest.mark.parametrize("file", files(".md"), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_that_a_document_names_exists(file):
    # OpenTelemetry's attributes are named with dots, too.
    lines = [line for line in file.read_text().splitlines() if "gen_ai." not in line]
    named = {name for line in lines for name in MODULE.findall(line)} - GROUPS
    assert sorted(name for name in named if not is_there(name)) == []
