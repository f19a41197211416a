"""The router's features: signals from a question's wording and from its hits; knows no weights.

Every signal is small, named and explainable. None is a bag of words, which would learn the style of the
questions that it was fitted on. None depends on capital letters, and length counts only if a single fact is
asked for. A signal of the wording is 0 if its cue is absent, and a signal of the hits is omitted if they do
not determine it, so absence counts for neither route. The wording is read as English; in other languages only
quotes, lists, code and hits give signals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from indexes.retrieval.analysis import analyse
from indexes.types import DocumentHit

MAX_CHARS = 1_000
"""Only both ends of a longer question are read: the task is usually there, and pasted text in the middle."""

MAX_FACT_WORDS = 10
"""Maximum length of a question for a single fact."""

TOP = 10
"""Number of documents whose scores are compared."""

NEAR = 5
"""Number of documents whose best passages are read."""

_PASSAGE_CHARS = 2_000
_MIN_SCORES = 3


@dataclass(frozen=True, slots=True)
class Signal:
    """A value with its explanations: `deep` if it favours the deep route, `lookup` if it favours lookup."""

    value: float
    deep: str
    lookup: str = ""


@dataclass(frozen=True, slots=True)
class _Cue:
    """Words that are present or absent. The reason given is `meaning` followed by the words found."""

    meaning: str
    pattern: re.Pattern[str]

    def signal(self, text: str) -> Signal:
        match = self.pattern.search(text)
        if match is None:
            return Signal(0.0, "")
        return Signal(1.0, f"{self.meaning} ({_shorten(match.group())!r})")


def _regex(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_DOCUMENTS = (
    r"(?:documents|docs|files|papers|articles|contracts|agreements|leases|policies|filings|reports|"
    r"transcripts|interviews|episodes|emails|messages|tickets|reviews|comments|records|chapters|letters|studies|"
    r"submissions|judgments|judgements|rulings|minutes|notebooks|diaries|logs|manuals|guidelines|versions|drafts|posts|"
    r"threads|books|stories|poems|essays|speeches|surveys|responses|invoices|notes|sources|texts|complaints)"
)
_MANY = (
    rf"(?:{_DOCUMENTS}|clauses|meetings|calls|issues|entries|rows|instances|data points|cases|modules|"
    r"functions|classes|methods|tests|commits|experiments|speakers|guests|customers|patients|suppliers|"
    r"places|collection|corpus|repository|repo|codebase|code base|data ?set|standard library|archive|library)"
)
_PLEASE = r"(?:please |can you |could you )?"
_COMPARATIVE = (
    r"(?:more|less|fewer|earlier|later|first|last|older|younger|bigger|smaller|larger|longer|shorter|higher|"
    r"lower|better|worse|closer|further|farther|taller|newer|sooner|faster|slower|cheaper)"
)
_ROLE = (
    r"(?:father|mother|parent|son|daughter|brother|sister|spouse|wife|husband|widow|child|children|"
    r"grand\w+|stepmother|stepfather|\w+-in-law|director|composer|performer|singer|author|writer|producer|"
    r"founder|owner|creator|inventor|designer|architect|publisher|manufacturer|developer|employer|manager|"
    r"teacher|student|mentor|coach|editor|leader|president|predecessor|successor|capital|birthplace|hometown|"
    r"city of birth|place of (?:birth|death))"
)

CUES: dict[str, _Cue] = {
    "compares": _Cue(
        "asks to compare",
        _regex(
            r"\b(?:compar\w+|versus|vs\.?|contrast\w*|differ(?:s|ed|ent|ence|ences|ently)?|distinguish\w*)\b",
            r"\b(?:similarit\w+|in common|alike|pros and cons|trade-?offs?|for and against)\b",
            r"\b(?:contradict\w*|conflicts? with|diverge\w*|discrepanc\w+|relationship between)\b",
            r"\b(?:in)?consisten(?:t|cy|cies) (?:with|between|across|among)\b",
            r"\b(?:dis)?agree(?:s|d|ment)? (?:on|about|with|over)\b",
        ),
    ),
    "chooses": _Cue(
        "weighs one thing against another",
        _regex(
            rf"\b{_COMPARATIVE}\b[^?]{{0,200}}\b(?:or|than)\b",
            rf"\bor\b[^?]{{0,200}}\b{_COMPARATIVE}\b",
            r"\bboth\b",
            r"\bthe same \w+(?: \w+)?\??$",
            r"\bthe same\b[^?]{0,80}\bas\b",
            r"^between\b[^?]{0,80}\band\b",
        ),
    ),
    "exhaustive": _Cue(
        "asks for every one of a kind, which needs an exhaustive scan",
        _regex(
            r"\b(?:every|everything|everyone|all|each|entire|complete list|exhaustive(?:ly)?)\b",
            r"\b(?:across|anywhere|any of|throughout)\b",
        ),
    ),
    "which_many": _Cue(
        "asks which ones of many",
        _regex(
            r"\b(?:which|what) of (?:the|these|those|our|my)\b",
            rf"\b(?:which|what) (?:\w+ ){{0,2}}?(?!(?:is|was|does|has|this|his)\b){_MANY}\b",
            r"\b(?:which|what) (?:\w+ )?\w{2,40}(?<!s)s "
            r"(?:are|were|have|can|could|may|might|do|did|will|would|mention|contain|use|allow)\b",
        ),
    ),
    "lists": _Cue(
        "asks for a list",
        _regex(
            rf"^{_PLEASE}(?:list|enumerate|find|identify|collect|gather|group|rank|sort|classify|trace)\b",
            rf"^{_PLEASE}(?:name|show me|give me) (?:all|every|a list)\b",
            r"\blist (?:all|every|each|the)\b",
            r"\ba list of\b",
        ),
    ),
    "counts": _Cue(
        "asks for a count over many documents",
        _regex(
            rf"\bhow many (?:of\b|pairs\b|(?:\w+ ){{0,2}}?{_MANY}\b)",
            r"\b(?:number|count|percentage|share|proportion|fraction|average|median) of "
            rf"(?:the |our |these |all )?(?:\w+ ){{0,2}}?{_MANY}\b",
            r"\bhow many\b[^?]{0,80}\b(?:these|those|all|our)\b",
            r"\bcount (?:the|each|every|all|how)\b",
            r"\b(?:most|least) (?:common|frequent|often)(?:ly)?\b",
            r"\bhow (?:often|frequently)\b",
        ),
    ),
    "superlative": _Cue(
        "asks for the extreme of a set",
        _regex(
            r"\b(?:most|least|fewest|best|worst|(?:larg|small|bigg|high|low|long|short|old|young|new|"
            r"earli|lat|fast|slow|strong|weak|rich|poor|cheap|great|tall|deep|clos|near|far)e?st)\b"
        ),
    ),
    "change": _Cue(
        "asks how something changes",
        _regex(
            r"\b(?:chang(?:e|es|ed|ing)|evol\w+|develop(?:s|ed)? (?:over|from|through|between|during|as))\b",
            r"\bover time\b|\bover the (?:\w+ )?(?:years?|months?|decades?|course)\b",
            r"\b(?:shift(?:s|ed)?|transform(?:s|ed|ation)?|progress(?:es|ed|ion)|trends|trace)\b",
            r"\b(?:growing|declin(?:e[sd]?|ing)|increased?|decreased?)\b",
        ),
    ),
    "theme": _Cue(
        "asks for a theme or an overview",
        _regex(
            r"\b(?:themes?|topics?|motifs?|recurring|patterns?|perspectives?|perce(?:ive[ds]?|ptions?))\b",
            r"\b(?:viewpoints?|opinions?|attitudes?|sentiments?|challenges|concerns|strategies|arguments)\b",
            r"\b(?:lessons|insights?|takeaways|implications|summar(?:y|i[sz]e[ds]?)|overview|overall)\b",
            r"\b(?:root causes|main (?:points|ideas|reasons))\b",
        ),
    ),
    "why": _Cue(
        "asks for reasons or effects",
        _regex(
            r"\b(?:why|explain\w*|reason(?:s|ing)?|motivat\w+|rationale)\b",
            r"\b(?:account(?:s|ed)? for|led to|leads? to)\b",
            r"\b(?:contribut\w+ to|caus(?:e[sd]?|ing)|justif\w+|infer\w*|impl(?:y|ies)|significance)\b",
            r"\b(?:reveals?|reflects?|demonstrates?|highlights?|symboli[sz]\w+)\b",
            r"\b(?:analy[sz]e[sd]?|evaluate[sd]?|assess\w*|affects?|affected|effects?|impact\w*|influenc\w+)\b",
        ),
    ),
    "how_process": _Cue(
        "asks how something comes about",
        _regex(r"^(?:and |so )?how (?:do|does|did|has|have|is|are|was|were|would|might|should)\b"),
    ),
    "many_documents": _Cue(
        "speaks of many documents together",
        _regex(rf"\b(?:the|these|those|our|all|most|some|any|between|across) (?:\w+ ){{0,2}}?{_DOCUMENTS}\b"),
    ),
    "discusses": _Cue(
        "asks what is said about a subject",
        _regex(r"\b(?:discuss\w*|mention\w*|emphasi[sz]\w*|describ\w+|talks? about)\b"),
    ),
    "yes_no": _Cue(
        "asks for a judgement",
        _regex(r"^(?:is|are|was|were|do|does|did|has|have|can|could|will|would|should)\b"),
    ),
    "asks_twice": _Cue(
        "asks more than one thing",
        _regex(
            r"\band (?:also )?(?:what|how|which|who|why|when|where|whether|explain|group|count)\b",
            r"\?[^?]{0,80}\w[^?]*\?",
        ),
    ),
}

_RELATIVE = _regex(
    r"(?<=\w )(?<!\band )(?:who|whom|whose|that|which|where)\b(?= \w)",
    r"\b(?:starring|featuring|directed by|written by|based (?:in|on)|located|founded by|owned by|born in|"
    r"known (?:for|as)|named after)\b",
)
_IN_WHICH = _regex(r"^(?:in|on|at|to|for|from|by|with|of|under|during) (?:which|whom|whose)\b")
_OF = _regex(r"\bof\b", r"\w's\b")
_ROLE_OF = _regex(rf"\b{_ROLE} (?:of|to)\b", rf"\w's? (?:\w+ )?{_ROLE}\b")
_ROLE_ASKED = _regex(rf"^(?:who|what) (?:is|was|are|were) (?:the |\w+'s )?(?:\w+ )?{_ROLE}\b")
_FACT = _regex(
    r"^(?:so |and |please )?(?:who|when|where|define|what (?:is|was|are|were|does|did|do|year|date|time)|"
    r"in (?:what|which) (?:year|city|country|month)|on (?:what|which) (?:date|day)|"
    r"how (?:much|long|old|tall|far|big|large|high|deep)|(?:what|who|where|when)'?s)\b"
)
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"[\"“«「]([^\"”»」]{2,120})[\"”»」]|`([^`]{1,80})`")
_CODE = re.compile(r"\b[A-Za-z_]\w+(?:\.[A-Za-z_]\w+)+|\b[A-Za-z]\w*_\w+|\b\w+\(\)")
_LISTED = re.compile(r"((?:, (?!(?:and|or|but)\b|\d)[^,;:?]{1,60}){1,12})(,?) (and|or|&) \w", re.IGNORECASE)


def text_signals(question: str) -> dict[str, Signal]:
    """Return the signals of the wording, for any text. A signal without its cue is 0."""
    text = readable(question)
    signals = {name: cue.signal(text) for name, cue in CUES.items()}
    n_relative = min(3, len(_RELATIVE.findall(_IN_WHICH.sub("", text))))
    n_of = len(_OF.findall(text))
    by_role = bool(_ROLE_OF.search(text)) and (n_of > 1 or not _ROLE_ASKED.search(text))
    n_things = _named_things(text)
    short = len(_WORD.findall(text)) <= MAX_FACT_WORDS
    fact = short and n_relative == 0 and not by_role and n_things <= 1 and bool(_FACT.search(text))
    opening = " ".join(text.lower().split()[:2])
    signals["relative"] = Signal(float(n_relative), "describes what it asks about instead of naming it")
    signals["nested"] = Signal(
        float(min(3, max(0, n_of - 1))), "asks for one thing by way of another, 'the X of the Y of Z'"
    )
    signals["role"] = Signal(float(by_role), "names someone or something only by its relation to another")
    signals["things"] = Signal(float(max(0, min(n_things, 4) - 1)), f"names {n_things} things to look at")
    signals["single_fact"] = Signal(
        float(fact), "", f"a short question for a single fact ({_shorten(opening)!r})"
    )
    return signals


def hit_signals(question: str, hits: Sequence[DocumentHit]) -> dict[str, Signal]:
    """Return the signals of the hits, each between 0 and 1; a signal that they do not determine is omitted.

    `margin`: how far the first document stands out, (s1 - s2) / (s1 - s10). Shifting or scaling the scores
    does not change it, so it means the same with every fusion. `coverage`: the share of the question's terms
    in the best passage. `scattered`: the share found only in the next documents.
    """
    signals: dict[str, Signal] = {}
    scores = [hit.score for hit in hits[:TOP] if math.isfinite(hit.score)]
    if len(scores) >= _MIN_SCORES and scores[0] > scores[-1]:
        margin = (scores[0] - scores[1]) / (scores[0] - scores[-1])
        pair = f"score {scores[0]:.2f} against {scores[1]:.2f} for the next document"
        signals["margin"] = Signal(
            min(1.0, max(0.0, margin)), f"no document stands out: {pair}", f"one document stands out: {pair}"
        )
    asked = _terms(readable(question))
    found = [_hit_terms(hit) & asked for hit in hits[:NEAR]]
    if asked and found:
        first, together = len(found[0]), len(frozenset().union(*found))
        share = f"{first} of the question's {len(asked)} terms"
        signals["coverage"] = Signal(
            first / len(asked), f"the best passage holds only {share}", f"the best passage holds {share}"
        )
        signals["scattered"] = Signal(
            (together - first) / len(asked),
            f"the evidence is scattered: {together - first} of {len(asked)} terms only in later documents",
            "the next documents add few terms of the question",
        )
    return signals


def readable(text: str) -> str:
    """Return the question as the cues are matched: on one line, and only both ends if it is very long."""
    if len(text) > MAX_CHARS:
        text = f"{text[: MAX_CHARS // 2]} {text[-MAX_CHARS // 2 :]}"
    return " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


def _shorten(text: str, limit: int = 32) -> str:
    text = text.strip(" ,.;?").lower()
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def _named_things(text: str) -> int:
    """Count the things that are named separately: quoted, written as code, or enumerated."""
    quoted = len({first or second for first, second in _QUOTED.findall(text)})
    bare = _QUOTED.sub(" ", text)
    code = len(set(_CODE.findall(bare)))
    listed = 0
    for items, comma, joint in _LISTED.findall(bare):
        # "Which is older, A or B?" names two; "A, B and C" three.
        alternatives = joint.lower() == "or" and items.count(",") == 1 and not comma
        listed = max(listed, items.count(",") + (1 if alternatives else 2))
    return max(quoted, code, listed)


def _hit_terms(hit: DocumentHit) -> frozenset[str]:
    passage = hit.passages[0].passage.text[:_PASSAGE_CHARS] if hit.passages else ""
    return _terms(f"{hit.document.title} {passage}")


def _terms(text: str) -> frozenset[str]:
    # Each word once, and ASCII words in a separate call: the analyser is many times faster on them.
    words = set(_WORD.findall(text))
    plain = {word for word in words if word.isascii()}
    return frozenset(analyse(" ".join(plain)) + analyse(" ".join(words - plain)))
