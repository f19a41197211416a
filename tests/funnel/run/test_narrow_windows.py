"""Both routes with models of small windows, through a real server that refuses as the known ones do."""

from __future__ import annotations

import re

import pytest
from chat_server import ChatServer
from narrow_models import NarrowModel, llama_cpp, openai, vllm, vllm_latest, vllm_new, wordless
from second_stage import cell, doc, reading

from funnel.errors import WindowTooSmall
from funnel.factory import build, limits
from funnel.llm import windows
from funnel.llm.budget import Limits
from funnel.pipeline import Options
from funnel.run.options import ResumeOptions
from funnel.settings import Settings
from indexes import RawDocuments

WORDS = "The tenant pays the rent on the first day of each month and keeps the garden tidy. "
LEASES = [doc(f"lease-{n}", f"Lease {n}. {WORDS * 40} It ends in {2020 + n}.") for n in range(12)]
QUESTION = "Which leases end before 2027?"


def settings(server, tmp_path, **more):
    how = {"named_model": "m", "base_url": server.url, "memory": "memory://", "trace_dir": tmp_path}
    return Settings(**how, **more)


async def ask(server, tmp_path, mode, documents=LEASES, **more):
    chosen = settings(server, tmp_path, **more)
    async with build(RawDocuments(documents).as_owner(), chosen) as funnel:
        return await funnel.ask(QUESTION, Options(mode=mode, k=12, limits=limits(chosen)))


def reader(_body):
    """Answer with words of any passage."""
    return reading("The garden is kept tidy [1].", (1, "keeps the garden tidy"))


def program(turns=8, chars=9_000):
    """Print much each turn, and submit in the last one."""

    def says(body):
        if body["messages"][0]["content"].startswith("A program that"):
            return "What the notes say."
        n = int(re.findall(r"Turn (\d+) of", body["messages"][-1]["content"])[-1])
        if n < turns:
            return cell(f"x = {n}", f"print(('row {n} of the table, which is long; ' * 400)[:{chars}])")
        return cell('submit("Seven leases, " + cite(context[0]["id"], quote="Lease"))')

    return says


REFUSALS = [vllm, vllm_new, vllm_latest, openai, llama_cpp, wordless]


@pytest.mark.parametrize("refuse", REFUSALS)
@pytest.mark.parametrize("window", [2_048, 4_096, 8_192])
async def test_a_lookup_is_answered_within_a_small_window(tmp_path, refuse, window):
    with ChatServer() as server:
        model = server.default = NarrowModel(reader, window=window, refuse=refuse)
        answer = await ask(server, tmp_path, "lookup")
    assert (answer.status, len(answer.citations)) == ("complete", 1)
    assert (answer.usage.model_calls, len(model.taken)) == (1, 1)
    assert model.refused <= 12


@pytest.mark.parametrize("refuse", REFUSALS)
@pytest.mark.parametrize("window", [4_096, 8_192])
async def test_a_program_runs_to_its_end_within_a_small_window(tmp_path, refuse, window):
    with ChatServer() as server:
        model = server.default = NarrowModel(program(), window=window, refuse=refuse)
        answer = await ask(server, tmp_path, "deep")
    assert (answer.status, answer.text) == ("complete", "Seven leases, [1]")
    assert answer.usage.turns == 8
    assert answer.usage.model_calls == len(model.taken) == 8


@pytest.mark.parametrize("refuse", [vllm, vllm_latest, llama_cpp])
@pytest.mark.parametrize("bytes_per_token", [2.0, 6.0])
async def test_text_that_is_denser_or_lighter_than_english_fits_as_well(tmp_path, refuse, bytes_per_token):
    for mode, says in (("lookup", reader), ("deep", program(5))):
        with ChatServer() as server:
            how = {"window": 8_192, "refuse": refuse, "bytes_per_token": bytes_per_token}
            model = server.default = NarrowModel(says, **how)
            answer = await ask(server, tmp_path, mode)
        assert (answer.status, model.refused <= 5) == ("complete", True)


async def test_the_window_is_used_and_not_left_half_empty(tmp_path):
    with ChatServer() as server:
        model = server.default = NarrowModel(program(), window=8_192)
        await ask(server, tmp_path, "deep")
    assert max(prompt for prompt, _ in model.taken) > 8_192 * 0.55


async def test_only_the_first_runs_are_refused(tmp_path):
    with ChatServer() as server:
        model = server.default = NarrowModel(program(), window=8_192)
        await ask(server, tmp_path, "deep")
        before = model.refused
        await ask(server, tmp_path, "deep")
    assert model.refused == before > 0


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_a_model_with_2048_tokens_of_output_answers_both_routes(tmp_path, mode):
    with ChatServer() as server:
        says = reader if mode == "lookup" else program(3)
        model = server.default = NarrowModel(says, most_output=2_048)
        answer = await ask(server, tmp_path, mode)
    assert answer.status == "complete"
    assert model.refused == 1
    assert {asked for _, asked in model.taken} == {2_048}


