"""A disk that is full at any step: one clear line, nothing half done, and what was there still answers."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap

import pytest

from indexes import Collection, Document
from indexes.errors import CollectionError, CollectionNotWritable, IndexesError
from indexes.storage import faults

resource = pytest.importorskip("resource")

BEFORE = [Document(f"d{i}", f"cats n{i}") for i in range(8)]
LATER = [Document(f"e{i}", f"dogs m{i}") for i in range(8)]

PROGRAM = textwrap.dedent(
    """
    import json, resource, sys
    from indexes import Collection, Document
    from indexes.storage import faults
    from indexes.errors import IndexesError

    UNLIMITED = resource.RLIM_INFINITY
    path, step, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])

    def full(name):
        if name == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, UNLIMITED))

    with Collection.open(path) as kb:
        faults.arm(full)
        try:
            kb.upsert([Document(f"e{i}", f"dogs m{i} " * 2000) for i in range(8)])
            said = ""
        except IndexesError as error:
            said = str(error)
        faults.arm(None)
        documents = kb.as_owner()
        meanwhile = [hit.document.id for hit in documents.search("n3", 1)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        print(json.dumps([said, meanwhile, len(kb), documents.search("n3", 1)[0].document.id, kb.verify()]))
    """
)


@pytest.fixture
def path(ram, request):
    path = ram / request.node.name.replace("/", "-")
    with Collection.create(path) as kb:
        kb.upsert(BEFORE)
    return path


@pytest.mark.parametrize(
    ("step", "limit", "documents"),
    [
        ("catalog.begun", 1000, 8),
        ("catalog.begun", 50_000, 8),
        ("catalog.committed", 1, 16),
        ("lexical.commit", 1, 16),
        ("lexical.merged", 1, 16),
        ("latent.recorded", 1, 16),
    ],
)
def test_files_that_cannot_grow_are_told_and_what_was_there_answers(path, step, limit, documents):
    command = [sys.executable, "-c", PROGRAM, path, step, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, meanwhile, stored, found, problems = json.loads(done.stdout)
    assert "cannot be" in said
    assert "\n" not in said
    assert ("documents are stored" in said) == (documents == 16)
    assert (meanwhile, found, stored, problems) == (["d3"], "d3", documents, [])
    with Collection.open(path) as kb:
        assert (len(kb), kb.verify()) == (documents, [])


OURS = {
    name: (IndexesError, OSError)
    for name in faults.STEPS
    if name.startswith(("lock.", "catalog.")) or name.endswith(".cleared")
}
"""Steps at which no file of an engine is written: the error is thrown in between, by nobody's call."""

REACHED = sorted(
    name for name in faults.STEPS if name.startswith(("lexical.", "latent.", "dense.", "lock.", "catalog."))
)


@pytest.mark.parametrize("step", REACHED)
def test_an_error_of_the_system_at_any_step_leaves_a_collection_that_is_whole(path, step):
    def full(name):
        if name == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Collection.open(path) as kb:
        faults.arm(full)
        try:
            for write in (lambda: kb.upsert(LATER), lambda: kb.delete(["d0"]), lambda: kb.erase(["d1"])):
                with pytest.raises(OURS.get(step, IndexesError)) as told:  # noqa: PT012  # as many as raise
                    write()
                    raise CollectionError("No space left: the step is not on this path.")
                assert "No space left" in str(told.value)
        finally:
            faults.arm(None)
    with Collection.open(path) as kb:
        assert kb.verify() == []
        assert kb.as_owner().search("n3", 1)[0].document.id == "d3"


def test_a_folder_that_may_not_be_written_to_is_told(path):
    (path / "write.lock").unlink(missing_ok=True)
    (path / "write.lock").mkdir()
    with Collection.open(path) as kb:
        with pytest.raises(CollectionNotWritable, match="cannot be written to"):
            kb.upsert(LATER)
        assert kb.as_owner().search("n3", 1)[0].document.id == "d3"
