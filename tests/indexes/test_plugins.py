"""A registry knows its built-in names and those of installed packages, and imports neither unasked."""

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from indexes.errors import MissingExtra, PlugInFailed, UnknownName
from indexes.plugins import BuiltIn, Registry

GROUP = "indexes.colour"
COLOURS = Registry("colour", GROUP, {"red": BuiltIn("builtins:str.upper"), "blue": BuiltIn("builtins:str")})


@pytest.fixture
def plug_ins(monkeypatch):
    """Install entry points of these names and values, in this order."""

    def install(*points):
        found = EntryPoints(EntryPoint(name, value, GROUP) for name, value in points)
        monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: found.select(group=group))

    install()
    return install


def test_a_built_in_name_gives_its_object(plug_ins):
    assert COLOURS.get("red") is str.upper


def test_a_built_in_name_asks_for_no_entry_points(monkeypatch):
    monkeypatch.setattr("importlib.metadata.entry_points", None)
    assert COLOURS.get("red") is str.upper


def test_a_plug_in_is_found_by_its_entry_point(plug_ins):
    plug_ins(("green", "builtins:str.lower"))
    assert COLOURS.get("green") is str.lower
    assert list(COLOURS) == ["blue", "green", "red"]
    assert "green" in COLOURS
    assert "grey" not in COLOURS


def test_a_plug_in_of_another_group_is_not_found(plug_ins, monkeypatch):
    other = EntryPoints([EntryPoint("green", "builtins:str.lower", "indexes.shape")])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: other.select(group=group))
    assert "green" not in COLOURS


def test_a_built_in_wins_over_a_plug_in_of_its_name(plug_ins):
    plug_ins(("red", "builtins:str.lower"))
    assert COLOURS.get("red") is str.upper
    assert list(COLOURS) == ["blue", "red"]


def test_of_two_plug_ins_of_a_name_the_first_on_the_path_wins(plug_ins):
    plug_ins(("green", "builtins:str.lower"), ("green", "builtins:str.title"))
    assert COLOURS.get("green") is str.lower


def test_an_unknown_name_lists_the_known_plug_ins_too(plug_ins):
    plug_ins(("green", "builtins:str.lower"))
    with pytest.raises(UnknownName, match=r"^Unknown colour 'grey'\. Known: blue, green, red\.$"):
        COLOURS.get("grey")


def test_an_unknown_name_raises_the_error_of_the_package_that_asks(plug_ins):
    class UnknownShade(UnknownName):
        pass

    with pytest.raises(UnknownShade):
        Registry("shade", GROUP, {}, unknown=UnknownShade).get("grey")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no\\nGPU here')", "RuntimeError: no GPU here"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("", "AttributeError: module 'broken_plug_in' has no attribute 'Green'"),
        ("def", "SyntaxError: "),
    ],
)
def test_a_plug_in_that_does_not_load_is_told_in_one_line(plug_ins, tmp_path, monkeypatch, code, reason):
    (tmp_path / "broken_plug_in.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_plug_in", raising=False)
    plug_ins(("green", "broken_plug_in:Green"))
    with pytest.raises(PlugInFailed) as failed:
        COLOURS.get("green")
    said = str(failed.value)
    assert said.startswith(f"Colour 'green': its plug-in broken_plug_in:Green does not load: {reason}")
    assert "\n" not in said


def test_a_plug_in_is_not_imported_by_a_listing_or_by_another_name(plug_ins):
    plug_ins(("green", "no_such_module:Green"))
    assert list(COLOURS) == ["blue", "green", "red"]
    assert COLOURS.get("red") is str.upper


def test_a_built_in_whose_package_is_missing_names_the_extra(plug_ins):
    colours = Registry("colour", GROUP, {"red": BuiltIn("no_such_module:Red", extra="paint")})
    with pytest.raises(MissingExtra, match=r"^Colour 'red' needs .*pip install 'funnel-rlm\[paint\]'"):
        colours.get("red")


def test_a_fault_of_our_own_module_is_no_missing_extra(plug_ins):
    colours = Registry("colour", GROUP, {"red": BuiltIn("no_such_module:Red")})
    with pytest.raises(ModuleNotFoundError):
        colours.get("red")