async def test_a_refused_call_costs_nothing(tmp_path):
    with ChatServer() as server:
        model = server.default = NarrowModel(reader, window=4_096)
        answer = await ask(server, tmp_path, "lookup", prices={"m": (1.0, 10.0)})
    [(prompt, _)] = model.taken
    assert answer.usage.input_tokens == prompt
    assert model.refused >= 1


async def test_passages_that_were_not_read_are_counted_in_a_notice(tmp_path):
    with ChatServer() as server:
        server.default = NarrowModel(reader, window=4_096)
        answer = await ask(server, tmp_path, "lookup")
    assert re.search(r"\d+ of \d+ passages did not fit the prompt and were not read\.", answer.notices[0])


async def test_a_sub_call_that_is_too_long_tells_the_program_what_fits(tmp_path):
    def says(body):
        if body["messages"][0]["content"].startswith("You do one small"):
            return "fits"
        if "Turn 1 of" in body["messages"][-1]["content"]:
            text = WORDS.replace('"', "")
            return cell(
                f"text = {text!r} * 2000",
                "try:", "    llm_query('Sum up.', text)", "except Exception as error:",
                "    told = str(error)", "print(told)",
                "import re", "n = int(re.search(r'about ([\\d,]+) fit', told).group(1).replace(',', ''))",
                "print(n, llm_query('Sum up.', text[:n - 200]))", "submit(str(n), citations=[])",
            )  # fmt: skip
        return cell("submit('lost', found=False)")

    with ChatServer() as server:
        model = server.default = NarrowModel(says, window=8_192)
        answer = await ask(server, tmp_path, "deep")
    assert answer.text.isdigit(), answer
    assert 10_000 < int(answer.text) < 8_192 * 4.2
    assert model.taken[-1][0] < 8_192


async def test_work_that_was_cut_short_is_extracted_within_the_window(tmp_path):
    with ChatServer() as server:
        model = server.default = NarrowModel(program(99), window=8_192)
        chosen = settings(server, tmp_path, max_calls=6)
        async with build(RawDocuments(LEASES).as_owner(), chosen) as funnel:
            answer = await funnel.ask(QUESTION, Options(mode="deep", k=12, limits=limits(chosen)))
    assert (answer.status, answer.text) == ("partial", "What the notes say.")
    assert max(prompt + asked for prompt, asked in model.taken) <= 8_192


async def test_a_window_that_no_program_fits_is_told_in_one_line(tmp_path):
    with ChatServer() as server:
        server.default = NarrowModel(program(), window=1_024)
        with pytest.raises(WindowTooSmall) as caught:
            await ask(server, tmp_path, "deep")
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(
        "The window of 'm' holds 1,024 tokens for prompt and reply, and a program's turn takes"
    )
    assert "--max-model-len" in line


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_the_settings_bound_prompts_and_replies(tmp_path, mode):
    with ChatServer() as server:
        says = reader if mode == "lookup" else program(4)
        model = server.default = NarrowModel(says)
        await ask(server, tmp_path, mode, max_prompt_tokens=9_000, max_output_tokens=700)
    assert {asked for _, asked in model.taken} == {700}
    assert max(prompt for prompt, _ in model.taken) <= 9_000


async def test_a_sub_call_is_bound_by_the_settings_too(tmp_path):
    def says(body):
        if body["messages"][0]["content"].startswith("You do one small"):
            return "fits"
        return cell(
            "r = llm_query_batched(['Sum up.', 'Sum up.'], ['x' * 40000, 'short'])",
            "submit(str([each['ok'] for each in r]) + str(r[0]['error']), found=False)",
        )

    with ChatServer() as server:
        model = server.default = NarrowModel(says)
        answer = await ask(server, tmp_path, "deep", max_prompt_tokens=9_000, max_output_tokens=300)
    assert answer.text.startswith("[False, True]40,")
    assert "are too many for one sub-call of this model: about 17," in answer.text
    assert {asked for _, asked in model.taken} == {300}


async def test_a_prompt_that_was_cut_without_a_word_is_told_in_a_notice(tmp_path):
    with ChatServer() as server:
        server.default = NarrowModel(reader, window=1_024, refuse=None)
        answer = await ask(server, tmp_path, "lookup")
    assert any("cut prompts without saying so: it read only 1,024 tokens" in told for told in answer.notices)
    assert any("OLLAMA_CONTEXT_LENGTH" in told for told in answer.notices)


async def test_a_resumed_lookup_finds_the_reply_that_fitted(tmp_path):
    with ChatServer() as server:
        model = server.default = NarrowModel(lambda _body: "no object", window=4_096)
        chosen = settings(server, tmp_path, max_calls=1)
        async with build(RawDocuments(LEASES).as_owner(), chosen) as funnel:
            first = await funnel.ask(QUESTION, Options(mode="lookup", k=12, limits=limits(chosen)))
            windows._KNOWN.clear()  # another process has learnt nothing
            model.says = reader
            again = await funnel.resume(first.run, ResumeOptions(limits=Limits(max_calls=9)))
    assert first.end_reason == "budget"
    assert again.status == "complete"
    assert not any("no longer fitted" in told for told in again.notices)
    assert (again.usage.model_calls, again.usage.replayed_calls, len(model.taken)) == (2, 1, 2)
