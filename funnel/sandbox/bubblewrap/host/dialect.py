"""Describes the sandbox's Python to the model, with hints for what it lacks, as data; knows no session."""

from __future__ import annotations

from typing import Final

from funnel.sandbox.monty.hints import Hint, hints_of

DIALECT: Final = """\
Full CPython with its standard library; re, json, math, collections, itertools, datetime are imported. \
Missing: files, environment, network, subprocesses, threads (llm_query_batched), pip packages such as numpy \
or pandas. No await is needed.\
"""

_HINTS: Final = (
    Hint(
        r"No module named '(multiprocessing|joblib|tqdm)",
        "No threads or processes here: llm_query_batched(list_of_prompts) runs sub-calls side by side.",
    ),
    Hint(
        r"No module named '(requests|urllib|http|httpx|aiohttp|ftplib|smtplib|ssl|webbrowser)",
        "No network here: use read(), grep() and search() for the documents.",
    ),
    Hint(
        r"No module named",
        "Only the standard library is here, and of it what handles data: use lists, dicts, collections, "
        "statistics and re.",
    ),
    Hint(
        r"start new thread",
        "No threads here: llm_query_batched(list_of_prompts) runs sub-calls side by side.",
    ),
    Hint(
        r"PermissionError|FileNotFoundError|BlockingIOError|Operation not permitted",
        "No files, processes or network here: use read(), grep() and search() for the documents.",
    ),
    Hint(r"KeyError.*\benviron\b", "No environment here: use read(), grep() and search() for the documents."),
    Hint(r"name '(exit|quit)' is not defined|SystemExit", "End with submit(...), not by exiting."),
    Hint(r"name '(FINAL|FINAL_VAR|SUBMIT|final_answer)' is not defined", "Finish with submit(answer)."),
    Hint(r"EOFError.*\binput\b", "Nobody can be asked: work with the documents and the question."),
    Hint(r"name 'SHOW_VARS' is not defined", "Refer to variables by name; they all stay."),
    Hint(
        r"asyncio\.run\(\) cannot be called from a running event loop",
        "The cell awaits already: write await main() instead of asyncio.run(main()).",
    ),
    Hint(r"RecursionError", "Use a loop with a list as stack instead of deep recursion."),
    Hint(r"not JSON serializable", "Convert first (str(d), list(s)), or json.dumps(x, default=str)."),
)
hint_for = hints_of(_HINTS)
