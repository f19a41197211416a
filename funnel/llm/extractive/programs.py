"""The REPL programs that the stand-in writes turn by turn: survey, gather, read, follow, submit; runs none.

They are what a careful model would write for the same question: plain Python that calls only the documented
functions.
"""

from __future__ import annotations

from funnel.llm.extractive.question import Question

DISCLAIMER = "No language model wrote this answer; it quotes the best-supported sentences"
UNTYPED = (
    "No language model is configured, and a typed answer needs one: only a model can put what documents say "
    "into a form. Set OPENAI_API_KEY or OPENAI_BASE_URL."
)
KEY_WORDS = "Key words: "
NONE = "NONE"

_SURVEY = """
import re
names = {names!r}
words = {words!r}
print(len(context), "documents,", sum(d["n_chars"] for d in context), "characters")
for d in context[:8]:
    print("-", d["id"], "|", d["title"][:80])
for word in words + names:
    found = grep(r"\\b" + re.escape(word), context=0, ignore_case=True)
    print("word", repr(word), "stands in", len(set(m["doc"] for m in found)), "documents")
"""

_GATHER_COMPARE = """
groups = {{}}
titles = {{}}
for name in names:
    ids = []
    for query in [name + " " + " ".join(words), name]:
        for h in search(query, k=20):
            titles[h["doc"]] = h["title"]
            label = (h["doc"] + " " + h["title"]).lower()
            if h["doc"] not in ids and name.lower() in label:
                ids.append(h["doc"])
    if not ids:
        for h in search(name + " " + " ".join(words), k=5):
            if name.lower() in h["text"].lower():
                ids.append(h["doc"])
    groups[name] = ids[:20]
    print(name, "->", len(ids), "documents:", ids[:6])
"""

_GATHER_LIST = """
ids = [d["id"] for d in context]
titles = {{d["id"]: d["title"] for d in context}}
queries = [" ".join(words)] + [a + " " + b for i, a in enumerate(words) for b in words[i + 1:]][:6]
for query in queries:
    before = len(ids)
    for h in search(query, k=60):
        titles[h["doc"]] = h["title"]
        if h["doc"] not in ids:
            ids.append(h["doc"])
    print(repr(query), "brought", len(ids) - before, "more documents")
groups = {{"": ids[:240]}}
"""

_GATHER_CHAIN = """
ids = [d["id"] for d in context]
titles = {{d["id"]: d["title"] for d in context}}
for name in names:
    for h in search(name + " " + " ".join(words), k=8):
        titles[h["doc"]] = h["title"]
        if h["doc"] not in ids:
            ids.append(h["doc"])
groups = {{"": ids[:40]}}
print(len(ids), "documents to read")
"""

_READ = """
def excerpt(doc):
    text = read(doc, 0, 20000)
    if len(text) < 20000:
        return text
    pattern = r"\\b(" + "|".join(re.escape(w) for w in words) + ")"
    found = grep(pattern, docs=[doc], context=300, ignore_case=True)
    return "\\n\\n".join(m["before"] + m["text"] + m["after"] for m in found[:60]) or text

prompt = ("Quote the sentences that bear on this question, one a line, word for word, or reply NONE.\\n"
          + question + "\\n{key_words}" + ", ".join(words))
evidence = []
calls = budget()["calls_left"]
room = 200 if calls is None else max(1, (calls - 4) // max(1, len(groups)))
for group, ids in groups.items():
    ids = ids[:room]
    kept = 0
    for start in range(0, len(ids), 100):
        part = ids[start:start + 100]
        replies = llm_query_batched([prompt] * len(part), [excerpt(i) for i in part])
        for doc, reply in zip(part, replies):
            if not reply["ok"] or reply["value"].strip() == "NONE":
                continue
            for line in reply["value"].split("\\n")[:{per_document}]:
                try:
                    mark = cite(doc, quote=line)
                except RuntimeError:
                    continue
                evidence.append((group, doc, line, mark))
                kept += 1
    note("read " + (group or "documents"), str(len(ids)) + " read, " + str(kept) + " sentences kept")
    print(repr(group), len(ids), "read,", kept, "sentences kept")
for group, doc, line, mark in evidence[:12]:
    print(mark, doc, "|", line[:120])
"""

