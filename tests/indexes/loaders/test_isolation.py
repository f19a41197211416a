from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import zipfile

import pytest
from sample_files import book, mail, pdf, rezipped, slides, word

from indexes.errors import BadFile, MissingExtra, NothingToIndex
from indexes.loaders import documents, load
from indexes.loaders.isolation import Isolation

SAMPLES = {
    ".docx": word("words"),
    ".eml": mail("words", Subject="s"),
    ".pdf": pdf(["words"]),
    ".pptx": slides(("words", "b")),
    ".xlsx": book(S=[["words"]]),
}


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def isolation():
    with Isolation() as isolation:
        yield isolation


# The worker


def test_every_registered_format_has_a_sample_here():
    assert SAMPLES.keys() == documents.READERS.keys()


def test_one_worker_reads_every_format(tmp_path, isolation):
    workers = set()
    for suffix, data in SAMPLES.items():
        assert "words" in isolation.parse(write(tmp_path / f"a{suffix}", data), suffix).text
        workers.add(isolation._worker._process.pid)
    assert len(workers) == 1


def test_the_parsers_are_loaded_by_the_worker_alone(tmp_path):
    write(tmp_path / "a.pdf", SAMPLES[".pdf"])
    code = (
        "import sys; from pathlib import Path; from indexes.loaders import load\n"
        "print([d.text for d in load([Path(sys.argv[1])])], 'pypdfium2' in sys.modules)"
    )
    said = subprocess.check_output([sys.executable, "-c", code, tmp_path], text=True)
    assert said == "['words'] False\n"


def test_a_worker_that_died_is_replaced(tmp_path, isolation):
    path = write(tmp_path / "a.pdf", SAMPLES[".pdf"])
    before = isolation.parse(path, ".pdf")
    isolation._worker._process.kill()
    isolation._worker._process.wait()
    assert isolation.parse(path, ".pdf") == before


def test_a_file_that_keeps_its_parser_busy_is_given_up_and_the_next_is_read(tmp_path):
    os.mkfifo(tmp_path / "a.pdf")
    path = write(tmp_path / "b.pdf", SAMPLES[".pdf"])
    with Isolation(limit_s=0.5) as isolation:
        with pytest.raises(BadFile, match=r"a\.pdf: reading it took longer than 0\.5 s"):
            isolation.parse(tmp_path / "a.pdf", ".pdf")
        isolation._worker._waits_s = 60
        assert isolation.parse(path, ".pdf").text == "words"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_a_file_that_fills_the_memory_is_given_up_and_the_next_is_read(tmp_path):
    huge = tmp_path / "a.pdf"
    with huge.open("wb") as file:
        file.truncate(1_000_000_000)
    path = write(tmp_path / "b.pdf", SAMPLES[".pdf"])
    with Isolation(memory_bytes=900 << 20) as isolation:
        with pytest.raises(BadFile, match=r"a\.pdf: reading it takes more than 900 MiB of memory"):
            isolation.parse(huge, ".pdf")
        assert isolation.parse(path, ".pdf").text == "words"


def test_a_bad_file_is_parsed_once_and_costs_no_worker(tmp_path, isolation):
    good, bad = write(tmp_path / "a.pdf", SAMPLES[".pdf"]), write(tmp_path / "b.pdf", b"")
    isolation.parse(good, ".pdf")
    worker = isolation._worker._process
    with pytest.raises(BadFile):
        isolation.parse(bad, ".pdf")
    assert isolation._worker._process is worker


def test_a_file_that_is_gone_says_so(tmp_path, isolation):
    with pytest.raises(BadFile, match=r"it cannot be read \(No such file"):
        isolation.parse(tmp_path / "gone.pdf", ".pdf")


def test_no_worker_is_left_behind(tmp_path):
    with Isolation() as isolation:
        isolation.parse(write(tmp_path / "a.pdf", SAMPLES[".pdf"]), ".pdf")
        process = isolation._worker._process
    assert process.returncode is not None


def test_no_module_is_taken_from_the_current_folder(tmp_path, monkeypatch):
    write(tmp_path / "json.py", b"raise SystemExit('taken')")
    path = write(tmp_path / "a.pdf", SAMPLES[".pdf"])
    monkeypatch.chdir(tmp_path)
    with Isolation() as isolation:
        assert isolation.parse(path, ".pdf").text == "words"


# In a folder


def test_documents_carry_what_their_format_says(tmp_path):
    write(tmp_path / "a.pptx", slides(("Plan", "b")))
    write(tmp_path / "b.xlsm", SAMPLES[".xlsx"])
    first, second = load([tmp_path])
    assert (first.title, first.sections[0].page) == ("Plan", 1)
    assert (second.title, second.sections[0].title) == ("b.xlsm", "S")


