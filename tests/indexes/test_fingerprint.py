"""A fingerprint is short, the same everywhere, and another for another text."""

import hashlib

from indexes.counting import counted, plural
from indexes.fingerprint import fingerprint, joint_fingerprint


def test_a_fingerprint_is_sixteen_digits_of_the_sha256():
    assert fingerprint("lease") == hashlib.sha256(b"lease").hexdigest()[:16]


def test_a_lone_surrogate_has_a_fingerprint():
    assert fingerprint("\ud800") != fingerprint("\ud801")


def test_a_border_that_is_moved_changes_a_joint_fingerprint():
    assert (
        len({joint_fingerprint(*texts) for texts in [("ab", "c"), ("a", "bc"), ("abc",), ("abc", "")]}) == 4
    )


def test_one_is_singular_and_nothing_is_plural():
    assert [counted(n, "file") for n in (0, 1, 2, 12_345)] == ["0 files", "1 file", "2 files", "12,345 files"]
    assert plural(1, "trace") == "trace"
