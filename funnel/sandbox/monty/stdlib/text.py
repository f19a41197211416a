"""Sandbox versions of the modules for text: string, textwrap, difflib, io, html, pprint."""

from __future__ import annotations

STRING = """
def _make():
    m = _Std()
    m.ascii_lowercase = "abcdefghijklmnopqrstuvwxyz"
    m.ascii_uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    m.ascii_letters = m.ascii_lowercase + m.ascii_uppercase
    m.digits = "0123456789"
    m.hexdigits = "0123456789abcdefABCDEF"
    m.punctuation = "!\\"#$%&'()*+,-./:;<=>?@[\\\\]^_`{|}~"
    m.whitespace = " \\t\\n\\r\\x0b\\x0c"
    m.printable = m.digits + m.ascii_letters + m.punctuation + m.whitespace
    def capwords(s, sep=None):
        return (sep or " ").join([w.capitalize() for w in s.split(sep)])
    m.capwords = capwords
    return m
"""

TEXTWRAP = """
def _make():
    m = _Std()
    def wrap(text, width=70, initial_indent="", subsequent_indent=""):
        lines = []
        line = ""
        for word in text.split():
            indent = subsequent_indent if lines else initial_indent
            while True:
                joined = line + " " + word if line else indent + word
                if len(joined) <= width:
                    line = joined
                    break
                if line:
                    lines.append(line)
                    line = ""
                    indent = subsequent_indent
                    continue
                room = max(1, width - len(indent))
                if len(word) <= room:
                    line = indent + word
                    break
                lines.append(indent + word[:room])
                word = word[room:]
                indent = subsequent_indent
        if line:
            lines.append(line)
        return lines
    def fill(text, width=70, initial_indent="", subsequent_indent=""):
        return "\\n".join(wrap(text, width, initial_indent, subsequent_indent))
    def shorten(text, width, placeholder=" [...]"):
        words = text.split()
        whole = " ".join(words)
        if len(whole) <= width:
            return whole
        while words and len(" ".join(words)) + len(placeholder) > width:
            words.pop()
        return " ".join(words) + placeholder if words else placeholder.strip()
    def dedent(text):
        lines = [line if line.strip() else "" for line in text.split("\\n")]
        full = [line for line in lines if line]
        margin = min([len(line) - len(line.lstrip(" \\t")) for line in full]) if full else 0
        return "\\n".join([line[margin:] for line in lines])
    def indent(text, prefix, predicate=None):
        test = predicate or (lambda line: line.strip())
        return "".join([prefix + line if test(line) else line for line in text.splitlines(True)])
    m.wrap = wrap
    m.fill = fill
    m.shorten = shorten
    m.dedent = dedent
    m.indent = indent
    return m
"""

DIFFLIB = """
class _SequenceMatcher:
    def __init__(self, isjunk=None, a="", b="", autojunk=True):
        self.a = a
        self.b = b
    def set_seqs(self, a, b):
        self.a = a
        self.b = b
    def blocks(self):
        a = self.a
        b = self.b
        where = {}
        for j, x in enumerate(b):
            where.setdefault(x, []).append(j)
        found = []
        todo = [(0, len(a), 0, len(b))]
        while todo:
            alo, ahi, blo, bhi = todo.pop()
            besti, bestj, best = alo, blo, 0
            lengths = {}
            for i in range(alo, ahi):
                fresh = {}
                for j in where.get(a[i], []):
                    if j < blo:
                        continue
                    if j >= bhi:
                        break
                    k = lengths.get(j - 1, 0) + 1
                    fresh[j] = k
                    if k > best:
                        besti, bestj, best = i - k + 1, j - k + 1, k
                lengths = fresh
            if best:
                found.append((besti, bestj, best))
                todo.append((alo, besti, blo, bestj))
                todo.append((besti + best, ahi, bestj + best, bhi))
        return sorted(found)
    def get_matching_blocks(self):
        return self.blocks() + [(len(self.a), len(self.b), 0)]
    def ratio(self):
        size = len(self.a) + len(self.b)
        return 2.0 * sum([k for i, j, k in self.blocks()]) / size if size else 1.0
    def quick_ratio(self):
        return self.ratio()
def _make():
    m = _Std()
    def get_close_matches(word, possibilities, n=3, cutoff=0.6):
        scored = [(_SequenceMatcher(None, x, word).ratio(), x) for x in possibilities]
        return [x for score, x in sorted([s for s in scored if s[0] >= cutoff], reverse=True)[:n]]
    m.SequenceMatcher = _SequenceMatcher
    m.get_close_matches = get_close_matches
    return m
"""

IO = """
class _StringIO:
    def __init__(self, text=""):
        self.parts = [text]
        self.at = 0
    def write(self, text):
        self.parts.append(text)
        return len(text)
    def writelines(self, lines):
        for line in lines:
            self.parts.append(line)
    def getvalue(self):
        return "".join(self.parts)
    def read(self, size=-1):
        rest = self.getvalue()[self.at:]
        rest = rest if size < 0 else rest[:size]
        self.at += len(rest)
        return rest
    def readline(self):
        rest = self.getvalue()[self.at:]
        line = rest[:rest.find("\\n") + 1] if "\\n" in rest else rest
        self.at += len(line)
        return line
    def readlines(self):
        return self.read().splitlines(True)
    def __iter__(self):
        return iter(self.readlines())
    def __enter__(self):
        return self
    def __exit__(self, kind, value, trace):
        return False
    def seek(self, at):
        self.at = at
        return at
    def close(self):
        pass
def _make():
    m = _Std()
    m.StringIO = _StringIO
    return m
"""

HTML = """
def _make():
    m = _Std()
    def escape(s, quote=True):
        s = s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return s.replace('"', "&quot;").replace("'", "&#x27;") if quote else s
    def unescape(s):
        for name, char in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&#x27;", "'"),
                           ("&nbsp;", "\\xa0"), ("&amp;", "&")]:
            s = s.replace(name, char)
        return s
    m.escape = escape
    m.unescape = unescape
    return m
"""

PPRINT = """
def _make():
    m = _Std()
    def pformat(value, width=80):
        text = repr(value)
        if len(text) <= width:
            return text
        if isinstance(value, dict):
            return "{" + ",\\n ".join([repr(k) + ": " + repr(v) for k, v in value.items()]) + "}"
        if isinstance(value, list):
            return "[" + ",\\n ".join([repr(v) for v in value]) + "]"
        return text
    def pprint(value, width=80):
        print(pformat(value, width))
    m.pformat = pformat
    m.pprint = pprint
    m.pp = pprint
    return m
"""
