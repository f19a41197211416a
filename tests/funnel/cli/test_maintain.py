"""The commands that look after a collection, as somebody types them."""

from __future__ import annotations

import json
import signal
import sys

import pytest
from processes import PIPES, started
from typer.testing import CliRunner

from funnel.cli import app
from indexes import Collection

FILES = {f"f{i}.txt": f"The zanzibarite vault number n{i} opens at nine." for i in range(12)}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def refused(*arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    [line] = result.stderr.splitlines()
    return line


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def kb(docs, tmp_path):
    done("index", docs, "--kb", tmp_path / "kb")
    return tmp_path / "kb"


def test_the_status_in_plain_lines(kb, docs):
    lines = dict(
        line.split(maxsplit=1) for line in done("status", "--kb", kb).splitlines() if "last" not in line
    )
    assert (lines["documents"], lines["passages"]) == ("12", "12")
    assert lines["characters"] == str(sum(map(len, FILES.values())))
    assert "catalog" in lines["size"]
    assert lines["embedder"] == "latent serves all 12 passages"
    assert lines["generation"] == "1; engines: lexical 1, dense 1"
    assert lines["source"] == f"{docs}: 12"


def test_the_status_as_json(kb, docs):
    found = json.loads(done("status", "--kb", kb, "--json"))
    assert found["status"]["sources"] == {str(docs): 12}
    assert found["total_bytes"] == sum(found["size_bytes"].values()) > 10_000
    assert found["status"]["written"].endswith("+00:00")


def test_verify_says_what_was_mended_and_what_is_wrong(kb):
    assert done("verify", "--kb", kb) == f"{kb}: 12 documents, nothing wrong.\n"
    (kb / "lexical" / "meta.json").unlink()
    assert done("verify", "--kb", kb).startswith(
        "Repaired on opening: the lexical retriever was damaged or behind.\n"
    )
    with Collection.open(kb) as collection, collection._catalog._connection() as db:
        db.execute("UPDATE documents SET title = 'x' WHERE id = 'docs/f1.txt'")
    result = run("verify", "--kb", kb)
    assert result.exit_code == 1
    assert "document 'docs/f1.txt': its title" in result.stdout


def test_backup_and_restore(kb, tmp_path):
    file = tmp_path / "kb.tar.gz"
    assert done("backup", file, "--kb", kb).startswith(f"{file}: 12 documents, ")
    assert "exists already" in refused("backup", file, "--kb", kb)
    assert "not empty" in refused("restore", file, "--kb", kb)
    assert json.loads(done("restore", file, "--kb", tmp_path / "again", "--json"))["documents"] == 12
    assert done("verify", "--kb", tmp_path / "again").endswith("12 documents, nothing wrong.\n")


def test_an_erasure_shows_that_it_looked(kb, docs):
    result = run("erase", "docs/f3.txt", "--kb", kb, "--proof", "--memory", "memory://")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Erased 1 from {kb}.\nSearched for ")
    assert result.stdout.endswith(": no traces.\n")
    assert result.stderr == f"{docs / 'f3.txt'} is still there: the next funnel index would bring it back.\n"
    assert "Nothing was changed" in refused("erase", "docs/f3.txt", "--kb", kb)
    (docs / "f4.txt").unlink()
    proof = json.loads(done("erase", "docs/f4.txt", "--kb", kb, "--proof", "--json"))["proof"]
    assert (proof["traces"], proof["files"] > 5) == ([], True)


def test_a_mass_deletion_has_to_be_allowed(kb, docs):
    for i in range(1, 12):
        (docs / f"f{i}.txt").unlink()
    assert "11 of 12 documents" in refused("index", docs, "--kb", kb)
    assert "--allow-mass-delete" in refused("index", docs, "--kb", kb)
    assert "11 deleted" in done("index", docs, "--kb", kb, "--allow-mass-delete")


def test_watch_follows_and_ends_cleanly_on_ctrl_c(docs, tmp_path):
    kb = tmp_path / "kb"
    program = "from funnel.cli import main; main()"
    command = [sys.executable, "-c", program, "watch", docs, "--kb", kb, "--poll", "0.2"]
    with started(command, **PIPES) as watching:
        assert watching.stderr.readline() == f"Watching {docs}; Ctrl-C ends it.\n"
        assert "12 added, 0 updated, 0 deleted." in watching.stdout.readline()
        (docs / "new.txt").write_text("zebras graze")
        assert "1 added, 0 updated, 0 deleted." in watching.stdout.readline()
        docs.rename(tmp_path / "away")
        assert "No such file or folder" in watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(120) == 0
        assert watching.stderr.read().endswith("Stopped watching.\n")
    with Collection.open(kb) as collection:
        assert (len(collection), collection.verify()) == (13, [])
