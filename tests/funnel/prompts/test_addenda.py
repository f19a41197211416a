"""What single models are told besides the common prompts."""

from __future__ import annotations

from importlib.resources import files

import pytest

from funnel.errors import BadSetting
from funnel.inspector.tools.registry import TOOLS
from funnel.prompts import advice, render
from funnel.prompts.addenda import Addendum, Prompts, load, shipped
from funnel.router.shape import SURE

OWN = '[[addenda]]\nmatch = ["My-*"]\npurpose = "sub_call"\ntext = """\n  Be brief.\n"""\n'


@pytest.fixture
def own(tmp_path):
    def written(text):
        path = tmp_path / "addenda.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_an_addendum_is_a_paragraph_after_the_prompt():
    prompts = Prompts((Addendum(match=("m",), purpose="sub_call", text="Be brief."),))
    assert prompts.render_for("m", "sub_call") == f"{render('sub_call')}\n\nBe brief."


def test_a_model_without_an_addendum_gets_the_common_prompt():
    for name, values in (("inspector", {"tools": "t", "dialect": "d"}), ("sub_call", {}), ("reader", {})):
        assert shipped().render_for("gpt-6.1-sol", name, **values) == render(name, **values)


@pytest.mark.parametrize(
    ("model", "purpose", "told"),
    [
        ("qwen3-coder", "inspector", "Sub-calls are slow and costly"),
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "inspector", "200,000 characters"),
        ("qwen3:8b", "inspector", "about 15,000 characters"),
        ("Qwen/Qwen3-8B", "sub_call", "/no_think"),
        ("Qwen/Qwen3-235B-A22B", "inspector", "Think briefly"),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "inspector", "Think briefly"),
        ("openai/gpt-oss-20b", "sub_call", "Reasoning: low"),
        ("deepseek-v3.2", "inspector", "Prefer llm_query_batched"),
    ],
)
def test_what_is_published_of_a_family_is_told_to_it(model, purpose, told):
    assert told in shipped().render_for(model, purpose, tools="t", dialect="d")


@pytest.mark.parametrize(
    "model",
    ["qwen3-coder", "Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-4B-Instruct-2507", "gpt-6.1-terra"],
)
def test_a_model_without_the_switch_is_not_told_to_switch_thinking_off(model):
    assert shipped().render_for(model, "sub_call") == render("sub_call")


def test_every_shipped_addendum_says_where_it_comes_from():
    text = files("funnel.prompts").joinpath("addenda.toml").read_text("utf-8")
    comments = [part.rpartition("\n\n")[2] for part in text.split("[[addenda]]")[:-1]]
    assert len(comments) == len(shipped().addenda)
    for comment in comments:
        assert any(source in comment for source in ("arXiv ", "huggingface.co/", "The same paper")), comment


def test_the_simple_form_is_told_nothing_of_functions_that_it_does_not_name():
    simple = render("inspector_simple")
    for each in shipped().addenda:
        if each.form != "full" and each.purpose == "inspector":
            assert not [name for name in TOOLS if f"{name}(" in each.text and f"{name}(" not in simple]
            assert "ub-model" not in each.text
            assert "ub-call" not in each.text


def test_an_addendum_of_one_form_is_left_out_of_the_other():
    told = shipped().render_for("qwen3:8b", "inspector", form="simple")
    assert told == render("inspector_simple")


def test_without_a_file_the_shipped_addenda_hold():
    assert load(None) is shipped()


def test_entries_of_an_own_file_follow_the_shipped(own):
    prompts = load(own(OWN))
    assert prompts.addenda[:-1] == shipped().addenda
    assert prompts.render_for("my-model", "sub_call") == f"{render('sub_call')}\n\nBe brief."


def test_an_own_file_can_do_without_the_shipped(own):
    assert len(load(own("shipped = false\n" + OWN)).addenda) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[addenda]\n", "is not TOML"),
        (OWN.replace("match", "matches"), "addenda.0.match: Field required"),
        (OWN.replace("sub_call", "subcall"), "addenda.0.purpose: Input should be 'inspector', 'sub_call' or"),
        (OWN.replace("Be brief.", ""), "addenda.0.text: String should have at least 1 character"),
        (OWN.replace("Be brief.", "x" * 4_001), "addenda.0.text: String should have at most 4000 characters"),
        (OWN.replace('["My-*"]', "[]"), "addenda.0.match: Tuple should have at least 1 item"),
        (OWN.replace("addenda", "addendum"), "addendum: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_one_line(own, text, complaint):
    with pytest.raises(BadSetting) as caught:
        load(own(text))
    said = str(caught.value)
    assert said.startswith("FUNNEL_ADDENDA: ")
    assert complaint in said
    assert "\n" not in said


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadSetting, match=r"FUNNEL_ADDENDA: .*none\.toml: cannot be read \(No such file"):
        load(tmp_path / "none.toml")


def test_every_shape_that_is_told_has_a_sentence_that_is_worded_as_a_guess():
    sentences = [advice(shape) for shape in SURE]
    assert all(sentence.startswith("This may ") and len(sentence) < 150 for sentence in sentences)
    assert len(set(sentences)) == len(SURE)
