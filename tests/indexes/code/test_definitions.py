"""What source code defines and where names occur, language by language; every span is cut from the text."""

from __future__ import annotations

import pytest

from indexes.code.definitions import Source
from indexes.code.languages import LANGUAGES, grammar, language_of

PYTHON = '''\
import shop
from shop import total


@cached
class Shop(Base):
    """total is a word here."""

    def total(self, prices):  # total
        for price in prices:
            while price:
                price -= 1
        return shop.total(prices) + self.total(prices)


def other():
    def inner():
        return total
'''

PROGRAMS = {
    "python": PYTHON,
    "javascript": "export class Shop { total(a) { for (const x of a) {} } }\nconst other = () => total(1);\n"
    "module.exports.third = function () { while (1) {} };",
    "typescript": "export abstract class Shop { private total(): void { do {} while (1); } }\n"
    "interface Priced { price(): number }\ntype Money = number;\nnamespace N { export function other() {} }\n"
    "enum Coin { A }",
    "tsx": "const Shop = () => <p>{total()}</p>;\nexport function other(): JSX.Element { return <Shop/>; }",
    "go": "package p\nfunc (s *Shop[T]) Total() { for {} }\ntype Shop struct{}\n"
    "type Priced interface{ Price() }\nfunc other(s Shop) { s.Total() }",
    "java": "class Shop { Shop() {} void total() { for (int x : y) { total(); } } interface Priced {}\n"
    "record Coin(int x) {} enum Kind { A } }",
    "c": "#define TWICE(a) (a + a)\nstruct shop { int x; };\ntypedef struct { int y; } coin;\n"
    "enum kind { A };\nstatic int *total(struct shop *s) { while (1) total(s); }\nint declared(void);",
    "c++": "namespace n { class Shop : Base { void total() const; int price() { return 1; } ~Shop() {} };\n"
    "void Shop::total() const { for (auto &x : y) {} }\ntemplate <class T> T other(T x) { return x; } }",
    "rust": "mod m { pub struct Shop<T> { x: T } "
    "impl<T> Priced for Shop<T> { fn total(&self) { loop {} } } trait Priced { fn price(&self); } "
    "enum Kind { A } }\nfn other() { total!(); }",
    "c#": "namespace N { class Shop { int Price { get; set; } "
    "void Total() { foreach (var x in y) { Total(); } } } "
    "interface IPriced {} struct Coin {} enum Kind { A } }",
    "ruby": "module M\n  class Shop < Base\n    def total\n      while true; end\n    end\n"
    "    def self.other; end\n  end\nend",
    "php": "<?php\nnamespace N;\nclass Shop { function total() { foreach ($x as $y) { $this->total(); } } }\n"
    "interface Priced {}\ntrait Cheap {}\nfunction other() { other(); }",
}
DEFINED = {
    "python": ["class Shop", "method Shop.total", "loop Shop.total", "loop Shop.total", "function other",
               "function other.inner"],
    "javascript": ["class Shop", "method Shop.total", "loop Shop.total", "function other", "function third",
                   "loop third"],
    "typescript": ["class Shop", "method Shop.total", "loop Shop.total", "interface Priced",
                   "method Priced.price", "type Money", "namespace N", "function N.other", "enum Coin"],
    "tsx": ["function Shop", "function other"],
    "go": ["method Shop.Total", "loop Shop.Total", "type Shop", "type Priced", "method Priced.Price",
           "function other"],
    "java": ["class Shop", "method Shop.Shop", "method Shop.total", "loop Shop.total",
             "interface Shop.Priced", "record Shop.Coin", "enum Shop.Kind"],
    "c": ["macro TWICE", "struct shop", "type coin", "enum kind", "function total", "loop total"],
    "c++": ["namespace n", "class n.Shop", "method n.Shop.price", "method n.Shop.~Shop",
            "method n.Shop.total", "loop n.Shop.total", "function n.other"],
    "rust": ["module m", "struct m.Shop", "impl m.Shop", "method m.Shop.total", "loop m.Shop.total",
             "trait m.Priced", "method m.Priced.price", "enum m.Kind", "function other"],
    "c#": ["namespace N", "class N.Shop", "method N.Shop.Price", "method N.Shop.Total", "loop N.Shop.Total",
           "interface N.IPriced", "struct N.Coin", "enum N.Kind"],
    "ruby": ["module M", "class M.Shop", "method M.Shop.total", "loop M.Shop.total", "method M.Shop.other"],
    "php": ["namespace N", "class Shop", "method Shop.total", "loop Shop.total", "interface Priced",
            "trait Cheap", "function other"],
}  # fmt: skip