_FOLLOW = """
seen = [doc for group, doc, line, mark in evidence]
leads = []
for group, doc, line, mark in evidence[:8]:
    for name in re.findall(r"[A-Z][a-z]+(?: [A-Z][a-z]+)+|[a-z_]+[.][a-z_.]+[a-z]", line):
        if name not in leads and name.lower() not in question.lower():
            leads.append(name)
found = []
for name in leads[:5]:
    for h in search(name + " " + " ".join(words), k=4):
        titles[h["doc"]] = h["title"]
        if h["doc"] not in seen and name.lower() in (h["title"] + " " + h["text"]).lower():
            seen.append(h["doc"])
            found.append((name, h["doc"]))
print("leads:", leads[:5], "->", len(found), "more documents")
if found:
    prompts = [prompt + ", " + name for name, doc in found]
    replies = llm_query_batched(prompts, [excerpt(doc) for name, doc in found])
    for (name, doc), reply in zip(found, replies):
        if reply["ok"] and reply["value"].strip() != "NONE":
            line = reply["value"].split("\\n")[0]
            try:
                evidence.append((name, doc, line, cite(doc, quote=line)))
            except RuntimeError:
                continue
            groups.setdefault(name, []).append(doc)
"""

_SUBMIT = """
def support(entry):
    low = (titles.get(entry[1], "") + " " + entry[2]).lower()
    return sum(1 for w in words if w.lower()[:5] in low)

lines = []
cited = 0
for group in groups:
    found = [e for e in evidence if e[0] == group]
    found.sort(key=lambda e: -support(e))
    if group:
        lines.append(group + ":" if found else group + ": nothing found.")
    best = support(found[0]) if found else 0
    for entry in found[:{most}]:
        if 4 * support(entry) < 3 * best:
            break
        g, doc, line, mark = entry
        lines.append("- " + (titles.get(doc) or doc) + ": \\"" + " ".join(line.split()) + "\\" " + mark)
        cited += 1
if cited:
    submit({disclaimer!r} + ":\\n" + "\\n".join(lines))
else:
    searched = sum(len(ids) for ids in groups.values())
    submit({disclaimer!r} + ". None was found in " + str(searched) + " documents.", found=False)
"""

_GIVE_UP = """
submit({disclaimer!r} + ". Its program failed before it had an answer: " + str(notes()), found=False)
"""

_GATHER = {"compare": _GATHER_COMPARE, "list": _GATHER_LIST, "chain": _GATHER_CHAIN}
_QUOTES_PER_DOCUMENT = {"compare": 1, "list": 1, "chain": 2}
_MAX_QUOTES = {"compare": 5, "list": 40, "chain": 6}


def decline(reason: str) -> str:
    """Return a program that ends the run without an answer, for that reason."""
    return f"submit({reason!r}, found=False)"


def program(question: Question, turn: int, *, failed: bool) -> str:
    """Return the program for a turn (from 1). `failed` means that the last cell raised."""
    steps = [_SURVEY, _GATHER[question.kind], _READ, _SUBMIT]
    if question.kind == "chain":
        steps.insert(3, _FOLLOW)
    step = _GIVE_UP if failed or turn > len(steps) else steps[turn - 1]
    return step.format(
        names=list(question.names),
        words=list(question.words) or list(question.names) or question.text.split()[:6],
        key_words=KEY_WORDS,
        per_document=_QUOTES_PER_DOCUMENT[question.kind],
        most=_MAX_QUOTES[question.kind],
        disclaimer=DISCLAIMER,
    ).strip()
