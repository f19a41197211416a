from __future__ import annotations

import gzip
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.catalog.catalog import CATALOG
from indexes.chunking import chunk
from indexes.errors import BadFile, DuplicateId, NothingToIndex, SourceNotFound
from indexes.loaders import load
from indexes.types import Document


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def read(path) -> Document:
    (document,) = load([path])
    return document


def outline(document):
    return [(section.title, section.line) for section in document.sections]


def covered(document):
    return [document.text[section.start : section.stop] for section in document.sections]


# Which files


def test_ids_are_paths_under_the_root_sorted_and_begin_with_its_name(tmp_path):
    for name in ("b.md", "a/z.txt", "a/b/c.rst", "a-b.txt"):
        write(tmp_path / "guide" / name, "words")
    assert [d.id for d in load([tmp_path / "guide"])] == [
        "guide/a/b/c.rst", "guide/a/z.txt", "guide/a-b.txt", "guide/b.md",
    ]  # fmt: skip


def test_a_file_is_named_by_its_own_name(tmp_path):
    document = read(write(tmp_path / "a" / "b.txt", "words"))
    assert (document.id, document.title, document.uri) == ("b.txt", "b.txt", (tmp_path / "a/b.txt").as_uri())


def test_the_current_folder_has_a_name(tmp_path, monkeypatch):
    write(tmp_path / "guide" / "a.txt", "words")
    monkeypatch.chdir(tmp_path / "guide")
    assert [d.id for d in load([tmp_path.__class__()])] == ["guide/a.txt"]


def test_hidden_dependency_and_cache_entries_are_left_out(tmp_path):
    for name in (
        ".git/a.txt",
        ".a.txt",
        "node_modules/a.txt",
        "__pycache__/a.txt",
        "env/pyvenv.cfg",
        "env/a.txt",
    ):
        write(tmp_path / name, "words")
    write(tmp_path / "kept.txt", "words")
    assert [path.name for path in load([tmp_path]).files] == ["kept.txt"]


def test_files_of_unknown_type_are_counted(tmp_path):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "b.png", b"\x89PNG")
    write(tmp_path / "c.sqlite", b"\0")
    write(tmp_path / "d.PNG", b"\x89PNG")
    assert load([tmp_path]).unknown == {".png": 2, ".sqlite": 1}


def test_a_readme_needs_no_extension(tmp_path):
    write(tmp_path / "README", "words")
    assert len(load([tmp_path]).files) == 1


def test_a_symlink_loop_ends(tmp_path):
    write(tmp_path / "a" / "b.txt", "words")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(list(load([tmp_path]))) == 1


