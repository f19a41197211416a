"""What the router sees: signals from the wording of a question and from the shape of its hits; no weights.

Every signal is small, named and explainable; none of them is a bag of words, which would learn the style
of the questions that it was fitted on. Presence signals are 0 when absent, and a retrieval signal that
cannot be computed is left out, so absence never argues. The wording signals know English only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from indexes.types import DocumentHit

MAX_CHARS = 2_000
"""A longer question is read at both ends only: its task stands there, a pasted text in the middle."""

_TOP = 10
_NEAR = 5


@dataclass(frozen=True, slots=True)
class Signal:
    """One value and what to say of it: `deep` when it argues for depth, `lookup` when against."""

    value: float
    deep: str
    lookup: str = ""


_THING = (
    r"(?:documents?|docs|files?|papers?|articles?|contracts?|agreements?|leases?|clauses?|policies|filings?|"
    r"reports?|transcripts?|interviews?|episodes?|meetings?|calls?|emails?|messages?|tickets?|issues?|reviews?|"
    r"comments?|records?|entries|rows|instances?|data points?|cases?|chapters?|sections?|pages?|letters?|"
    r"modules?|functions?|class(?:es)?|methods?|tests?|commits?|studies|submissions?|speakers?|guests?|"
    r"customers?|patients?|suppliers?)"
)
_MANY = (
    r"(?:documents|docs|files|papers|articles|contracts|agreements|leases|clauses|policies|filings|reports|"
    r"transcripts|interviews|episodes|meetings|calls|emails|messages|tickets|issues|reviews|comments|records|"
    r"entries|rows|instances|data points|cases|chapters|letters|modules|functions|classes|methods|tests|"
    r"commits|studies|submissions|speakers|guests|customers|patients|suppliers|places|collection|corpus|"
    r"repository|repo|codebase|code base|data ?set|standard library|archive|library)"
)
_COMPARATIVE = (
    r"(?:more|less|fewer|earlier|later|first|last|older|younger|bigger|smaller|larger|longer|shorter|higher|"
    r"lower|better|worse|closer|further|farther|taller|newer|sooner|faster|slower|cheaper)"
)

_PATTERNS: dict[str, str] = {
    "compares": (
        r"\b(?:compar\w+|versus|vs\.?|contrast\w*|differ(?:s|ed|ent|ence|ences|ently)?|distinguish\w*|"
        r"similarit\w+|in common|alike|pros and cons|trade-?offs?|for and against|contradict\w*|conflicts? with|"
        r"inconsisten\w+)\b"
    ),
    "chooses": (
        rf"\b{_COMPARATIVE}\b[^?]*\bor\b|\bboth\b[^?]*\bor\b|\bthe same \w+(?: \w+)?\??$|\bthe same\b[^?]*\bas\b|"
        rf"\b{_COMPARATIVE}\b[^?]*\bthan\b|^between\b[^?]*\band\b"
    ),
    "exhaustive": r"\b(?:every|all|each|entire|complete list|exhaustive(?:ly)?|across|anywhere|any of|no matter)\b",
    "which_many": (
        rf"\b(?:which|what) (?:of (?:the|these|those|our|my)\b|(?:\w+ ){{0,2}}?(?!(?:is|was|does|has|this|his)\b)"
        rf"{_MANY}\b)|\b(?:which|what) (?:\w+ )?\w{{2,}}(?<!s)s (?:are|were|have|can|could|may|might|do|did|will|would)\b"
    ),
    "lists": (
        r"^(?:please |can you |could you )?(?:list|enumerate|find|identify|collect|gather|name all|group|rank|sort|"
        r"classify|trace|show me all|give me (?:all|every|a list))\b|\blist (?:all|every|each|the)\b|\ba list of\b"
    ),
    "counts": (
        rf"\bhow many (?:of\b|(?:\w+ ){{0,2}}?{_MANY}\b)|\b(?:number|count|percentage|share|proportion|fraction|"
        rf"average|median|total number) of (?:the |our |these |all )?(?:\w+ ){{0,2}}?{_MANY}\b|"
        r"\bcount (?:the|each|every|all|how)\b|\bhow many pairs\b|\b(?:most|least) (?:common|frequent|often)\b"
    ),
    "how_many": r"\bhow many\b",
    "superlative": r"\b(?:most|least|fewest|best|worst|\w{2,}(?<!for)(?<!inter)est)\b",
    "change": (
        r"\b(?:chang\w+|evol\w+|develop(?:s|ed|ment|ments)?|over time|over the (?:\w+ )?(?:years?|months?|decades?|"
        r"course)|through(?:out)? the|shift(?:s|ed)?|transform\w*|progress(?:es|ed|ion)?|trends?|trac(?:e|ing)|"
        r"grow(?:s|n|th)?|declin\w+|increase[sd]?|decrease[sd]?)\b"
    ),
    "theme": (
        r"\b(?:themes?|topics?|motifs?|recurring|patterns?|perspectives?|perce(?:ive[ds]?|ptions?)|viewpoints?|"
        r"opinions?|attitudes?|sentiments?|challenges|concerns|strategies|arguments|lessons|insights?|takeaways|"
        r"implications|summar(?:y|i[sz]e[ds]?)|overview|overall|root causes|main (?:points|ideas|reasons))\b"
    ),
    "why": (
        r"\b(?:why|explain\w*|reason(?:s|ing)?|motivat\w+|rationale|account(?:s|ed)? for|contribut\w+ to|"
        r"led to|leads? to|caus(?:e[sd]?|ing)|justif\w+|infer\w*|impl(?:y|ies)|signific\w+|reveal\w*|reflect\w*|"
        r"demonstrat\w+|highlight\w*|symboli[sz]\w+|analy[sz]e[sd]?|evaluate[sd]?|assess\w*|affect\w*|impact\w*|"
        r"influenc\w+)\b"
    ),
    "how_process": r"^(?:and |so )?how (?:do|does|did|has|have|is|are|was|were|would|might|should)\b",
    "discusses": r"\b(?:discuss\w*|mention\w*|emphasi[sz]\w*|describ\w+|talk about|talks about)\b",
    "relative": (
        r"(?<=\w )(?:who|whom|whose|that|which|where)\b(?= (?!is the\b|was the\b)\w)|"
        r"\b(?:starring|featuring|directed by|written by|based (?:in|on)|located in|founded by|owned by|born in|"
        r"known (?:for|as)|named after)\b"
    ),
    "of_chain": r"\bof\b|\w['\N{RIGHT SINGLE QUOTATION MARK}]s\b",
    "asks_twice": (
        r"[,;.?]? and (?:also )?(?:what|how|which|who|why|when|where|whether|explain|group|count)\b|\?[^?]*\w[^?]*\?"
    ),
    "yes_no": r"^(?:is|are|was|were|do|does|did|has|have|can|could|will|would|should)\b",
    "wh_short": (
        r"^(?:so |and |please )?(?:who|when|where|define|what (?:is|was|are|were|does|did|do|year|date|time)|"
        r"in (?:what|which) (?:year|city|country|month)|on (?:what|which) (?:date|day)|how (?:much|long|old|tall|far|"
        r"big|large|high|deep)|what'?s|who'?s|where'?s|when'?s)\b"
    ),
}
_RE: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE) for name, pattern in _PATTERNS.items()
}

_SAY: dict[str, tuple[str, str]] = {
    "compares": ("asks to compare: {found}", ""),
    "chooses": ("weighs one thing against another: {found}", ""),
    "exhaustive": ("asks for everything of a kind, which needs an exhaustive scan: {found}", ""),
    "which_many": ("asks which ones of many: {found}", ""),
    "lists": ("asks for a list: {found}", ""),
    "counts": ("asks for a count over many documents: {found}", ""),
    "how_many": ("asks for a number of things: {found}", "asks for one number: {found}"),
    "superlative": ("asks for the extreme of a set: {found}", "asks for one extreme: {found}"),
    "change": ("asks how something changes: {found}", ""),
    "theme": ("asks for a theme or an overview: {found}", ""),
    "why": ("asks for reasons or effects: {found}", ""),
    "how_process": ("asks how something comes about: {found}", "asks how to do one thing: {found}"),
    "discusses": ("asks what is said about a subject: {found}", ""),
    "yes_no": ("asks for a judgement: {found}", "asks for a yes or no: {found}"),
    "asks_twice": ("asks more than one thing: {found}", ""),
}  # fmt: skip

_WORD = re.compile(r"\w+")
_QUOTED = re.compile(
    r"[\"\u201c\u00ab\u300c]([^\"\u201d\u00bb\u300d]{2,120})[\"\u201d\u00bb\u300d]|`([^`]{1,80})`"
)
_LISTED = re.compile(
    r"(\w[\w.' -]{0,60})((?:, (?!and\b|or\b|but\b)[\w.' -]{1,60})+),? (?:and|or|&) \w", re.IGNORECASE
)
_STOP = frozenset(
    "a about after all also an and any are as at be been between both but by can could did do does each every find "
    "for from give had has have how i if in into is it its list many me more most much my of on or our out over "
    "please she show so some tell than that the their them there these they this those through to under us was we "
    "were what when where which who whom whose why will with would you your he his her".split()
)


def text_signals(question: str) -> dict[str, Signal]:
    """The signals of the wording. Any text is accepted; no cue gives zeros."""
    text = _both_ends(question)
    signals: dict[str, Signal] = {}
    for name, (deep, lookup) in _SAY.items():
        match = _RE[name].search(text)
        found = f'"{_shorten(match.group())}"' if match else ""
        signals[name] = Signal(1.0 if match else 0.0, deep.format(found=found), lookup.format(found=found))
    n_links = min(4, len(_RE["relative"].findall(text)) + max(0, len(_RE["of_chain"].findall(text)) - 1))
    signals["chain"] = Signal(
        float(n_links), "goes from one thing to another by way of a third, as in 'the X of the Y that ...'"
    )
    n_things = _named_things(text)
    signals["things"] = Signal(
        float(min(n_things, 4) - 1) if n_things > 1 else 0.0, f"names {n_things} things"
    )
    n_words = len(_WORD.findall(text))
    single = bool(_RE["wh_short"].search(text)) and n_words <= 10 and not n_links and n_things < 2
    opening = " ".join(text.split()[:2]).lower()
    signals["single_fact"] = Signal(float(single), "", f"a short question for a single fact: {opening!r}")
    signals["length"] = Signal(
        math.log2(1 + min(n_words, 60)), f"a long question: {n_words} words", "a short question"
    )
    return signals


def hit_signals(question: str, hits: Sequence[DocumentHit]) -> dict[str, Signal]:
    """The signals of the hits, each between 0 and 1. Too few hits leave out what they cannot tell.

    They depend on the order of the scores and their relative distances only, so they mean the same under
    every fusion: scores may be shifted or scaled.
    """
    signals: dict[str, Signal] = {}
    scores = [hit.score for hit in hits[:_TOP] if math.isfinite(hit.score)]
    if len(scores) >= 3 and scores[0] > scores[-1]:
        low, span = scores[-1], scores[0] - scores[-1]
        margin = (scores[0] - scores[1]) / span
        rest = [(score - low) / span for score in scores]
        total = sum(rest)
        entropy = -sum(r / total * math.log(r / total) for r in rest if r > 0)
        effective = math.exp(entropy)
        pair = f"score {scores[0]:.2f} against {scores[1]:.2f} for the next document"
        signals["margin"] = Signal(
            margin, f"no document stands out: {pair}", f"one document stands out: {pair}"
        )
        shape = f"{effective:.0f} of the first {len(scores)} documents"
        signals["spread"] = Signal(
            effective / len(scores), f"evidence spread over {shape}", f"evidence concentrated in {shape}"
        )
    terms = _content_words(question)
    if terms and hits and hits[0].passages:
        texts = [_stems(hit.passages[0].passage.text) for hit in hits[:_NEAR] if hit.passages]
        covered = len(terms & texts[0]) / len(terms)
        together = len(terms & frozenset().union(*texts)) / len(terms)
        said = f"{len(terms & texts[0])} of {len(terms)} terms of the question"
        signals["coverage"] = Signal(
            covered, f"the best passage holds only {said}", f"the best passage holds {said}"
        )
        signals["scattered"] = Signal(
            together - covered,
            f"the best passage holds {said}, the first {len(texts)} documents together more",
        )
    names = sorted({name for hit in hits[:_TOP] for name in hit.legs})
    if len(names) >= 2:
        near = [hit for hit in hits[:_TOP] if any(leg.rank <= _NEAR for leg in hit.legs.values())]
        agreed = sum(all(name in hit.legs and hit.legs[name].rank <= _TOP for name in names) for hit in near)
        if near:
            said = f"{agreed} of the {len(near)} best documents found by both searches"
            signals["agreement"] = Signal(
                agreed / len(near), f"the searches disagree: {said}", f"the searches agree: {said}"
            )
    return signals


def _both_ends(text: str) -> str:
    if len(text) > MAX_CHARS:
        text = f"{text[: MAX_CHARS // 2]} {text[-MAX_CHARS // 2 :]}"
    return " ".join(text.split())


def _shorten(text: str, limit: int = 40) -> str:
    text = text.strip(" ,.;?").lower()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _named_things(text: str) -> int:
    quoted = len({a or b for a, b in _QUOTED.findall(text)})
    listed = max((2 + match.group(2).count(",") for match in _LISTED.finditer(text)), default=0)
    return max(quoted, listed)


def _content_words(text: str) -> frozenset[str]:
    return frozenset(_stem(w) for w in _WORD.findall(_both_ends(text).casefold()) if w not in _STOP)


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(_stem, _WORD.findall(text[:MAX_CHARS].casefold())))


_stem: Callable[[str], str] = lambda word: word[:6]  # noqa: E731 - crude and quick: enough to count shared terms
