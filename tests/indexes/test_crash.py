"""A writer killed at any moment loses nothing that it had acknowledged, and leaves nothing half done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from indexes import Collection, Document
from indexes.catalog.schema import MIGRATIONS
from indexes.lexical.retriever import LexicalRetriever

WRITER = textwrap.dedent(
    """
    import sys
    from indexes import Collection, Document

    start = int(sys.argv[2])
    with Collection.open_or_create(sys.argv[1], lexical=sys.argv[3], dense=sys.argv[4]) as kb:
        print("open", flush=True)
        for i in range(start, start + 1000):
            kb.upsert([Document(f"d{i}", f"number n{i} of cats " * 3), Document(f"t{i}", "passing")])
            kb.delete([f"t{i - 1}"])
            print(f"done {i}", flush=True)
    """
)


def killed_while_writing(path: Path, start: int, engines: tuple[str, str], delay_s: float) -> int:
    """Start a writer, kill it, and give the number of the last document that it acknowledged."""
    command = [sys.executable, "-c", WRITER, str(path), str(start), *engines]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        time.sleep(delay_s)
        writer.send_signal(signal.SIGKILL)
        done = writer.stdout.read().split("\n")
    return max([int(line.split()[1]) for line in done if line.startswith("done ")], default=start - 1)


@pytest.mark.parametrize(
    ("lexical", "dense", "kills"),
    [
        ("tantivy", "faiss", 16),
        ("rank-bm25", "faiss", 4),
        ("tantivy", "exact", 8),
        pytest.param("tantivy", "faiss", 200, marks=pytest.mark.slow),
    ],
)
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path, lexical, dense, kills):
    moments = random.Random(1)
    path = tmp_path / "kb"
    last = -1
    for _ in range(kills):
        last = killed_while_writing(path, last + 1, (lexical, dense), moments.uniform(0, 0.4))
        with Collection.open(path) as kb:
            assert kb.verify() == []
            assert {f"d{i}" for i in range(last + 1)} <= set(kb.as_owner().ids())
            if last >= 0:
                assert kb.as_owner().search(f"n{last}", 1)[0].document.id == f"d{last}"
    assert last > 0


STEPS = [
    "indexes.lexical.retriever.LexicalRetriever.follow",
    "indexes.dense.retriever.FittedRetriever.follow",
    "indexes.dense.engines.file_engine.fsync",
]


@pytest.mark.parametrize("dense", ["faiss", "exact"])
@pytest.mark.parametrize("step", STEPS)
def test_a_write_that_dies_between_the_catalog_and_the_engines_is_finished_on_opening(
    tmp_path, monkeypatch, step, dense
):
    with Collection.create(tmp_path / "kb", dense=dense) as kb:
        kb.upsert([Document("a", "cat")])
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012  # patched
            patch.setattr(step, interrupted)
            kb.upsert([Document("b", "dog")])
    with Collection.open(tmp_path / "kb") as kb:
        assert kb.verify() == []
        assert kb.as_owner().search("dog")[0].document.id == "b"


def test_a_search_after_an_interrupted_write_finishes_it(tmp_path, monkeypatch):
    with Collection.create(tmp_path / "kb") as kb:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012  # patched
            patch.setattr(LexicalRetriever, "follow", interrupted)
            kb.upsert([Document("b", "dog")])
        assert kb.as_owner().search("dog")[0].document.id == "b"
        assert kb.verify() == []


def test_a_creation_that_died_half_way_can_be_done_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Exception, match="syntax"):  # noqa: PT012  # patched
        patch.setattr("indexes.catalog.schema.MIGRATIONS", (*MIGRATIONS, "NO SQL;"))
        Collection.create(tmp_path / "kb")
    with Collection.create(tmp_path / "kb") as kb:
        assert kb.verify() == []


def interrupted(*_, **__):
    raise KeyboardInterrupt
