"""What the Monty engine lacks of text, numbers, sets, dates and objects, and what it rounds wrongly."""

from __future__ import annotations

TEXT = """
def _make():
    m = _Std()
    western = {0x80: "\\u20ac", 0x82: "\\u201a", 0x83: "\\u0192", 0x84: "\\u201e", 0x85: "\\u2026",
               0x86: "\\u2020", 0x87: "\\u2021", 0x88: "\\u02c6", 0x89: "\\u2030", 0x8a: "\\u0160",
               0x8b: "\\u2039", 0x8c: "\\u0152", 0x8e: "\\u017d", 0x91: "\\u2018", 0x92: "\\u2019",
               0x93: "\\u201c", 0x94: "\\u201d", 0x95: "\\u2022", 0x96: "\\u2013", 0x97: "\\u2014",
               0x98: "\\u02dc", 0x99: "\\u2122", 0x9a: "\\u0161", 0x9b: "\\u203a", 0x9c: "\\u0153",
               0x9e: "\\u017e", 0x9f: "\\u0178"}
    latin = ("latin1", "iso88591", "l1", "8859", "cp819", "iso8859")
    windows = ("cp1252", "windows1252", "1252")
    def plain(name):
        return name.lower().replace("-", "").replace("_", "").replace(" ", "")
    def table_of(name):
        if plain(name) in windows:
            return western
        return {} if plain(name) in latin else None
    def maketrans(first, *rest):
        if not rest:
            return {ord(key) if isinstance(key, str) else key: value for key, value in first.items()}
        if len(first) != len(rest[0]):
            raise ValueError("the first two maketrans arguments must have equal length")
        table = {ord(a): ord(b) for a, b in zip(first, rest[0])}
        for gone in rest[1] if len(rest) > 1 else "":
            table[ord(gone)] = None
        return table
    def translate(o, table):
        if not isinstance(o, str):
            return o.translate(table)
        out = []
        for char in o:
            try:
                new = table[ord(char)]
            except LookupError:
                new = char
            if new is not None:
                out.append(new if isinstance(new, str) else chr(new))
        return "".join(out)
    def format_map(o, mapping):
        if not isinstance(o, str):
            return o.format_map(mapping)
        return o.format(**{key: value for key, value in mapping.items() if isinstance(key, str)})
    def encode(o, encoding="utf-8", errors="strict"):
        table = table_of(encoding) if isinstance(o, str) else None
        if table is None:
            return o.encode(encoding, errors)
        back = {char: code for code, char in table.items()}
        out = []
        for char in o:
            code = back.get(char, ord(char))
            if code < 256 and (char in back or code not in table):
                out.append(code)
            elif errors == "replace":
                out.append(63)
            elif errors != "ignore":
                raise UnicodeEncodeError(encoding + ": no code for " + repr(char) + "; use errors='ignore'")
        return bytes.fromhex("".join([f"{code:02x}" for code in out]))
    def decode(o, encoding="utf-8", errors="strict"):
        table = table_of(encoding) if isinstance(o, bytes) else None
        if table is None:
            return o.decode(encoding, errors)
        return "".join([table.get(code, chr(code)) for code in o])
    def ascii(o):
        out = []
        for char in repr(o):
            code = ord(char)
            if code < 128:
                out.append(char)
            else:
                short = f"\\\\x{code:02x}" if code < 256 else f"\\\\u{code:04x}"
                out.append(short if code < 65536 else f"\\\\U{code:08x}")
        return "".join(out)
    m.maketrans = maketrans
    m.translate = translate
    m.format_map = format_map
    m.encode = encode
    m.decode = decode
    m.ascii = ascii
    return m
"""

