from __future__ import annotations

import pytest
from sample_files import mail, pdf, places

from indexes.loaders import eml as eml_loader
from indexes.loaders.assembly import Unreadable


def test_a_mail_begins_with_its_headers_which_are_also_its_metadata():
    parsed = eml_loader.read(
        mail(
            "See you.\r\n",
            From="Ann <ann@e.org>",
            To="bob@e.org, =?utf-8?q?C=C3=A9line?= <c@e.org>",
            Subject="=?utf-8?q?Ol=C3=A1?=",
            Date="Mon, 02 Nov 2026 10:00:00 +0200",
        )
    )
    text = (
        "From: Ann <ann@e.org>\nTo: bob@e.org, Céline <c@e.org>\nDate: Mon, 02 Nov 2026 10:00:00 +0200\n"
        "Subject: Olá\n\nSee you."
    )
    assert places(parsed) == [("Olá", None, None, text)]
    assert parsed.metadata == {
        "from": ["Ann <ann@e.org>"],
        "to": ["bob@e.org", "Céline <c@e.org>"],
        "subject": "Olá",
        "date": "2026-11-02T08:00:00+00:00",
    }


def test_of_two_forms_of_a_text_the_plain_one_is_taken():
    assert eml_loader.read(mail("plain", html="<p>rich</p>", Subject="s")).text == "Subject: s\n\nplain"


def test_a_mail_in_html_alone_is_read_as_html():
    assert eml_loader.read(mail(html="<p>a<br>b</p>", Subject="s")).text == "Subject: s\n\na\nb"


def test_attachments_are_sections_under_their_names_and_all_are_listed():
    attached = (("a.pdf", pdf(["in it"])), ("b.bin", b"\0"), ("c.md", b"# H\nx"), ("d.docx", b"no zip"))
    parsed = eml_loader.read(mail("body", attachments=attached, Subject="s"))
    assert places(parsed)[1:3] == [("a.pdf", 1, None, "in it"), ("c.md: H", None, 1, "# H\nx")]
    assert places(parsed)[3][3] == (
        "Attachments:\n- a.pdf\n- b.bin (not read: files of its type are not)\n- c.md\n"
        "- d.docx (not read: it is damaged, or not of the type that its name says (File is not a zip file))"
    )
    assert parsed.metadata["attachments"] == ["a.pdf", "b.bin", "c.md", "d.docx"]


def test_a_mail_attached_as_a_file_is_read_as_a_mail():
    inner = mail("deep", attachments=(("b.md", b"deeper"),), Subject="s2")
    parsed = eml_loader.read(mail("body", attachments=(("a.eml", inner),), Subject="s"))
    assert [(title, text) for title, _, _, text in places(parsed)] == [
        ("s", "Subject: s\n\nbody"),
        ("a.eml", "Subject: s2\n\ndeep"),
        ("b.md", "deeper"),
        ("s", "Attachments:\n- a.eml\n- b.md"),
    ]


def test_mails_inside_mails_are_read_to_a_depth():
    data = mail("innermost", Subject="s0")
    for level in range(1, 12):
        head = f"Subject: s{level}\r\nContent-Type: message/rfc822\r\n\r\n"
        data = head.encode() + data
    parsed = eml_loader.read(data)
    assert "Subject: s3" in parsed.text
    assert "- s2 (not read: more than 8 mails deep)" in parsed.text


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: =?no-such-charset?q?x?=", b"Subject: =?utf-8?b?%%%?=", b"Date: yesterday, or so",
        b"Content-Type: text/plain; charset=no-such", b"From: =?utf-8?q?=ED=A0=80?= <",
        b"To: \xff\xfe,,,;<<>>",
        b"Content-Type: multipart/mixed", b"Content-Type: multipart/alternative; boundary=b",
        b'Content-Disposition: attachment; filename="..\\..\\x.txt"', b"Content-Transfer-Encoding: base64",
    ],
)  # fmt: skip
def test_odd_headers_leave_a_mail_readable(header):
    text = eml_loader.read(header + b"\r\nMessage-ID: <1@e.org>\r\nSubject: words\r\n\r\nbody\r\n").text
    assert text


def test_what_is_no_mail_says_so():
    with pytest.raises(Unreadable, match="not an email"):
        eml_loader.read(b"\x89PNG\r\n\x1a\n" * 9)
