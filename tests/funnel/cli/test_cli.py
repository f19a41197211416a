"""The command line: the main job, and one clear line for everything that can be asked wrongly."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from chat_server import Reply, error
from processes import PIPES, started
from second_stage import reading
from typer.testing import CliRunner

from funnel.cli import app, show
from funnel.trace.events import JsonlSink
from indexes import Collection

FILES = {
    "refunds.md": "# Refunds\n\nWe refund within 14 days. Shipping is not refunded.\n",
    "leases.txt": "The lease of Hill House ends in May 2026. Ada Roth signed it.\n",
    "people/roth.txt": "Ada Roth led Project Heron. The board withdrew its grant in 2019.\n",
}
QUESTION = "Who signed the lease of Hill House?"
QUOTE = "Ada Roth signed it."


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def run(*arguments, **env):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


def done(*arguments, **env):
    result = run(*arguments, **env)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    return write(tmp_path_factory.mktemp("input") / "docs", FILES)


@pytest.fixture(scope="module")
def kb(docs, tmp_path_factory):
    path = tmp_path_factory.mktemp("built") / "kb"
    done("index", docs, "--kb", path)
    return path


def test_indexing_says_what_was_done_and_a_second_run_touches_nothing(docs, tmp_path):
    kb = tmp_path / "kb"
    assert done("index", docs, "--kb", kb) == (
        f"3 added, 0 updated, 0 deleted, 0 unchanged: {kb} holds 3 documents.\n"
    )
    before = stand(kb)
    assert done("index", docs, "--kb", kb).startswith("0 added, 0 updated, 0 deleted, 3 unchanged: ")
    assert stand(kb) == before


def test_a_second_run_only_touches_what_changed(tmp_path):
    docs, kb = write(tmp_path / "docs", FILES), tmp_path / "kb"
    done("index", docs, "--kb", kb)
    write(docs, {"new.txt": "Fresh words.", "leases.txt": "Now it ends in 2030."})
    (docs / "refunds.md").unlink()
    report = json.loads(done("index", docs, "--kb", kb, "--json"))
    assert report == {
        "added": 1, "updated": 1, "deleted": 1, "unchanged": 1, "documents": 3, "waiting": 0,
        "problems": [],
        "skipped": {},
    }  # fmt: skip


def test_several_paths_are_indexed_at_once_and_one_that_is_named_twice_once(docs, tmp_path):
    more = write(tmp_path / "more", {"x.txt": "Other words."})
    report = json.loads(done("index", docs, more, f"{more}/.", "--kb", tmp_path / "kb", "--json"))
    assert (report["added"], report["documents"]) == (4, 4)


def test_search_ranks_documents_with_the_rank_and_score_of_each_leg(kb):
    shown = done("search", "grant of Project Heron", "--kb", kb)
    head, first, *_ = shown.splitlines()
    assert head.split() == ["rank", "score", "dense", "lexical", "document", "passage"]
    assert first.split()[0] == "1"
    assert "docs/people/roth.txt" in first


def test_search_as_json_has_documents_legs_and_passages(kb):
    found = json.loads(done("search", "grant", "--kb", kb, "-k", 1, "--json"))
    assert [hit["document"]["id"] for hit in found] == ["docs/people/roth.txt"]
    assert found[0]["retrievers"]["lexical"]["rank"] == 1
    assert "grant" in found[0]["passages"][0]["passage"]["text"]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_search_for_more_words_than_are_searched_for_says_so(kb, options):
    shown = run("search", " ".join(f"word{i}" for i in range(5_000)), "--kb", kb, *options)
    assert shown.exit_code == 0
    assert "of its 5,000 different words none is in a document" in shown.stderr


def test_a_lookup_shows_route_answer_citation_cost_and_trace(kb, tmp_path):
    shown = done("ask", QUESTION, "--kb", kb, "--trace", tmp_path / "t.jsonl")
    assert shown.startswith("lookup (depth needed: p = 0.")
    assert "No language model wrote this answer" in shown
    assert "docs/leases.txt, characters 0-41 “The lease of Hill House ends in May 2026.”" in shown
    assert "complete · extractive (no language model) · 1 call" in shown
    assert "$0.00" in shown
    assert shown.rstrip().endswith(f"trace: {tmp_path / 't.jsonl'}")


def test_an_answer_as_json_is_the_documented_one(kb):
    answer = json.loads(done("ask", QUESTION, "--kb", kb, "--json"))
    assert answer["end_reason"] == "answered"
    assert (answer["question"], answer["status"], answer["route"]) == (QUESTION, "complete", "lookup")
    with Collection.open(kb) as collection:
        for c in answer["citations"]:
            assert collection.as_owner().read(c["document_id"], c["start"], c["stop"]) == c["quote"]
    assert answer["citations"]


def test_a_deep_answer_and_its_trace_as_a_tree(kb, tmp_path):
    trace = tmp_path / "t.jsonl"
    answer = json.loads(done("ask", QUESTION, "--kb", kb, "--mode", "deep", "--trace", trace, "--json"))
    assert (answer["route"], answer["sandbox"], answer["trace"]) == ("deep", "monty", str(trace))
    shown = done("trace", trace)
    assert shown.startswith(f"run {QUESTION!r}")
    assert "turn 1" in shown
    assert "model call turn extractive" in shown
    assert "host call grep(" in shown
    assert len(done("trace", trace, "--full")) > len(shown)
    tree = json.loads(done("trace", trace, "--json"))
    assert tree["children"][-1]["data"]["text"] == answer["text"]


def test_files_are_asked_without_an_index_and_nothing_is_left_beside_them(tmp_path):
    docs = write(tmp_path / "docs", FILES)
    answer = json.loads(done("ask", QUESTION, "--docs", docs, "--mode", "deep", "--json"))
    assert QUOTE in [c["quote"] for c in answer["citations"]]
    assert sorted(p.relative_to(docs).as_posix() for p in docs.rglob("*") if p.is_file()) == sorted(FILES)
    one = json.loads(done("ask", QUESTION, "--docs", docs / "leases.txt", "--json"))
    assert one["citations"][0]["document_id"] == "leases.txt"


def test_a_model_by_base_url_answers(kb, chat_server):
    chat_server.default = lambda body: Reply(reading("Ada Roth [1].", (1, QUOTE)))
    answer = json.loads(
        done(
            "ask", QUESTION, "--kb", kb, "--mode", "lookup", "--json", "--no-learn",
            OPENAI_BASE_URL=chat_server.url, FUNNEL_MODEL="m", OPENAI_API_KEY="k",
        )
    )  # fmt: skip
    assert (answer["model"], answer["text"]) == ("m", "Ada Roth [1].")
    assert answer["usage"]["cost_usd"] is None
    assert answer["citations"][0]["quote"] == QUOTE


def test_what_an_inspector_reads_is_kept_in_the_memory_that_is_named(kb, tmp_path):
    store = tmp_path / "m.sqlite"
    done("ask", QUESTION, "--kb", kb, "--mode", "deep", "--memory", f"sqlite:///{store}")
    assert b"Ada Roth signed it." in b"".join(p.read_bytes() for p in tmp_path.glob("m.sqlite*"))


def stand(kb):
    """The collection as it is: every file and its bytes, and what it says of itself."""
    if not kb.exists():
        return None
    files = {
        path.relative_to(kb).as_posix(): path.read_bytes()
        for path in sorted(kb.rglob("*"))
        if path.is_file() and path.suffix not in {".lock", ".sqlite-shm", ".sqlite-wal"}
    }
    with Collection.open(kb) as collection:
        return files, collection.status(), collection.as_owner().ids(), collection.verify()


def refused(result):
    """The one line on stderr of a command that ended as it should."""
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.endswith("\n")
    [line] = result.stderr[:-1].split("\n")
    assert line.startswith("Error: ")
    assert "Traceback" not in line
    return line


WRONG_INPUT = [
    ({}, "none", "No such file or folder: "),
    ({"empty/.keep": ""}, "empty", "Nothing to index in "),
    ({"b.txt": b"a\x00b"}, "b.txt", "b.txt: it is binary, not text."),
    ({"c.txt": b"caf\xe9 au lait"}, "c.txt", "c.txt, line 1: it is not UTF-8 text (byte 0xe9)"),
    ({"d.jsonl": '{"_id": "1", "text": "a"}\n{"_id": \n'}, "d.jsonl", "d.jsonl, line 2: malformed JSON"),
    ({"e.jsonl": '{"_id": "1", "text": "a"}\n{"text": "b"}\n'}, "e.jsonl", "e.jsonl, line 2: "),
    ({"f.jsonl": '{"_id": "1", "text": "a"}\n' * 2}, "f.jsonl", "Two documents have the id '1': "),
    ({"g.txt": " \n "}, "g.txt", "Nothing to index in "),
]


@pytest.mark.parametrize(("files", "name", "told"), WRONG_INPUT, ids=[told[-20:] for *_, told in WRONG_INPUT])
def test_wrong_input_is_one_line_and_the_collection_stays_as_it_was(kb, tmp_path, files, name, told):
    write(tmp_path, files)
    before = stand(kb)
    assert told in refused(run("index", tmp_path / name, "--kb", kb))
    assert stand(kb) == before


@pytest.mark.parametrize(("files", "name", "told"), WRONG_INPUT, ids=[told[-20:] for *_, told in WRONG_INPUT])
def test_wrong_input_makes_no_collection(tmp_path, files, name, told):
    write(tmp_path, files)
    refused(run("index", tmp_path / name, "--kb", tmp_path / "kb"))
    assert not (tmp_path / "kb").exists()


def test_one_wrong_path_of_two_leaves_the_collection_as_it_was(kb, tmp_path):
    write(tmp_path, {"good/a.txt": "Good words.", "bad.jsonl": "{"})
    before = stand(kb)
    assert "bad.jsonl, line 1" in refused(run("index", tmp_path / "good", tmp_path / "bad.jsonl", "--kb", kb))
    assert stand(kb) == before


def test_an_id_that_two_paths_share_leaves_the_collection_as_it_was(kb, tmp_path):
    record = '{"_id": "1", "text": "words"}\n'
    write(tmp_path, {"a.jsonl": record, "b.jsonl": record})
    before = stand(kb)
    line = refused(run("index", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--kb", kb))
    assert "Two documents have the id '1': " in line
    assert "a.jsonl" in line
    assert "b.jsonl" in line
    assert stand(kb) == before


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--embedder", "word2vec:x"], "Unknown embedder 'word2vec:x'. Known: a sentence-transformers name"),
        (["--lexical", "lucene"], "Unknown lexical engine 'lucene'. Known: rank-bm25, tantivy."),
    ],
)
def test_an_unknown_engine_lists_the_known_and_makes_no_collection(docs, tmp_path, option, told):
    assert told in refused(run("index", docs, "--kb", tmp_path / "kb", *option))
    assert not (tmp_path / "kb").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--embedder", "openai:text-embedding-3-small"], "was built with embedder 'latent', not 'openai:"),
        (
            ["--lexical", "rank-bm25"],
            "was built with lexical 'tantivy', not 'rank-bm25'. Leave out --lexical",
        ),
    ],
)
def test_a_collection_built_with_another_engine_is_told_and_left_alone(docs, kb, option, told):
    before = stand(kb)
    assert told in refused(run("index", docs, "--kb", kb, *option, OPENAI_API_KEY="k"))
    assert stand(kb) == before


def test_files_of_unknown_type_are_counted_by_extension(tmp_path):
    odd = {f"{n}.{kind}": "x" for n, kind in enumerate(["png", "PNG", "a1", "b1", "c1", "d1", "e1"])}
    folder = write(tmp_path / "docs", {"a.txt": "some words", "unknown": "x", **odd})
    result = run("index", folder, "--kb", tmp_path / "kb")
    assert result.exit_code == 0
    assert "Skipped: 8 files of unknown type (2 .png, 1 .a1," in " ".join(result.stderr.split())
    assert "2 more)" in " ".join(result.stderr.split())
    report = json.loads(run("index", folder, "--kb", tmp_path / "kb", "--json").stdout)
    assert report["skipped"] == {".png": 2, ".a1": 1, ".b1": 1, ".c1": 1, ".d1": 1, ".e1": 1, "": 1}


def test_a_bad_file_in_a_folder_of_many_is_reported_and_the_others_are_indexed(tmp_path):
    files = {f"f{i:03}.txt": f"Word number{i}." for i in range(100)}
    folder = write(tmp_path / "many", {**files, "f050.txt": b"\x00\x01"})
    result = run("index", folder, "--kb", tmp_path / "kb")
    assert result.exit_code == 0
    assert "99 added" in result.stdout
    assert result.stderr == f"Skipped: {folder / 'f050.txt'}: it is binary, not text.\n"
    asked = run("ask", "number7", "--docs", folder, "--json")
    assert asked.stderr == result.stderr
    assert json.loads(asked.stdout)["citations"][0]["document_id"].endswith("f007.txt")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["", "--kb", "KB"], "The question is empty."),
        ([" ", "--docs", "DOCS"], "The question is empty."),
        ([QUESTION], "--kb or --docs: name exactly one"),
        ([QUESTION, "--kb", "KB", "--docs", "DOCS"], "--kb or --docs: name exactly one"),
        ([QUESTION, "--kb", "DOCS"], "No collection in "),
        ([QUESTION, "--docs", "NONE"], "No such file or folder: "),
        ([QUESTION, "--kb", "KB", "--mode", "shallow"], "Unknown mode 'shallow'. Known: auto, deep, lookup."),
        ([QUESTION, "--kb", "KB", "--memory", "reddis://me:secret@host"],
         "Unknown memory 'reddis'. Known: file, memory, "),
        ([QUESTION, "--kb", "KB", "--max-calls", "0"], "max_calls = 0 is too small to start"),
        ([QUESTION, "--kb", "KB", "--timeout", "0"], "timeout_s = 0 is too small to start"),
        ([QUESTION, "--kb", "KB", "--timeout", "nan"], "timeout_s: must be 0 or more, not nan."),
        ([QUESTION, "--kb", "KB", "--max-usd", "-1"], "max_usd: must be 0 or more, not -1."),
        ([QUESTION, "--kb", "KB", "-k", "0"], "k = 0: at least one document is needed"),
        ([QUESTION, "--kb", "KB", "--trace", "KB/catalog.sqlite/t"], "trace: "),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_line(docs, kb, tmp_path, arguments, told):
    places = {"KB": kb, "DOCS": docs, "NONE": tmp_path / "none"}
    before = stand(kb)
    filled = [str(places.get(a, a)).replace("KB/", f"{kb}/") for a in arguments]
    line = refused(run("ask", *filled))
    assert told in line
    assert "secret" not in line
    assert stand(kb) == before


def test_an_unknown_sandbox_on_the_command_line_lists_the_known(kb):
    line = refused(run("ask", QUESTION, "--kb", kb, "--sandbox", "docker"))
    assert line == "Error: Unknown sandbox 'docker'. Known: auto, bubblewrap, monty."


def test_an_unknown_sandbox_lists_the_known(kb):
    line = refused(run("ask", QUESTION, "--kb", kb, FUNNEL_SANDBOX="docker"))
    assert line == "Error: Unknown sandbox 'docker'. Known: auto, bubblewrap, monty."


def test_a_setting_with_a_wrong_value_is_named(kb):
    line = refused(run("ask", QUESTION, "--kb", kb, FUNNEL_MAX_CALLS="many"))
    assert line == "Error: FUNNEL_MAX_CALLS: must be a whole number, 1 or more, not 'many'."


def test_a_dollar_limit_too_small_for_one_call_is_told(kb):
    line = refused(run("ask", QUESTION, "--kb", kb, "--max-usd", "0.0001", OPENAI_API_KEY="k"))
    assert line.startswith("Error: max_usd = 0.0001 is too small to start: the first call may take ")


def test_a_dollar_limit_on_a_model_without_a_price_says_how_to_state_it(kb, chat_server):
    line = refused(
        run("ask", QUESTION, "--kb", kb, "--max-usd", 1, OPENAI_BASE_URL=chat_server.url, FUNNEL_MODEL="m")
    )
    assert """FUNNEL_PRICES='{"m": [INPUT, OUTPUT]}'""" in line
    assert chat_server.seen == []


@pytest.mark.parametrize("mode", ["lookup", "deep"])
def test_an_endpoint_that_is_down_is_named(kb, mode):
    line = refused(
        run(
            "ask", QUESTION, "--kb", kb, "--mode", mode, "--timeout", 0.4,
            OPENAI_BASE_URL="http://127.0.0.1:9/v1", FUNNEL_MODEL="m",
        )
    )  # fmt: skip
    assert "The model 'm' at http://127.0.0.1:9/v1 gave no answer: " in line
    assert "Check OPENAI_BASE_URL and that it runs." in line


@pytest.mark.parametrize("mode", ["lookup", "deep"])
def test_an_endpoint_that_refuses_the_key_is_told_without_the_key(kb, chat_server, mode):
    chat_server.script(error(401, "Incorrect API key provided: sk-hidden"))
    line = refused(
        run(
            "ask", QUESTION, "--kb", kb, "--mode", mode,
            OPENAI_BASE_URL=chat_server.url, OPENAI_API_KEY="sk-hidden", FUNNEL_MODEL="m",
        )
    )  # fmt: skip
    assert "OPENAI_API_KEY" in line
    assert "sk-hidden" not in line


@pytest.mark.parametrize("content", [None, "", "hello"])
def test_what_is_no_trace_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "t").write_text(content)
    assert "is not a trace of funnel: " in refused(run("trace", tmp_path / "t"))


@pytest.mark.parametrize(("query", "told"), [("", "The query is empty."), (" ", "The query is empty.")])
def test_an_empty_query_is_told(kb, query, told):
    assert told in refused(run("search", query, "--kb", kb))


def test_a_search_where_there_is_no_collection_is_told(tmp_path):
    line = refused(run("search", "words", "--kb", tmp_path / "none"))
    assert f"Build one: funnel index PATH --kb {tmp_path / 'none'}" in line


def test_words_that_look_like_markup_are_shown_as_they_are(tmp_path):
    write(tmp_path, {"docs/a.txt": "The [bold]crimson[/bold] lamp costs [red]7[/nonsense] crowns."})
    shown = done("ask", "What does the crimson lamp cost in crowns?", "--docs", tmp_path / "docs")
    assert "[bold]crimson[/bold] lamp costs [red]7[/nonsense] crowns." in shown
    assert "[/oops]" in refused(run("index", tmp_path / "[/oops]", "--kb", tmp_path / "kb"))


HOSTILE = {
    "_id": "lamp\x1b[31m\nsecond line",
    "title": "\x1b]0;owned\x07",
    "text": "The lamp\x9b2J costs\u202e 7 :smile: crowns.",
}


def test_a_document_cannot_steer_the_terminal(tmp_path):
    write(tmp_path, {"docs.jsonl": json.dumps(HOSTILE)})
    done("index", tmp_path / "docs.jsonl", "--kb", tmp_path / "kb")
    asked = ("ask", "What does the lamp cost in crowns?", "--kb", tmp_path / "kb")
    shown = done(*asked, "--trace", tmp_path / "t")
    shown += done("search", "lamp", "--kb", tmp_path / "kb") + done("trace", tmp_path / "t", "--full")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
    assert r"[1] lamp\u001b[31m\nsecond line, characters 0-" in shown
    assert r"“The lamp\u009b2J costs\u202e 7 :smile: crowns.”" in shown
    as_json = done(*asked, "--json")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(as_json)
    assert json.loads(as_json)["citations"][0]["quote"] == HOSTILE["text"]


def test_a_path_cannot_steer_the_terminal(tmp_path):
    folder = write(tmp_path / "docs", {"\x1b[31m.txt": b"\x00", "a.txt": "words"})
    result = run("index", folder, "--kb", tmp_path / "[/kb]")
    assert "[/kb] holds 1 documents." in result.stdout
    assert r"docs/\u001b[31m.txt: it is binary, not text." in result.stderr


@pytest.mark.parametrize(("columns", "shown"), [(50, 5), (80, 6), (120, 6)])
def test_ranks_and_ids_of_hits_fit_the_terminal(kb, monkeypatch, columns, shown):
    monkeypatch.setattr(show.OUT, "width", columns)
    head, first, *_ = done("search", "board grant of Project Heron", "--kb", kb).splitlines()
    assert head.split() == ["rank", "score", "dense", "lexical", "document", "passage"][:shown]
    assert first.split()[:2] == ["1", "1.000"]
    assert "docs/people" in first


def test_a_long_line_of_a_trace_is_shown_whole(tmp_path):
    question = " ".join(f"word{i}" for i in range(100))
    data = {"question": question, "model": "m", "sandbox": "s"}
    event = {"run": "r", "id": 1, "parent": None, "kind": "run", "phase": "start", "at_s": 0, "data": data}
    (tmp_path / "t").write_text(json.dumps(event))
    assert question in done("trace", tmp_path / "t")


def test_what_an_endpoint_says_is_no_markup(kb, chat_server):
    chat_server.script(error(500, "no [/red] here"), Reply(reading("Ada Roth [1].", (1, QUOTE))))
    env = {"OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m"}
    assert "Ada Roth [1]." in done("ask", QUOTE, "--kb", kb, "--mode", "lookup", "--no-learn", **env)


def test_a_full_disk_is_one_line(monkeypatch, kb):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/t.jsonl")

    monkeypatch.setattr(JsonlSink, "__call__", full)
    assert refused(run("ask", QUESTION, "--kb", kb)) == "Error: /data/t.jsonl: No space left on device."


COMMANDS = [
    "index",
    "embed",
    "search",
    "tune",
    "ask",
    "chat",
    "trace",
    "status",
    "verify",
    "watch",
    "backup",
    "restore",
    "erase",
    "doctor",
    "demo",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(command):
    shown = done(command, "--help")
    assert "Examples:" in shown
    assert f"funnel {command}" in shown.split("Examples:")[1]


def test_help_tells_the_defaults():
    assert "[default: (20; with --docs all)]" in " ".join(done("ask", "--help").replace("│", " ").split())
    assert "~/.cache/funnel/demo" in done("demo", "--help")


def test_help_lists_every_command_and_no_other():
    assert [command.name or command.callback.__name__ for command in app.registered_commands] == COMMANDS
    assert all(f" {command} " in done("--help") for command in COMMANDS)


def test_the_doctor_says_what_works_here():
    found = {(f["part"], f["name"]): f for f in json.loads(done("doctor", "--json"))}
    assert found["sandbox", "monty"]["available"]
    assert found["lexical", "tantivy"]["available"]
    assert found["embedder", "latent"]["available"]
    assert "quote" in found["model", "extractive"]["detail"]
    assert {"memory:", "sqlite:"} <= {name for part, name in found if part == "memory"}


@pytest.mark.parametrize(("sandbox", "code"), [("monty", 0), ("bubblewrap", 1)])
def test_the_doctor_fails_where_the_chosen_sandbox_is_missing(sandbox, code, tmp_path):
    outcome = run("doctor", "--json", FUNNEL_SANDBOX=sandbox, PATH=str(tmp_path))
    found = {f["name"]: f for f in json.loads(outcome.stdout) if f["part"] == "sandbox"}
    assert (outcome.exit_code, found["bubblewrap"]["available"]) == (code, False)
    assert "apt-get install bubblewrap" in found["bubblewrap"]["detail"]


SCRIPT = Path(sys.executable).with_name("funnel")


def script(*arguments, cwd):
    return subprocess.run(
        [SCRIPT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.skipif(not SCRIPT.exists(), reason="the package is not installed as a script")
def test_the_installed_script_indexes_searches_asks_and_shows_the_trace(tmp_path):
    write(tmp_path / "docs", FILES)
    steps = [
        script("index", "docs", "--kb", "kb", cwd=tmp_path),
        script("search", "grant", "--kb", "kb", cwd=tmp_path),
        script("ask", QUESTION, "--kb", "kb", "--mode", "deep", "--trace", "t.jsonl", cwd=tmp_path),
        script("trace", "t.jsonl", cwd=tmp_path),
    ]
    assert [(step.returncode, step.stderr) for step in steps] == [(0, "")] * 4
    assert "3 added" in steps[0].stdout
    assert "docs/people/roth.txt" in steps[1].stdout
    assert QUOTE in steps[2].stdout
    assert steps[3].stdout.startswith("run ")


@pytest.mark.skipif(not SCRIPT.exists(), reason="the package is not installed as a script")
def test_a_terminal_that_lacks_a_character_is_shown_its_number(docs, tmp_path):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    asked = [SCRIPT, "ask", QUESTION, "--docs", docs, "--trace", tmp_path / "t"]
    shown = subprocess.run(asked, env=env, capture_output=True, timeout=120, check=True).stdout
    assert rb"\u201cThe lease of Hill House" in shown


@pytest.mark.skipif(not SCRIPT.exists(), reason="the package is not installed as a script")
def test_the_installed_script_ends_wrong_input_with_one_line(tmp_path):
    for arguments in (("index", "none", "--kb", "kb"), ("ask", "x", "--kb", "none")):
        result = script(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert result.stderr.startswith("Error: ")


@pytest.mark.skipif(not SCRIPT.exists(), reason="the package is not installed as a script")
@pytest.mark.parametrize(
    ("sent", "code", "told"),
    [
        (signal.SIGINT, 130, "Stopped.\n"),
        (signal.SIGTERM, 143, "Stopped.\n"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_a_run_that_is_stopped_leaves_a_trace_to_read(kb, tmp_path, chat_server, sent, code, told):
    chat_server.default = lambda body: Reply("late", delay_s=600)
    env = {**os.environ, "OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m"}
    command = [SCRIPT, "ask", QUESTION, "--kb", kb, "--mode", "deep", "--trace", tmp_path / "t.jsonl"]
    with started(command, env=env, **PIPES) as ask:
        assert chat_server.called.wait(120)
        ask.send_signal(sent)
        shown, errors = ask.communicate(timeout=120)
    *resume, last = ["", *errors.splitlines(keepends=True)]
    assert (ask.returncode, shown, last) == (code, "", told)
    assert [line.partition(" --resume ")[0] for line in resume if line] == (
        ["To continue where it stopped: funnel ask"] if told else []
    )
    assert "model call turn m" in done("trace", tmp_path / "t.jsonl")


def test_the_version_is_told():
    assert done("--version").startswith("funnel ")


def test_an_interrupt_while_it_is_loading_is_no_traceback():
    code = (
        "import builtins, funnel.cli\n"
        "load = builtins.__import__\n"
        "def stop(name, *rest):\n"
        "    if name == 'typer': raise KeyboardInterrupt\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = stop\n"
        "funnel.cli.main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Stopped.\n")