NUMBER = """
def _make():
    m = _Std()
    def exact(value, ndigits=None):
        if ndigits is None:
            return round(value)
        if not isinstance(value, float) or value != value or value in (float("inf"), float("-inf")):
            return round(value, ndigits)
        if ndigits >= 0:
            return value if ndigits > 330 else float(f"{value:.{ndigits}f}")
        unit = 10 ** -ndigits
        n, d = ratio(abs(value))
        whole, rest = divmod(n, d * unit)
        if 2 * rest > d * unit or (2 * rest == d * unit and whole % 2):
            whole += 1
        return float(whole * unit) if value >= 0 else -float(whole * unit)
    def ratio(value):
        part, power = math.frexp(value)
        n, power = int(part * 2 ** 53), power - 53
        while n and not n % 2:
            n, power = n // 2, power + 1
        return (n * 2 ** power, 1) if power >= 0 else (n, 2 ** -power)
    def as_integer_ratio(o):
        if isinstance(o, float):
            return ratio(o) if o else (0, 1)
        return (int(o), 1) if isinstance(o, int) else o.as_integer_ratio()
    def is_integer(o):
        if isinstance(o, float):
            return o == o and abs(o) != float("inf") and o % 1 == 0
        return True if isinstance(o, int) else o.is_integer()
    def bit_length(o):
        return (len(bin(abs(o))) - 2 if o else 0) if isinstance(o, int) else o.bit_length()
    def bit_count(o):
        return bin(abs(o)).count("1") if isinstance(o, int) else o.bit_count()
    def to_bytes(o, length=1, byteorder="big", *, signed=False):
        if not isinstance(o, int):
            return o.to_bytes(length, byteorder)
        value = o + 256 ** length if signed and o < 0 else o
        if value < 0 or value >= 256 ** length:
            wrong = "int too big to convert" if o >= 0 else "can't convert negative int to unsigned"
            raise OverflowError(wrong)
        codes = [f"{value // 256 ** at % 256:02x}" for at in range(length)]
        return bytes.fromhex("".join(codes[::-1] if byteorder == "big" else codes))
    def from_bytes(data, byteorder="big", *, signed=False):
        codes = list(data)
        value = 0
        for code in codes if byteorder == "big" else codes[::-1]:
            value = value * 256 + code
        return value - 256 ** len(codes) if signed and codes and value >= 256 ** len(codes) // 2 else value
    def power(base, exponent, modulus):
        if exponent >= 0 or not isinstance(exponent, int):
            return pow(base, exponent, modulus)
        a, b, x, y = base % modulus, modulus, 1, 0
        while b:
            q = a // b
            a, b, x, y = b, a % b, y, x - q * y
        if a != 1:
            raise ValueError("base is not invertible for the given modulus")
        return pow(x % modulus, -exponent, modulus)
    def to_data(value, *rest, **named):
        listed = isinstance(value, (list, tuple, range, set, frozenset))
        if listed or type(value).__name__.endswith("iterator"):
            codes = list(value)
            for code in codes:
                if not 0 <= code < 256:
                    raise ValueError("bytes must be in range(0, 256)")
            return bytes.fromhex("".join([f"{code:02x}" for code in codes]))
        return bytes(value, *rest, **named)
    m.round = exact
    m.as_integer_ratio = as_integer_ratio
    m.is_integer = is_integer
    m.bit_length = bit_length
    m.bit_count = bit_count
    m.to_bytes = to_bytes
    m.from_bytes = from_bytes
    m.pow = power
    m.bytes = to_data
    return m
"""

SET = """
def _make():
    m = _Std()
    def is_set(o):
        return isinstance(o, (set, frozenset))
    def union(o, *others):
        if not is_set(o):
            return o.union(*others)
        out = o.copy()
        for other in others:
            out = out.union(other)
        return out
    def intersection(o, *others):
        if not is_set(o):
            return o.intersection(*others)
        out = o.copy()
        for other in others:
            out = out.intersection(other)
        return out
    def difference(o, *others):
        if not is_set(o):
            return o.difference(*others)
        out = o.copy()
        for other in others:
            out = out.difference(other)
        return out
    def difference_update(o, *others):
        if not is_set(o):
            return o.difference_update(*others)
        for other in others:
            for item in list(other):
                o.discard(item)
    def intersection_update(o, *others):
        if not is_set(o):
            return o.intersection_update(*others)
        for other in others:
            kept = set(other)
            for item in list(o):
                if item not in kept:
                    o.discard(item)
    def symmetric_difference_update(o, other):
        if not is_set(o):
            return o.symmetric_difference_update(other)
        for item in set(other):
            if item in o:
                o.discard(item)
            else:
                o.add(item)
    m.union = union
    m.intersection = intersection
    m.difference = difference
    m.difference_update = difference_update
    m.intersection_update = intersection_update
    m.symmetric_difference_update = symmetric_difference_update
    return m
"""