@pytest.mark.parametrize("target", ["outside", "outside/secret.txt"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed_but_told(tmp_path, target):
    write(tmp_path / "outside" / "secret.txt", "words")
    write(tmp_path / "docs" / "a.txt", "words")
    (tmp_path / "docs" / "out.txt").symlink_to(tmp_path / target)
    loading = load([tmp_path / "docs"])
    assert [document.id for document in loading] == ["docs/a.txt"]
    (problem,) = loading.problems
    assert str(problem).startswith(f"{tmp_path / 'docs' / 'out.txt'}: it is a link that leads out")


def test_a_link_is_no_way_out_over_another_link(tmp_path):
    write(tmp_path / "outside" / "secret.txt", "words")
    write(tmp_path / "docs" / "a.txt", "words")
    (tmp_path / "docs" / "far").symlink_to(tmp_path / "outside")
    (tmp_path / "docs" / "near.txt").symlink_to(tmp_path / "docs" / "far" / "secret.txt")
    loading = load([tmp_path / "docs"])
    assert (len(loading.files), len(loading.problems)) == (1, 2)


def test_a_folder_with_a_longer_name_is_no_inside(tmp_path):
    write(tmp_path / "docs-old" / "secret.txt", "words")
    write(tmp_path / "docs" / "a.txt", "words")
    (tmp_path / "docs" / "old").symlink_to(tmp_path / "docs-old")
    assert len(load([tmp_path / "docs"]).files) == 1


def test_a_link_within_the_folder_is_read_once(tmp_path):
    write(tmp_path / "a" / "b.txt", "words")
    (tmp_path / "z").symlink_to(tmp_path / "a", target_is_directory=True)
    assert [path.name for path in load([tmp_path]).files] == ["b.txt"]


def test_a_folder_that_is_named_by_a_link_is_read(tmp_path):
    write(tmp_path / "real" / "a.txt", "words")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(list(load([tmp_path / "link"]))) == 1


def test_a_collection_in_the_folder_is_left_out(tmp_path):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "kb" / CATALOG, b"SQLite format 3\0")
    write(tmp_path / "kb" / "lexical" / "meta.json", "{}")
    assert [path.name for path in load([tmp_path]).files] == ["a.txt"]


def test_a_collection_is_nothing_to_index(tmp_path):
    write(tmp_path / CATALOG, b"SQLite format 3\0")
    with pytest.raises(NothingToIndex, match="it is the directory of a collection"):
        load([tmp_path])


def test_a_file_reached_by_two_paths_is_one_document(tmp_path):
    path = write(tmp_path / "a.txt", "words")
    assert len(list(load([tmp_path, path, path]))) == 1


def test_a_broken_link_is_no_document(tmp_path):
    write(tmp_path / "a.txt", "words")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone.txt")
    assert len(list(load([tmp_path]))) == 1


def test_a_name_that_is_no_utf8_is_spelt_out(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("words")
    (document,) = load([tmp_path])
    assert document.id == f"{tmp_path.name}/caf\\xe9.txt"


def test_no_such_path_is_an_error_at_once(tmp_path):
    with pytest.raises(SourceNotFound, match=r"No such file or folder: .*gone"):
        load([tmp_path / "gone"])


def test_an_empty_folder_is_an_error_at_once(tmp_path):
    with pytest.raises(NothingToIndex, match="it contains no file"):
        load([tmp_path])


def test_a_folder_of_pictures_is_an_error_at_once(tmp_path):
    write(tmp_path / "a.png", b"\x89PNG")
    with pytest.raises(NothingToIndex, match="none of its 1 files is of a known type"):
        load([tmp_path])


# Good files and bad ones


@pytest.mark.parametrize(
    "data",
    [
        "é\nb\n".encode(),
        "é\r\nb\r\n".encode(),
        "é\rb\r".encode(),
        "é\nb\n".encode("utf-8-sig"),
        "é\nb\n".encode("utf-16"),
    ],
)
def test_every_encoding_and_newline_gives_the_same_text(tmp_path, data):
    assert read(write(tmp_path / "a.txt", data)).text == "é\nb\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\0\0", "binary"),
        (b"a\0b", "binary"),
        (b"a\ncaf\xe9\n", "line 2: it is not UTF-8 text .byte 0xe9."),
    ],
)
def test_a_bad_file_named_by_the_user_is_an_error(tmp_path, data, reason):
    path = write(tmp_path / "a.txt", data)
    with pytest.raises(BadFile, match=reason):
        list(load([path]))


def test_one_bad_file_in_a_folder_is_reported_and_the_others_are_read(tmp_path):
    for number in range(20):
        write(tmp_path / f"{number:02}.txt", "words")
    bad = write(tmp_path / "07.txt", b"\xff\0")
    loading = load([tmp_path])
    assert len(list(loading)) == 19
    assert [problem.path for problem in loading.problems] == [bad]


def test_empty_files_are_counted(tmp_path):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "b.txt", " \n")
    loading = load([tmp_path])
    assert [d.title for d in loading] == ["a.txt"]
    assert loading.empty == 1


def test_an_empty_file_named_by_the_user_is_an_error(tmp_path):
    with pytest.raises(NothingToIndex, match="it is empty"):
        list(load([write(tmp_path / "a.txt", "")]))


