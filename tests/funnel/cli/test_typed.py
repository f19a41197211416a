"""`funnel ask --schema`, and how an answer's statements without a citation are shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from chat_server import Reply
from second_stage import reading
from typer.testing import CliRunner

from funnel.cli import app, show
from funnel.cli.show import Screen
from funnel.text.citations import uncited
from funnel.types import Answer, Citation, DocumentCoverage, EndReason

QUESTION = "Who signed the lease of Hill House?"
QUOTE = "Ada Roth signed it."
WHO = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}


@pytest.fixture
def ask(tmp_path, chat_server):
    """Asks one document with a schema in a file, where the model replies so."""

    def asked(schema, *replies, **options):
        (tmp_path / "leases.txt").write_text(
            "The lease of Hill House ends in May 2026. Ada Roth signed it.\n"
        )
        (tmp_path / "who.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
        chat_server.replies.extend(Reply(text=reply) for reply in replies)
        arguments = ["ask", QUESTION, "--docs", tmp_path / "leases.txt", "--mode", "lookup"]
        arguments += ["--schema", tmp_path / "who.json", *options.get("more", ())]
        env = {"OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m", "OPENAI_API_KEY": "k"}
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)

    return asked


def typed(value, answer="Ada Roth [1]."):
    return json.dumps(json.loads(reading(answer, (1, QUOTE))) | {"value": value})


def test_the_value_stands_in_the_json(ask):
    answer = json.loads(ask(WHO, typed({"who": "Ada Roth"}), more=["--json"]).stdout)
    assert (answer["value"], answer["text"], answer["uncited"]) == ({"who": "Ada Roth"}, "Ada Roth [1].", [])


def test_the_value_stands_below_the_words(ask):
    shown = ask(WHO, typed({"who": "Ada Roth"})).stdout
    assert (
        shown.index("Ada Roth [1].")
        < shown.index('"who": "Ada Roth"')
        < shown.index("leases.txt, characters")
    )


def test_the_endpoint_is_asked_for_the_schema(ask, chat_server):
    ask(WHO, typed({"who": "Ada Roth"}))
    sent = chat_server.seen[-1].body["response_format"]["json_schema"]["schema"]
    assert sent["$defs"]["value"] == WHO


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ("{", "who.json is not JSON ("),
        ('{"type": "objet"}', "who.json: $.type: 'objet' is not valid"),
        ('{"$ref": "http://x.org/s"}', "$ref 'http://x.org/s' is refused"),
    ],
)
def test_a_file_that_holds_no_schema_is_one_line(ask, schema, told):
    result = ask(schema)
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr[:-1].split("\n")
    assert line.startswith("Error: schema: ")
    assert told in line


def an_answer(text, *citations, coverage=()):
    return Answer(
        question="?", text=text, status="complete", route="lookup", route_probability=0.1, reasons=(),
        citations=citations, uncited=uncited(text), coverage=coverage, end_reason=EndReason.ANSWERED,
    )  # fmt: skip


CITED = Citation("d", "D", "", 0, 2, "We")


@pytest.fixture
def terminal(monkeypatch):
    """A terminal that shows styles."""
    screen = Screen(width=200)
    screen._force_terminal = True
    screen._color_system = 1
    monkeypatch.setattr(show, "OUT", screen)
    return screen


def shown(answer, screen):
    with screen.capture() as captured:
        show.answer(answer)
    return captured.get()


def test_a_statement_without_a_citation_is_dim_and_one_line_says_so(terminal):
    text = shown(an_answer("We refund [1]. Ask [the desk]. Always. [1]", CITED), terminal)
    assert "We refund [1]. \x1b[2mAsk [the desk].\x1b[0m Always. [1]" in text
    assert "1 statement carries no citation: “Ask [the desk].”" in text


def test_a_row_of_a_table_is_shown_with_the_header_of_its_columns(terminal):
    row = replace(CITED, quote="| Heat | 77 |", header="| Item | 2023 |")
    text = shown(an_answer("It was 77 [1].", row), terminal)
    assert "“| Item | 2023 | … | Heat | 77 |”" in text


def test_of_several_the_first_is_named(terminal):
    text = shown(an_answer("We refund [1].\n- " + "a" * 100 + "\n- b", CITED), terminal)
    assert f"2 statements carry no citation, the first: “- {'a' * 78}…”" in text


def test_where_nothing_is_cited_nothing_is_dim(terminal):
    text = shown(an_answer("We refund. Always."), terminal)
    assert "We refund. Always." in text
    assert "carry no citation" not in text


def test_an_absence_is_shown_with_what_it_rests_on(terminal):
    coverage = (
        DocumentCoverage("05", "Acme", 32_321, searched=1, read=2_000, judged=100),
        DocumentCoverage("06", "Beta", 900, searched=1),
    )
    text = shown(an_answer("The fee is 7 [1]. No cap is named.", CITED, coverage=coverage), terminal)
    assert (
        "“No cap is named.” rests on 2,100 of 32,321 characters in 1 document; 1 more were not read" in text
    )


def test_an_answer_without_an_absence_says_nothing_of_what_was_seen(terminal):
    coverage = (DocumentCoverage("05", "Acme", 32_321, read=2_000),)
    assert "rests on" not in shown(an_answer("The fee is 7 [1].", CITED, coverage=coverage), terminal)
