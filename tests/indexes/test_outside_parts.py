"""Parts that another distribution brings, found by their entry points: as if they were ours."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from indexes import Collection, Document
from indexes.dense import EMBEDDERS, embedder
from indexes.errors import BadFile, UnknownName
from indexes.lexical import LEXICAL_ENGINES
from indexes.loaders import load
from indexes.loaders.documents import plugged_in
from indexes.rerank import Reranked, reranker

MODULE = """
from indexes.dense.engines.exact import ExactEngine
from indexes.lexical.rank_bm25 import RankBM25Engine
from indexes.loaders.assembly import Assembly, Unreadable
from indexes.testing import WordEmbedder, WordReranker

class Terms(RankBM25Engine):
    pass

class Vectors(ExactEngine):
    suffix = ".outside"

def embedder(model):
    return WordEmbedder(int(model or 32), name=f"outside:{model}" if model else "outside")

def read(data):
    if not data.startswith(b"NOTE "):
        raise Unreadable("it does not begin with NOTE")
    assembly = Assembly()
    assembly.add(data[5:].decode(), title="Note")
    return assembly.parsed(title="A note")

def reranker(model):
    return WordReranker()
"""
POINTS = """
[indexes.embedder]
outside = outside_parts:embedder
[indexes.lexical_engine]
outside = outside_parts:Terms
[indexes.vector_engine]
outside = outside_parts:Vectors
[indexes.reranker]
outside = outside_parts:reranker
[indexes.loader]
note = outside_parts:read
broken = outside_parts:nothing
"""


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A distribution installed in a folder of its own, for this process and those that it starts."""
    folder = tmp_path / "site"
    info = folder / "outside_parts-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "outside_parts.py").write_text(textwrap.dedent(MODULE))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(folder)
    plugged_in.cache_clear()
    yield folder
    plugged_in.cache_clear()
    sys.modules.pop("outside_parts", None)


@pytest.mark.usefixtures("outside")
def test_a_collection_is_built_of_outside_parts_and_opens_again_by_their_names(tmp_path):
    parts = {"embedder": "outside:16", "lexical": "outside", "dense": "outside"}
    with Collection.create(tmp_path / "kb", **parts) as kb:
        kb.upsert([Document(f"d{i}", f"lease number n{i}") for i in range(5)])
        assert kb.status().embedded == 5
    with Collection.open(tmp_path / "kb") as kb:
        assert (kb.embedder, kb.lexical, kb.dense) == tuple(parts.values())
        assert kb.as_owner().search("n3", 1)[0].document.id == "d3"
        assert kb.verify() == []
    assert list((tmp_path / "kb" / "dense").glob("*.outside"))


@pytest.mark.usefixtures("outside")
def test_an_outside_kind_of_embedder_is_named_with_or_without_a_model():
    assert embedder("outside").dimension == 32
    assert embedder("outside:8").dimension == 8
    with pytest.raises(UnknownName, match="outside"):
        embedder("inside:8")


@pytest.mark.usefixtures("outside")
def test_an_outside_reranker_orders_what_was_found(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([Document("a", "lease lease lease"), Document("b", "the lease ends in may")])
        hits = Reranked(kb, reranker("outside")).as_owner().search("lease ends may", 2)
    assert [hit.document.id for hit in hits] == ["b", "a"]


@pytest.mark.usefixtures("outside")
def test_an_outside_loader_reads_files_of_its_extension_in_the_worker(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "one.note").write_bytes(b"NOTE Rents rise in May.")
    (folder / "two.note").write_bytes(b"Rents fall.")
    (folder / "three.broken").write_bytes(b"Rents stand.")
    loading = load([folder])
    assert [(d.title, d.text) for d in loading] == [("A note", "Rents rise in May.")]
    said = sorted(str(problem) for problem in loading.problems)
    assert [s.rpartition("/")[2] for s in said][1] == "two.note: it does not begin with NOTE."
    assert "its plug-in outside_parts:nothing does not load" in said[0]
    assert "outside_parts" not in sys.modules


def test_without_the_distribution_its_files_are_of_an_unknown_type(tmp_path):
    (tmp_path / "one.note").write_bytes(b"NOTE Rents rise in May.")
    (tmp_path / "a.txt").write_text("Rents.")
    loading = load([tmp_path])
    assert [document.text for document in loading] == ["Rents."]
    assert loading.unknown == {".note": 1}


@pytest.mark.usefixtures("outside")
def test_names_from_outside_are_listed_and_ours_come_first():
    assert "outside" in LEXICAL_ENGINES
    assert set(EMBEDDERS) == {"latent", "openai", "outside", "sentence-transformers"}


def test_an_outside_part_is_found_by_a_program_that_never_heard_of_it(outside, tmp_path):
    code = (
        "import sys; from indexes import Collection, Document\n"
        "kb = Collection.create(sys.argv[1], dense='outside')\n"
        "kb.upsert([Document('d', 'lease')]); print(kb.as_owner().search('lease')[0].document.id)"
    )
    command = [sys.executable, "-c", code, tmp_path / "kb"]
    done = subprocess.run(
        command, env={"PYTHONPATH": f"{outside}"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "d\n"


@pytest.mark.usefixtures("outside")
def test_a_file_named_by_the_user_whose_loader_is_broken_is_an_error(tmp_path):
    path = tmp_path / "a.broken"
    path.write_bytes(b"x")
    with pytest.raises(BadFile, match="does not load"):
        list(load([path]))