def test_a_folder_where_nothing_reads_says_why(tmp_path):
    write(tmp_path / "a.txt", b"\0")
    with pytest.raises(NothingToIndex, match=r"no file in it can be read; the first: .*a\.txt: it is binary"):
        list(load([tmp_path]))


def test_progress_is_files_read_of_files_found(tmp_path):
    for name in "abc":
        write(tmp_path / f"{name}.txt", "words")
    loading = load([tmp_path])
    assert [(loading.done, len(loading.files)) for _ in loading] == [(0, 3), (1, 3), (2, 3)]


def test_a_second_iteration_reads_afresh(tmp_path):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "b.txt", b"\0")
    loading = load([tmp_path])
    assert len(list(loading)) == len(list(loading)) == len(loading.problems) == loading.done - 1 == 1


def test_a_folder_that_cannot_be_listed_is_reported_and_the_others_are_read(tmp_path, monkeypatch):
    write(tmp_path / "a.txt", "words")
    write(tmp_path / "b" / "c.txt", "words")
    scandir = os.scandir

    def guarded(path):
        if os.fspath(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    loading = load([tmp_path])
    assert len(list(loading)) == 1
    assert [str(problem) for problem in loading.problems] == [
        f"{tmp_path / 'b'}: it cannot be read (Permission denied)."
    ]
    with pytest.raises(BadFile, match="Permission denied"):
        load([tmp_path / "b"])


def test_a_path_that_cannot_be_reached_is_a_bad_file(tmp_path):
    with pytest.raises(BadFile, match="name too long"):
        load([tmp_path / ("x" * 300)])


# Records


def test_a_record_carries_all_its_fields(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        "\n" + lines({
            "_id": 7, "title": "T", "text": "a\r\nb", "url": "https://e.org/7", "readers": ["group:x"],
            "metadata": {"n": 1, "tags": ["a", "b"], "deep": {"x": [1]}},
        }),
    )  # fmt: skip
    document = read(path)
    assert (document.id, document.title, document.text, document.uri) == ("7", "T", "a\nb", "https://e.org/7")
    assert document.readers == {"group:x"}
    assert document.metadata == {"n": 1, "tags": ["a", "b"], "deep": '{"x": [1]}'}


def test_a_record_without_url_is_known_by_its_line(tmp_path):
    path = write(tmp_path / "a.ndjson", "\n" + lines({"id": "x", "text": "words"}))
    assert read(path).uri == f"{path.as_uri()}#L2"


def test_gzipped_records_are_read(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(lines({"id": "x", "text": "words"}).encode()))
    assert read(path).id == "x"


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path):
    path = write(
        tmp_path / "a.jsonl", '{"id": "x", "text": "a\\ud83d b", "metadata": {"\\ud83d": "\\ud83d"}}'
    )
    assert (read(path).text, read(path).metadata) == ("a\ufffd b", {"\ufffd": "\ufffd"})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "malformed JSON"),
        ("[1]", "the line is not a JSON object"),
        ('{"text": "x"}', "the record has no `_id` or `id`"),
        ('{"id": "x"}', "the record has no `text`"),
        ('{"id": "x", "text": 5}', "`text`: input should be a valid string"),
        ('{"id": "x", "text": "y", "readers": "me"}', "`readers`: input should be a valid list"),
        ("[" * 200_000, "malformed JSON .nested too deeply."),
        ('{"id": ' + "9" * 5000 + "}", "malformed JSON"),
        ("\udcff", "it is not UTF-8 text"),
    ],
)
def test_a_malformed_line_is_named_before_any_record_is_given(tmp_path, line, reason):
    content = lines({"id": "a", "text": "words"}).encode() + line.encode("utf-8", "surrogateescape")
    path = write(tmp_path / "a.jsonl", content)
    with pytest.raises(BadFile, match=f"line 2: {reason}"):
        next(iter(load([path])))