def cut(text, spans):
    return [text[span.start : span.stop] for span in spans]


def test_every_language_has_a_program_here():
    assert set(PROGRAMS) == set(DEFINED) == {language.name for language in LANGUAGES}


@pytest.mark.parametrize("language", PROGRAMS)
def test_what_a_program_defines_is_found_by_its_qualified_name(language):
    found = Source(PROGRAMS[language], language).definitions(loops=True)
    assert [f"{each.kind} {each.name}" for each in found] == DEFINED[language]


@pytest.mark.parametrize("language", PROGRAMS)
def test_every_definition_is_named_within_its_span(language):
    text = PROGRAMS[language]
    for each in Source(text, language).definitions():
        own = each.name.rpartition(".")[2]
        assert text[each.named_at :].startswith(own)
        assert each.start <= each.named_at < each.stop <= len(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_grammar_knows_every_node_type_of_its_language(language):
    known = grammar(language.name)
    types = [type_ for held in language.kinds.values() for type_ in held]
    missing = [type_ for type_ in types if known.id_for_node_kind(type_, True) is None]
    assert not missing


def test_loops_are_left_out_unless_they_are_asked_for():
    assert all(each.kind != "loop" for each in Source(PYTHON, "python").definitions())


def test_a_definition_begins_at_its_decorators_and_ends_with_its_body():
    (shop, *_) = cut(PYTHON, Source(PYTHON, "python").definitions())
    assert shop.startswith("@cached\nclass Shop")
    assert shop.endswith("self.total(prices)")


def test_levels_say_what_contains_what():
    found = Source(PYTHON, "python").definitions(loops=True)
    assert [each.level for each in found] == [1, 2, 3, 4, 1, 2]


def test_a_name_is_found_as_a_name_not_in_strings_and_comments():
    found = Source(PYTHON, "python").occurrences("total")
    assert [(each.kind, each.within) for each in found] == [
        ("import", ""),
        ("definition", "Shop"),
        ("call", "Shop.total"),
        ("call", "Shop.total"),
        ("use", "other.inner"),
    ]
    assert set(cut(PYTHON, found)) == {"total"}


@pytest.mark.parametrize(
    ("language", "name", "within"),
    [
        ("javascript", "total", "other"),
        ("tsx", "total", "Shop"),
        ("go", "Total", "other"),
        ("java", "total", "Shop.total"),
        ("c", "total", "total"),
        ("rust", "total", "other"),
        ("c#", "Total", "N.Shop.Total"),
        ("php", "other", "other"),
    ],
)
def test_a_call_is_told_with_the_function_around_it(language, name, within):
    found = Source(PROGRAMS[language], language).occurrences(name)
    assert [each.within for each in found if each.kind == "call"] == [within]


def test_offsets_are_characters_whatever_the_text_holds():
    text = "# größer 🎉\nclass Ärger:\n    def naïve(self): return Ärger()\n"
    source = Source(text, "python")
    assert [each.name for each in source.definitions()] == ["Ärger", "Ärger.naïve"]
    assert cut(text, source.occurrences("Ärger")) == ["Ärger", "Ärger"]
    assert cut(text, source.definitions())[1] == "def naïve(self): return Ärger()"


@pytest.mark.parametrize("text", ["", "\ud800", "def (:\n  class", "\x00\x01", "def f(:\n    return 1\n"])
def test_broken_code_is_read_as_far_as_it_can_be(text):
    Source(text, "python").definitions(loops=True)
    assert Source(text, "python").occurrences("nowhere") == []


def test_a_broken_line_does_not_hide_the_functions_around_it():
    text = "def before():\n    pass\n\nx = = 3\n\ndef after():\n    pass\n"
    assert [each.name for each in Source(text, "python").definitions()] == ["before", "after"]


@pytest.mark.parametrize(
    ("names", "language"),
    [
        (("file:///a/b.PY",), "python"),
        (("https://host/x.ts?raw=1#L3", "title"), "typescript"),
        (("", "src\\main.rs"), "rust"),
        (("a.h",), "c"),
        (("notes.md", "readme"), None),
        (("",), None),
    ],
)
def test_the_language_is_told_by_the_extension_of_a_name(names, language):
    found = language_of(*names)
    assert (found and found.name) == language
