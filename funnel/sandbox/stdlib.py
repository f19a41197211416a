"""Standard modules that the Monty engine lacks, written in the Python that it has; knows no session.

They run inside the sandbox, under its limits, and call host functions freely (`ThreadPoolExecutor.map`). Only
what model-written code uses is here; each module is one object whose attributes are its functions.
"""

from __future__ import annotations


def shim_name(module: str) -> str:
    """The variable inside the sandbox that holds the module."""
    return "_std_" + module.replace(".", "_")


_STRING = """
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

_STATISTICS = """
def _make():
    m = _Std()
    def data_of(data):
        xs = list(data)
        if not xs:
            raise ValueError("no data points")
        return xs
    def mean(data):
        xs = data_of(data)
        total = sum(xs) / len(xs)
        return int(total) if all([isinstance(x, int) for x in xs]) and total == int(total) else total
    def fmean(data, weights=None):
        xs = data_of(data)
        if weights is None:
            return sum(xs) / len(xs)
        ws = list(weights)
        return sum([x * w for x, w in zip(xs, ws)]) / sum(ws)
    def median(data):
        xs = sorted(data_of(data))
        half = len(xs) // 2
        return xs[half] if len(xs) % 2 else (xs[half - 1] + xs[half]) / 2
    def median_low(data):
        xs = sorted(data_of(data))
        return xs[(len(xs) - 1) // 2]
    def median_high(data):
        xs = sorted(data_of(data))
        return xs[len(xs) // 2]
    def counts(data):
        seen = {}
        for x in data_of(data):
            seen[x] = seen.get(x, 0) + 1
        return seen
    def mode(data):
        seen = counts(data)
        return max(list(seen), key=lambda x: seen[x])
    def multimode(data):
        xs = list(data)
        if not xs:
            return []
        seen = counts(xs)
        top = max(list(seen.values()))
        return [x for x in seen if seen[x] == top]
    def squares(data, at):
        centre = sum(data) / len(data) if at is None else at
        return sum([(x - centre) ** 2 for x in data])
    def pvariance(data, mu=None):
        xs = data_of(data)
        return squares(xs, mu) / len(xs)
    def variance(data, xbar=None):
        xs = data_of(data)
        if len(xs) < 2:
            raise ValueError("variance requires at least two data points")
        return squares(xs, xbar) / (len(xs) - 1)
    def pstdev(data, mu=None):
        return pvariance(data, mu) ** 0.5
    def stdev(data, xbar=None):
        return variance(data, xbar) ** 0.5
    def quantiles(data, n=4):
        xs = sorted(data_of(data))
        cuts = []
        for i in range(1, n):
            j = max(1, min(len(xs) - 1, i * (len(xs) + 1) // n))
            delta = i * (len(xs) + 1) - j * n
            cuts.append((xs[j - 1] * (n - delta) + xs[j] * delta) / n)
        return cuts
    m.mean = mean
    m.fmean = fmean
    m.median = median
    m.median_low = median_low
    m.median_high = median_high
    m.mode = mode
    m.multimode = multimode
    m.pvariance = pvariance
    m.variance = variance
    m.pstdev = pstdev
    m.stdev = stdev
    m.quantiles = quantiles
    m.StatisticsError = ValueError
    return m
"""

_HEAPQ = """
def _make():
    m = _Std()
    def up(heap, at):
        item = heap[at]
        while at > 0:
            parent = (at - 1) // 2
            if not item < heap[parent]:
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = item
    def down(heap, at):
        item = heap[at]
        size = len(heap)
        child = 2 * at + 1
        while child < size:
            if child + 1 < size and heap[child + 1] < heap[child]:
                child += 1
            if not heap[child] < item:
                break
            heap[at] = heap[child]
            at = child
            child = 2 * at + 1
        heap[at] = item
    def heappush(heap, item):
        heap.append(item)
        up(heap, len(heap) - 1)
    def heappop(heap):
        last = heap.pop()
        if not heap:
            return last
        top = heap[0]
        heap[0] = last
        down(heap, 0)
        return top
    def heapify(heap):
        for at in range(len(heap) // 2 - 1, -1, -1):
            down(heap, at)
    def heappushpop(heap, item):
        if heap and heap[0] < item:
            top = heap[0]
            heap[0] = item
            down(heap, 0)
            return top
        return item
    def heapreplace(heap, item):
        top = heap[0]
        heap[0] = item
        down(heap, 0)
        return top
    def nlargest(n, items, key=None):
        xs = list(items)
        return sorted(xs, key=key, reverse=True)[:max(0, n)] if key else sorted(xs, reverse=True)[:max(0, n)]
    def nsmallest(n, items, key=None):
        xs = list(items)
        return sorted(xs, key=key)[:max(0, n)] if key else sorted(xs)[:max(0, n)]
    def merge(*lists, key=None, reverse=False):
        xs = [x for one in lists for x in one]
        return iter(sorted(xs, key=key, reverse=reverse) if key else sorted(xs, reverse=reverse))
    m.heappush = heappush
    m.heappop = heappop
    m.heapify = heapify
    m.heappushpop = heappushpop
    m.heapreplace = heapreplace
    m.nlargest = nlargest
    m.nsmallest = nsmallest
    m.merge = merge
    return m
"""

_TEXTWRAP = """
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

_OPERATOR = """
def _make():
    m = _Std()
    def itemgetter(*keys):
        if len(keys) == 1:
            return lambda x: x[keys[0]]
        return lambda x: tuple([x[k] for k in keys])
    def attrgetter(*names):
        if len(names) == 1:
            return lambda x: getattr(x, names[0])
        return lambda x: tuple([getattr(x, n) for n in names])
    m.itemgetter = itemgetter
    m.attrgetter = attrgetter
    m.add = lambda a, b: a + b
    m.sub = lambda a, b: a - b
    m.mul = lambda a, b: a * b
    m.truediv = lambda a, b: a / b
    m.floordiv = lambda a, b: a // b
    m.mod = lambda a, b: a % b
    m.neg = lambda a: -a
    m.eq = lambda a, b: a == b
    m.ne = lambda a, b: a != b
    m.lt = lambda a, b: a < b
    m.le = lambda a, b: a <= b
    m.gt = lambda a, b: a > b
    m.ge = lambda a, b: a >= b
    m.contains = lambda a, b: b in a
    m.getitem = lambda a, b: a[b]
    m.or_ = lambda a, b: a | b
    m.and_ = lambda a, b: a & b
    m.concat = lambda a, b: a + b
    return m
"""

_IO = """
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

_DIFFLIB = """
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

_FUTURES = """
class _Future:
    def __init__(self, value, error):
        self.value = value
        self.error = error
    def result(self, timeout=None):
        if self.error is not None:
            raise self.error
        return self.value
    def exception(self, timeout=None):
        return self.error
    def done(self):
        return True
class _Executor:
    def __init__(self, max_workers=None, **options):
        pass
    def __enter__(self):
        return self
    def __exit__(self, kind, value, trace):
        return False
    def map(self, function, *lists, timeout=None):
        return [function(*args) for args in zip(*lists)]
    def submit(self, function, *args, **kwargs):
        try:
            return _Future(function(*args, **kwargs), None)
        except Exception as error:
            return _Future(None, error)
    def shutdown(self, wait=True):
        pass
def _make():
    m = _Std()
    m.ThreadPoolExecutor = _Executor
    m.ProcessPoolExecutor = _Executor
    m.as_completed = lambda futures, timeout=None: list(futures)
    m.wait = lambda futures, timeout=None: (list(futures), [])
    return m
"""

_CONTEXTLIB = """
class _Suppress:
    def __init__(self, *kinds):
        self.kinds = kinds
    def __enter__(self):
        return None
    def __exit__(self, kind, value, trace):
        return value is not None and isinstance(value, self.kinds)
def _make():
    m = _Std()
    m.suppress = _Suppress
    return m
"""

_PPRINT = """
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

_HTML = """
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

_CONCURRENT = """
def _make():
    m = _Std()
    m.futures = _std_concurrent_futures
    return m
"""

_BASE = "class _Std:\n    pass\n"

SOURCES: dict[str, str] = {
    "string": _STRING,
    "statistics": _STATISTICS,
    "heapq": _HEAPQ,
    "textwrap": _TEXTWRAP,
    "operator": _OPERATOR,
    "io": _IO,
    "difflib": _DIFFLIB,
    "concurrent.futures": _FUTURES,
    "contextlib": _CONTEXTLIB,
    "pprint": _PPRINT,
    "html": _HTML,
    "concurrent": _CONCURRENT,
}
"""Module name → the source that defines `_make()`."""

_NEEDS = {"concurrent": ("concurrent.futures",)}


def module_source(module: str) -> str:
    """The cell that puts `module` into the sandbox under `shim_name(module)`."""
    needed = "".join(module_source(other) for other in _NEEDS.get(module, ()))
    return f"{needed}{_BASE}{SOURCES[module]}{shim_name(module)} = _make()\n"
