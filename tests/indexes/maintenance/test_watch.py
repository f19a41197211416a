from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from indexes import Collection
from indexes.errors import MassDeletion, SourceNotFound
from indexes.maintenance import watch as module
from indexes.maintenance.watch import watch
from indexes.storage.lock import WriterLock

PATIENCE_S = 120.0


class Watching:
    """A watch in a thread, and what it told."""

    def __init__(self, collection, paths, poll_s):
        self.told = []
        self.stop = threading.Event()
        self._thread = threading.Thread(
            target=watch,
            args=(collection, paths, lambda path, what: self.told.append(what)),
            kwargs={"stop": self.stop, "poll_s": poll_s},
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.02)


@pytest.fixture(params=[0.05, None], ids=["polling", "told"])
def poll_s(request):
    if request.param is None:
        pytest.importorskip("watchfiles")
    return request.param


@pytest.fixture
def docs(tmp_path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for i in range(3):
        (folder / f"f{i}.txt").write_text(f"cats number n{i}")
    return folder


@pytest.fixture
def kb(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "QUIET_S", 0.05)
    monkeypatch.setattr(module, "POLL_S", 0.1)
    monkeypatch.setattr(module, "_WAKE_MS", 500)
    with Collection.create(tmp_path / "kb") as collection:
        yield collection


def test_files_that_come_change_are_renamed_and_go_are_followed(kb, docs, poll_s):
    with Watching(kb, [docs], poll_s):
        until(lambda: kb.as_owner().ids() == ["docs/f0.txt", "docs/f1.txt", "docs/f2.txt"])
        (docs / "new.txt").write_text("zebras graze")
        until(lambda: kb.as_owner().document("docs/new.txt") is not None)
        (docs / "new.txt").write_text("zebras sleep at noon")
        until(lambda: kb.as_owner().document("docs/new.txt").text == "zebras sleep at noon")
        (docs / "new.txt").rename(docs / "old.txt")
        until(lambda: {"docs/old.txt"} == set(kb.as_owner().ids()) - {f"docs/f{i}.txt" for i in range(3)})
        (docs / "old.txt").unlink()
        until(lambda: len(kb) == 3)
    assert kb.verify() == []


def test_a_burst_is_one_sync(kb, docs, poll_s, monkeypatch):
    monkeypatch.setattr(module, "QUIET_S", 1.5)
    with Watching(kb, [docs], poll_s) as watching:
        until(lambda: len(kb) == 3)
        for i in range(30):
            (docs / f"burst{i}.txt").write_text(f"burst b{i}")
        until(lambda: len(kb) == 33)
    assert [len(done.changes.added) for done in watching.told] == [3, 30]


def test_a_root_that_is_gone_takes_nothing_out_and_is_followed_when_it_is_back(kb, docs, poll_s):
    with Watching(kb, [docs], poll_s) as watching:
        until(lambda: len(kb) == 3)
        shutil.move(docs, docs.with_name("away"))
        until(lambda: any(isinstance(what, SourceNotFound) for what in watching.told))
        assert len(kb) == 3
        shutil.move(docs.with_name("away"), docs)
        (docs / "new.txt").write_text("zebras")
        until(lambda: len(kb) == 4)


def test_a_mass_deletion_is_told_and_not_done(kb, docs, poll_s):
    for i in range(20):
        (docs / f"m{i}.txt").write_text(f"mass m{i}")
    with Watching(kb, [docs], poll_s) as watching:
        until(lambda: len(kb) == 23)
        for i in range(20):
            (docs / f"m{i}.txt").unlink()
        until(lambda: any(isinstance(what, MassDeletion) for what in watching.told))
    assert len(kb) == 23


def test_while_another_writes_it_is_tried_again(kb, docs, monkeypatch):
    monkeypatch.setattr("indexes.storage.lock.WAIT_S", 0.05)
    with Watching(kb, [docs], 0.05) as watching:
        until(lambda: len(kb) == 3)
        with WriterLock(kb.path).hold():
            (docs / "new.txt").write_text("zebras")
            until(lambda: len(watching.told) > 1)
        until(lambda: len(kb) == 4)


def test_without_watchfiles_it_looks_by_itself(kb, docs, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with Watching(kb, [docs], None):
        until(lambda: len(kb) == 3)
        (docs / "new.txt").write_text("zebras")
        until(lambda: len(kb) == 4)
