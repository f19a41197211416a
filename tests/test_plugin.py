"""Another package adds parts by entry points alone: built, installed beside ours, and held to our suites."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PLUGIN = REPOSITORY / "tests" / "plugin"
CONFIGURATION = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = -q
python_files = suites.py
"""


def run(*command, timeout_s, **options):
    done = subprocess.run(
        [sys.executable if part == "python" else str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        **options,
    )
    assert done.returncode == 0, f"{done.stdout[-6_000:]}\n{done.stderr[-3_000:]}"
    return done.stdout


def build(source, into):
    """The wheel of a project, as pip makes it, of a copy: a build may write beside the sources."""
    copy = into / "source" / source.name
    names = ("funnel", "indexes", "README.md", "LICENSE", "pyproject.toml", "funnel_example")
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / name).exists():
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, copy)
    command = ("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*command, "--wheel-dir", into, copy, timeout_s=120)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    build(REPOSITORY, folder)
    build(PLUGIN, folder)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheels, tmp_path_factory):
    """The Python of an environment with both wheels; everything else is this environment's."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run("python", "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", *wheels,
        timeout_s=120)  # fmt: skip
    # Only the packages there, not what is installed as editable: nobody reads the .pth files of a .pth.
    [packages] = folder.glob("lib/python*/site-packages")
    theirs = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "this_environment.pth").write_text("\n".join(sorted(theirs)))
    # Monty runs a program that pip puts beside Python, where it is looked for before PATH.
    (folder / "bin" / "monty").symlink_to(Path(sysconfig.get_path("scripts")) / "monty")
    return python


def test_the_suites_and_the_queries_are_in_the_wheel(wheels):
    [ours] = [wheel for wheel in wheels if wheel.name.startswith("funnel_rlm")]
    names = set(zipfile.ZipFile(ours).namelist())
    assert {
        "funnel/testing/memory/__init__.py",
        "funnel/testing/tool.py",
        "indexes/testing/embedder.py",
    } <= names
    backends = "funnel/memory/backends"
    assert {f"{backends}/postgres/sql/queries.sql", f"{backends}/redis/lua/put.lua"} <= names
    assert not [name for name in names if name.startswith("tests/")]


def test_parts_from_outside_keep_the_shipped_contracts(python, tmp_path):
    shutil.copy(PLUGIN / "suites.py", tmp_path)
    (tmp_path / "pytest.ini").write_text(CONFIGURATION)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE"))}
    said = run(
        python, "-m", "pytest", "-p", "no:cacheprovider", "suites.py", timeout_s=240, cwd=tmp_path, env=clean
    )
    assert " passed" in said or "[100%]" in said


def test_the_command_line_lists_a_memory_from_outside(python, tmp_path):
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    assert "example:" in run(python.with_name("funnel"), "doctor", timeout_s=100, env=environment)
