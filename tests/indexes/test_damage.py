"""Whatever is done to an engine's files: it is seen on opening, and the engine is built anew."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from indexes import Collection, Document

ENGINES = ("lexical", "dense")
WORDS = {f"d{i}": f"number n{i}" for i in range(8)} | {f"e{i}": f"passing p{i}" for i in range(4)}


def truncated(data: bytes, _: random.Random) -> bytes:
    return data[: len(data) // 2]


def emptied(_data: bytes, _: random.Random) -> bytes:
    return b""


def flipped(data: bytes, chance: random.Random) -> bytes:
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def longer(data: bytes, _: random.Random) -> bytes:
    return data + b"\0"


def garbage(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(data))


HARMS: dict[str, tuple[Callable[[bytes, random.Random], bytes], int]] = {
    "truncated": (truncated, 1),
    "emptied": (emptied, 1),
    "flipped": (flipped, 4),
    "longer": (longer, 1),
    "garbage": (garbage, 1),
}


@pytest.fixture(scope="module")
def whole(ram) -> Path:
    path = ram / "kb"
    with Collection.create(path) as kb:
        kb.upsert([Document(f"d{i}", f"cat number n{i} with dogs", title=f"On n{i}") for i in range(8)])
        kb.upsert([Document(f"e{i}", f"passing p{i}") for i in range(4)])
        kb.delete(["d4", "e2"])
    return path


def found(kb: Collection) -> dict[str, str]:
    """The best document for the words that only it has, for each that is stored."""
    return {id_: kb.search(WORDS[id_], 1)[0].document.id for id_ in kb.ids()}


@pytest.mark.parametrize("harm", HARMS)
def test_every_damaged_file_of_an_engine_is_seen_and_the_answers_stay_the_same(whole, ram, harm):
    harmed, times = HARMS[harm]
    with Collection.open(whole) as kb:
        expected = {id_: id_ for id_ in kb.ids()}
        assert (len(expected), found(kb)) == (10, expected)
    files = [path for leg in ENGINES for path in sorted((whole / leg).iterdir()) if path.stat().st_size]
    names = [path.relative_to(whole) for path in files]
    assert len(names) > 10
    for number, name in enumerate(names):
        for turn in range(times):
            copy = ram / f"{number}-{turn}"
            shutil.copytree(whole, copy)
            data = (copy / name).read_bytes()
            (copy / name).write_bytes(harmed(data, random.Random(f"{name}{turn}")))
            with Collection.open(copy) as kb:
                assert kb.verify() == [], name
                assert found(kb) == expected, name
            shutil.rmtree(copy)


def test_a_file_that_is_gone_is_made_anew(whole, ram):
    for leg in ENGINES:
        for number, name in enumerate(sorted(p.name for p in (whole / leg).iterdir())):
            copy = ram / f"{leg}-{number}"
            shutil.copytree(whole, copy)
            (copy / leg / name).unlink()
            with Collection.open(copy) as kb:
                assert kb.verify() == [], name
                assert found(kb) == {id_: id_ for id_ in kb.ids()}, name
            shutil.rmtree(copy)