DICT = """
def _make():
    m = _Std()
    def move_to_end(o, key, last=True):
        if not isinstance(o, dict):
            return o.move_to_end(key, last)
        value = o.pop(key)
        if last:
            o[key] = value
            return
        items = list(o.items())
        o.clear()
        o[key] = value
        for other, kept in items:
            o[other] = kept
    def popitem(o, last=True):
        if not isinstance(o, dict):
            return o.popitem(last=last)
        if last:
            return o.popitem()
        if not o:
            raise KeyError("dictionary is empty")
        key = next(iter(o))
        return key, o.pop(key)
    m.move_to_end = move_to_end
    m.popitem = popitem
    return m
"""

DATE = """
def _make():
    m = _Std()
    IsoCalendarDate = collections.namedtuple("IsoCalendarDate", "year week weekday")
    def is_date(o):
        return isinstance(o, (datetime.date, datetime.datetime))
    def day(o):
        return datetime.date(o.year, o.month, o.day)
    def toordinal(o):
        return (day(o) - datetime.date(1, 1, 1)).days + 1 if is_date(o) else o.toordinal()
    def isocalendar(o):
        if not is_date(o):
            return o.isocalendar()
        weekday = o.isoweekday()
        thursday = day(o) + datetime.timedelta(days=4 - weekday)
        week = (thursday - datetime.date(thursday.year, 1, 1)).days // 7 + 1
        return IsoCalendarDate(thursday.year, week, weekday)
    m.toordinal = toordinal
    m.isocalendar = isocalendar
    return m
"""

OBJECT = """
def _make():
    m = _Std()
    kinds = ("function", "builtin_function_or_method", "type", "method", "partial", "functools.partial")
    def callable(o):
        return type(o).__name__ in kinds or hasattr(o, "__call__")
    def kind(o):
        return type(o)
    def name(o):
        text = repr(o)
        for start in ("<function '", "<class '", "<module '"):
            if text.startswith(start):
                return text[len(start):text.index("'", len(start))].split(".")[-1]
        if text.startswith("<built-in function "):
            return text[19:-1]
        return o.__name__
    m.callable = callable
    m.kind = kind
    m.name = name
    return m
"""

COMPARE = """
def _make():
    m = _Std()
    def is_comparison(key):
        return type(key).__name__ == "_Comparison"
    def merged(a, b, less):
        out = []
        i = 0
        j = 0
        while i < len(a) and j < len(b):
            if less(b[j], a[i]):
                out.append(b[j])
                j += 1
            else:
                out.append(a[i])
                i += 1
        return out + a[i:] + b[j:]
    def ordered(xs, less):
        if len(xs) < 2:
            return xs
        half = len(xs) // 2
        return merged(ordered(xs[:half], less), ordered(xs[half:], less), less)
    def in_order(items, key=None, reverse=False):
        if not is_comparison(key):
            return sorted(items, key=key, reverse=reverse) if key else sorted(items, reverse=reverse)
        compare = key.compare
        if reverse:
            return ordered(list(items), lambda a, b: compare(a, b) > 0)
        return ordered(list(items), lambda a, b: compare(a, b) < 0)
    def least(*items, **named):
        if not is_comparison(named.get("key")):
            return min(*items, **named)
        return in_order(items[0] if len(items) == 1 else items, named["key"])[0]
    def most(*items, **named):
        if not is_comparison(named.get("key")):
            return max(*items, **named)
        return in_order(items[0] if len(items) == 1 else items, named["key"], True)[0]
    def sort(o, key=None, reverse=False):
        if not isinstance(o, list):
            return o.sort(key=key, reverse=reverse)
        o[:] = in_order(o, key, reverse)
    m.sorted = in_order
    m.min = least
    m.max = most
    m.sort = sort
    return m
"""