def test_files_with_macros_are_read_without_them(tmp_path, isolation):
    kinds = ("presentationml.presentation", "ms-powerpoint.presentation.macroEnabled")
    with zipfile.ZipFile(io.BytesIO(SAMPLES[".pptx"])) as archive:
        types = archive.read("[Content_Types].xml").decode()
    macros = types.replace(f"openxmlformats-officedocument.{kinds[0]}.main", f"{kinds[1]}.main")
    path = write(tmp_path / "a.pptm", rezipped(SAMPLES[".pptx"], "[Content_Types].xml", macros))
    assert macros != types
    assert isolation.parse(path, ".pptm").text == "words\nb"


def test_a_name_that_is_no_utf8_is_read(tmp_path):
    write(tmp_path / os.fsdecode(b"caf\xe9.pdf"), SAMPLES[".pdf"])
    assert [d.text for d in load([tmp_path])] == ["words"]


def test_the_time_of_a_file_is_no_part_of_its_document(tmp_path):
    for suffix, data in SAMPLES.items():
        write(tmp_path / f"a{suffix}", data)
    before = [d.fingerprint for d in load([tmp_path])]
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    assert [d.fingerprint for d in load([tmp_path])] == before


def test_bad_documents_in_a_folder_are_reported_by_name_and_the_others_are_read(tmp_path):
    for suffix, data in SAMPLES.items():
        write(tmp_path / f"good{suffix}", data)
        write(tmp_path / f"bad{suffix}", b"\0" * 99)
    loading = load([tmp_path])
    assert len(list(loading)) == len(SAMPLES)
    assert sorted(problem.path.name for problem in loading.problems) == sorted(f"bad{s}" for s in SAMPLES)


def test_a_bad_document_named_by_the_user_is_an_error(tmp_path):
    with pytest.raises(BadFile, match=r"a\.docx: it is damaged"):
        list(load([write(tmp_path / "a.docx", b"")]))


@pytest.mark.parametrize(("old", "new"), documents.SUCCESSORS.items())
def test_an_office_format_that_is_not_read_is_left_out_with_advice(tmp_path, old, new):
    path = write(tmp_path / f"a{old}", b"\xd0\xcf\x11\xe0")
    with pytest.raises(BadFile, match=rf"\{old} files are not read; save it as \{new}"):
        list(load([path]))


@pytest.fixture
def _without_the_extra(monkeypatch):
    monkeypatch.setattr(documents, "find_spec", lambda _: None)


@pytest.mark.usefixtures("_without_the_extra")
def test_without_the_extra_a_folder_says_so_once_a_type(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.pdf", SAMPLES[".pdf"])
    write(tmp_path / "a.docx", SAMPLES[".docx"])
    write(tmp_path / "a.eml", SAMPLES[".eml"])
    loading = load([tmp_path])
    assert [d.id for d in loading] == [f"{tmp_path.name}/a.eml"]
    advice = "needs an optional package: pip install 'funnel-rlm[documents]'."
    assert sorted(map(str, loading.problems)) == [
        f"{tmp_path}: reading its 1 .docx file {advice}",
        f"{tmp_path}: reading its 3 .pdf files {advice}",
    ]
    assert loading.done == len(loading.files)


@pytest.mark.usefixtures("_without_the_extra")
def test_without_the_extra_a_file_named_by_the_user_is_an_error(tmp_path):
    with pytest.raises(MissingExtra, match=r"a\.pdf needs an optional package: .*funnel-rlm\[documents\]"):
        list(load([write(tmp_path / "a.pdf", SAMPLES[".pdf"])]))


@pytest.mark.usefixtures("_without_the_extra")
def test_without_the_extra_a_folder_of_nothing_else_says_why(tmp_path):
    write(tmp_path / "a.pdf", SAMPLES[".pdf"])
    with pytest.raises(NothingToIndex, match=r"reading its 1 \.pdf file needs an optional package"):
        list(load([tmp_path]))


# Formats that are text, and still take more than they weigh


def test_markup_that_its_parser_never_finishes_ends_at_the_time_limit(tmp_path):
    with Isolation(limit_s=3) as isolation, pytest.raises(BadFile, match="longer than 3 s"):
        isolation.parse(write(tmp_path / "a.html", b'<a b="' * 200_000), ".html")


def test_a_long_page_is_read_by_the_worker_as_a_short_one_is_here(tmp_path, monkeypatch):
    page = "<title>Leases</title><h1>Hill House</h1>" + "<p>The lease ends in May.</p>" * 2_000
    path = write(tmp_path / "a.html", page.encode())
    [found] = load([path])
    monkeypatch.setattr("indexes.loaders.loading._MARKUP_AT_ONCE", len(page))
    assert [found] == list(load([path]))


def test_a_few_kilobytes_of_gzip_that_hold_a_line_of_gigabytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("indexes.loaders.records.MAX_LINE_CHARS", 1_000)
    record = b'{"id": "a", "text": "' + b"a" * 1_000 + b'"}\n'
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"id": "b", "text": "words"}\n' + record))
    with pytest.raises(BadFile, match=r"line 2: it has more than 1,000 characters"):
        list(load([path]))