def test_a_malformed_file_of_records_in_a_folder_is_left_out_whole(tmp_path):
    write(tmp_path / "a.jsonl", lines({"id": "a", "text": "words"}) + "{")
    write(tmp_path / "b.jsonl", lines({"id": "b", "text": "words"}))
    loading = load([tmp_path])
    assert [d.id for d in loading] == ["b"]
    assert [problem.line for problem in loading.problems] == [2]


def test_damaged_gzip_is_a_bad_file(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(lines({"id": "x", "text": "words"}).encode())[:-9])
    with pytest.raises(BadFile, match="gzip"):
        list(load([path]))


def test_one_id_twice_names_both_places(tmp_path):
    path = write(tmp_path / "a.jsonl", lines({"id": "x", "text": "one"}, {"id": "x", "text": "two"}))
    with pytest.raises(DuplicateId, match=r"'x': .*a\.jsonl, line 1 and .*a\.jsonl, line 2"):
        list(load([path]))


def test_questions_beside_a_beir_corpus_are_no_documents(tmp_path):
    write(tmp_path / "corpus.jsonl.gz", gzip.compress(lines({"_id": "1", "text": "words"}).encode()))
    for name in ("queries.jsonl", "queries_train.jsonl", "questions.jsonl"):
        write(tmp_path / name, lines({"_id": "q", "text": "why"}))
    write(tmp_path / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\n")
    assert [d.id for d in load([tmp_path])] == ["1"]


def test_questions_elsewhere_are_documents(tmp_path):
    write(tmp_path / "questions.jsonl", lines({"_id": "q", "text": "why"}))
    assert [d.id for d in load([tmp_path])] == ["q"]


# Headings


def test_markdown_headings_become_sections_and_the_title(tmp_path):
    text = "intro\n\n# One #\na\n```\n# no\n```\n\nTwo *b*\n---\nc\n> # no\n"
    document = read(write(tmp_path / "a.md", text))
    assert document.title == "One"
    assert outline(document) == [("", 1), ("One", 3), ("Two *b*", 9)]
    assert "".join(covered(document)) == text


def test_markdown_front_matter_holds_no_heading(tmp_path):
    document = read(write(tmp_path / "a.md", "---\ntitle: x\n---\n# One\n"))
    assert outline(document) == [("", 1), ("One", 4)]


def test_rst_titles_become_sections(tmp_path):
    text = "=====\n One\n=====\n\na\n\nTwo\n---\n\n  No\n  --\n\n----\n\nb\n"
    document = read(write(tmp_path / "a.rst", text))
    assert document.title == "One"
    assert outline(document) == [("One", 1), ("Two", 7)]
    assert "".join(covered(document)) == text


def test_python_definitions_become_sections(tmp_path):
    text = (
        "import os\n\n@deco\ndef f():\n    pass\n\n"
        "class A:\n    x = 1\n    async def m(self): ...\n    y = 2\nprint()\n"
    )
    document = read(write(tmp_path / "a.py", text))
    assert outline(document) == [("", 1), ("f", 3), ("A", 7), ("A.m", 9), ("A", 10), ("", 11)]
    assert covered(document)[1] == "@deco\ndef f():\n    pass\n"


def test_python_that_does_not_parse_is_text(tmp_path):
    document = read(write(tmp_path / "a.py", "print 'x'\n"))
    assert (document.text, document.sections, document.title) == ("print 'x'\n", (), "a.py")


def test_html_gives_its_visible_text(tmp_path):
    html = (
        "<!doctype html><head><title> The\n title</title><style>s{}</style></head><body><!-- c -->\n"
        "<h1>One <em>two</em></h1><p>a&amp;b   c<br>d</p><script>x()</script><ul><li>e<li>f</ul>"
        "<table><tr><td>g</td><td>h</td></tr></table><pre>  i\n    j</pre><p hidden>k</p>"
    )
    document = read(write(tmp_path / "a.html", html))
    assert document.text == "One two\n\na&b c\nd\n\ne\nf\n\ng\th\n\n  i\n    j"
    assert (document.title, outline(document)) == ("The title", [("One two", 3)])


def test_html_without_a_title_is_named_by_its_first_heading(tmp_path):
    document = read(write(tmp_path / "a.htm", "<p>a</p>\n<h2>Two</h2><p>b</p>"))
    assert (document.title, outline(document)) == ("Two", [("", 1), ("Two", 2)])
    assert covered(document)[1] == "Two\n\nb"


def test_html_nested_deeper_than_python_recurses_is_read(tmp_path):
    assert read(write(tmp_path / "a.html", "<div>" * 5000 + "deep")).text == "deep"


pieces = {
    ".txt": ["word", " ", "\n", "\r\n", "\u0301", "\U0001f469\u200d\U0001f680"],
    ".md": ["# H\n", "H\n===\n", "```\n", "> # q\n", "- # l\n", "text\n", "\n", "---\n", "#\n", "\t"],
    ".rst": ["H\n=\n", "===\nabc\n===\n", "text\n", "\n", "----\n", "  x\n", "::\n"],
    ".html": [
        "<h1>",
        "</h1>",
        "<h2>h</h2>",
        "<p>",
        "text",
        " ",
        "<pre>\n",
        "</pre>",
        "<td>",
        "<br>",
        "<!--",
        "&lt;",
    ],
    ".py": [
        "def f(): pass\n",
        "class A:\n",
        "    def m(self): ...\n",
        "    x = 1; \n",
        "\n",
        "x = (\n",
        ")\n",
        "\x0c",
    ],
    ".c": ["int f() {\n", "}\n", "\n", "// é\n"],
}


@pytest.mark.parametrize("suffix", sorted(pieces))
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60,
    deadline=None,
)
@given(data=st.data())
def test_sections_are_in_order_inside_the_text_and_passages_are_exact(tmp_path, suffix, data):
    drawn = data.draw(st.lists(st.sampled_from(pieces[suffix]), max_size=30))
    document = read(write(tmp_path / f"a{suffix}", "text\n" + "".join(drawn)))
    stop = 0
    for section in document.sections:
        assert stop <= section.start < section.stop <= len(document.text)
        stop = section.stop
    starts = [section.line for section in document.sections]
    assert suffix == ".html" or starts == [
        document.text.count("\n", 0, s.start) + 1 for s in document.sections
    ]
    for passage in chunk(document, max_chars=20):
        assert document.text[passage.start : passage.stop] == passage.text


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60,
    deadline=None,
)
@given(text=st.text(st.characters(), min_size=1, max_size=100).filter(str.strip))
def test_passages_of_records_are_exact(tmp_path, text):
    path = write(tmp_path / "a.jsonl", lines({"id": "x", "text": text}))
    document = read(path)
    assert document.text.encode()
    assert all(document.text[p.start : p.stop] == p.text for p in chunk(document, max_chars=20))


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_id_that_fills_a_page_is_told_with_its_line(tmp_path, kind):
    long, fits = "x" * 1025, "y" * 1024
    table = f"id,text\n{fits},one\n{long},two\n"
    path = write(
        tmp_path / f"a.{kind}",
        lines({"id": fits, "text": "one"}, {"id": long, "text": "two"}) if kind == "jsonl" else table,
    )
    with pytest.raises(BadFile, match=r"1,?024") as caught:
        list(load([path]))
    assert caught.value.line == (2 if kind == "jsonl" else 3)
    assert len(str(caught.value)) < 300


def test_a_file_whose_path_is_no_id_is_left_out_and_told(tmp_path):
    deep = tmp_path / "docs" / "/".join(["d" * 200] * 6)
    write(deep / "a.txt", "words")
    write(tmp_path / "docs" / "b.txt", "words")
    loading = load([tmp_path / "docs"])
    assert [document.id for document in loading] == ["docs/b.txt"]
    assert "longer than the 1,024 characters of an id" in str(loading.problems[0])
