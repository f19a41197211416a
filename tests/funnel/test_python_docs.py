from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from funnel.demo.python_docs import documents


@pytest.fixture(scope="module")
def library():
    seen = []
    found = {document.id: document for document in documents(lambda done, total: seen.append((done, total)))}
    assert seen[-1][0] == seen[-1][1] == len(seen)
    return found


def test_there_are_thousands_of_every_kind(library):
    kinds = Counter(document.metadata["kind"] for document in library.values())
    assert kinds["method"] > 3000
    assert kinds["function"] > 1200
    assert kinds["class"] > 700
    assert kinds["module"] > 250
    assert kinds["topic"] > 60


@pytest.mark.parametrize(
    ("name", "title", "kind"),
    [
        ("threading", "threading", "module"),
        ("threading.Event.wait", "threading.Event.wait(self, timeout=None)", "method"),
        (
            "concurrent.futures.Future.result",
            "concurrent.futures.Future.result(self, timeout=None)",
            "method",
        ),
        ("queue.Queue", "queue.Queue(maxsize=0)", "class"),
        ("builtins.len", "builtins.len(obj, /)", "function"),
        ("builtins.list.append", "builtins.list.append(self, object, /)", "method"),
        ("math.sqrt", "math.sqrt(x, /)", "function"),
        ("os.getpid", "os.getpid()", "function"),
        ("topics/assert", 'The "assert" statement', "topic"),
    ],
)
def test_a_name_has_its_signature_and_kind(library, name, title, kind):
    assert (library[name].title, library[name].metadata["kind"]) == (title, kind)


@pytest.mark.parametrize(
    "name",
    [
        "collections.abc.Mapping",
        "socket.socket.recv",
        "struct.pack",
        "datetime.datetime.now",
        "collections.deque",
    ],
)
def test_what_a_private_module_defines_is_found_under_its_public_name(library, name):
    assert name in library


def test_the_text_is_the_signature_and_the_docstring(library):
    first, empty, doc, *_ = library["threading.Event.wait"].text.split("\n")
    assert (first, empty) == ("threading.Event.wait(self, timeout=None)", "")
    assert doc.startswith("Block until the internal flag is true")


def test_the_uri_leads_to_the_line_of_the_definition(library):
    path, _, line = library["threading.Event.wait"].uri.removeprefix("file://").partition("#L")
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a plain path, as a reader would open it
        assert "def wait(" in file.readlines()[int(line) - 1]


def test_no_private_name_and_no_test_package_is_among_them(library):
    parts = {part for name in library if not name.startswith("topics/") for part in name.split(".")}
    assert not {part for part in parts if part.startswith("_") and not part.endswith("__")} - {"_thread"}
    assert not {
        name for name in library if name.startswith(("test.", "idlelib", "lib2to3", "unittest.test."))
    }


def test_every_document_has_words_of_its_own(library):
    assert all(document.text.strip() != document.title for document in library.values())


def test_modules_with_source_are_not_imported():
    program = (
        "import sys; from funnel.demo.python_docs import documents; n = sum(1 for _ in documents()); "
        "print(n, [m for m in ('antigravity', 'this', 'turtle', 'mailbox', 'ftplib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, _, imported = done.stdout.strip().partition(" ")
    assert int(count) > 5000
    assert imported == "[]"
