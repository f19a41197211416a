"""Sandbox versions of small modules: ast, calendar, collections.abc, urllib.parse, warnings, fnmatch."""

from __future__ import annotations

AST = """
def _make():
    m = _Std()
    single = r"'(?:[^'\\\\\\n]|\\\\.)*'"
    texts = re.compile("[rbuRBU]{0,2}(?:" + single + "|" + single.replace("'", '"') + ")")
    numbers = re.compile(r"\\d[\\d_.]*(?:[eE][+-]?\\d+)?|0x[0-9a-fA-F]+")
    def literal_eval(text):
        rest = texts.sub("0", text.strip())
        for word in re.findall(r"[A-Za-z_]\\w*", numbers.sub("0", rest)):
            if word not in ("True", "False", "None"):
                raise ValueError("malformed node or string: " + repr(word))
        if "*" in rest or "=" in rest or "if" in rest or ")(" in rest:
            raise ValueError("malformed node or string")
        return eval(text.strip())
    m.literal_eval = literal_eval
    return m
"""

CALENDAR = """
def _make():
    m = _Std()
    m.month_name = ["", "January", "February", "March", "April", "May", "June", "July", "August", "September",
                    "October", "November", "December"]
    m.month_abbr = [name[:3] for name in m.month_name]
    m.day_name = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    m.day_abbr = [name[:3] for name in m.day_name]
    def isleap(year):
        return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    def weekday(year, month, day):
        return datetime.date(year, month, day).weekday()
    def monthrange(year, month):
        days = [31, 29 if isleap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        return (weekday(year, month, 1), days[month - 1])
    m.isleap = isleap
    m.weekday = weekday
    m.monthrange = monthrange
    return m
"""

ABC = """
def _make():
    m = _Std()
    sequences = (list, tuple, str, range, bytes)
    sets = (set, frozenset)
    containers = sequences + sets + (dict,) + (type({}.keys()), type({}.values()), type({}.items()))
    m.Iterable = containers + (type(iter([])), type(iter({})), type(iter("")), type(iter(())))
    m.Iterator = (type(iter([])), type(iter({})), type(iter("")), type(iter(())))
    m.Collection = containers
    m.Container = containers
    m.Sized = containers
    m.Sequence = sequences
    m.MutableSequence = (list,)
    m.Mapping = (dict,)
    m.MutableMapping = (dict,)
    m.Set = sets
    m.MutableSet = (set,)
    m.Hashable = (str, int, float, tuple, bytes, frozenset, type(None))
    m.Callable = (type(len), type(lambda: 0), type(int))
    return m
"""

URLLIB_PARSE = """
def _make():
    m = _Std()
    safe_always = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-~"
    Split = collections.namedtuple("SplitResult", "scheme netloc path query fragment")
    Parsed = collections.namedtuple("ParseResult", "scheme netloc path params query fragment")
    def quote(string, safe="/"):
        out = []
        for code in string.encode("utf-8"):
            char = chr(code)
            out.append(char if code < 128 and (char in safe_always or char in safe) else f"%{code:02X}")
        return "".join(out)
    def quote_plus(string, safe=""):
        return quote(string, safe + " ").replace(" ", "+")
    def unquote(string):
        first, *rest = string.split("%")
        codes = [f"{code:02x}" for code in first.encode("utf-8")]
        for part in rest:
            if re.match(r"[0-9a-fA-F]{2}", part):
                codes.append(part[:2])
                part = part[2:]
            else:
                codes.append("25")
            codes += [f"{code:02x}" for code in part.encode("utf-8")]
        return bytes.fromhex("".join(codes)).decode("utf-8", "replace")
    def unquote_plus(string):
        return unquote(string.replace("+", " "))
    def urlsplit(url):
        url, _, fragment = url.partition("#")
        url, _, query = url.partition("?")
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
        rest = url[scheme.end():] if scheme else url
        netloc = ""
        if rest.startswith("//"):
            at = rest.find("/", 2)
            netloc, rest = (rest[2:], "") if at < 0 else (rest[2:at], rest[at:])
        return Split(scheme.group(1).lower() if scheme else "", netloc, rest, query, fragment)
    def urlparse(url):
        parts = urlsplit(url)
        return Parsed(parts.scheme, parts.netloc, parts.path, "", parts.query, parts.fragment)
    def parse_qsl(query):
        pairs = [part.partition("=") for part in query.split("&") if part]
        return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs if value]
    def parse_qs(query):
        found = {}
        for name, value in parse_qsl(query):
            found.setdefault(name, []).append(value)
        return found
    def urlencode(query):
        pairs = query.items() if isinstance(query, dict) else query
        return "&".join([quote_plus(str(name)) + "=" + quote_plus(str(value)) for name, value in pairs])
    m.quote = quote
    m.quote_plus = quote_plus
    m.unquote = unquote
    m.unquote_plus = unquote_plus
    m.urlsplit = urlsplit
    m.urlparse = urlparse
    m.parse_qsl = parse_qsl
    m.parse_qs = parse_qs
    m.urlencode = urlencode
    return m
"""

WARNINGS = """
def _make():
    m = _Std()
    def ignore(*args, **named):
        pass
    m.filterwarnings = ignore
    m.simplefilter = ignore
    m.warn = ignore
    return m
"""

FNMATCH = """
def _make():
    m = _Std()
    def translate(pat):
        out = []
        at = 0
        while at < len(pat):
            here = pat[at]
            stop = pat.find("]", at + 2) if here == "[" else -1
            if here == "*":
                out.append(".*")
            elif here == "?":
                out.append(".")
            elif stop > 0:
                inside = pat[at + 1:stop]
                out.append("[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]")
                at = stop
            else:
                out.append(re.escape(here))
            at += 1
        return "(?s:" + "".join(out) + ")"
    def fnmatchcase(name, pat):
        return re.fullmatch(translate(pat), name) is not None
    def filter(names, pat):
        return [name for name in names if fnmatchcase(name, pat)]
    m.fnmatch = fnmatchcase
    m.fnmatchcase = fnmatchcase
    m.filter = filter
    return m
"""
