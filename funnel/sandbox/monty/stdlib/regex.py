"""What the Monty engine lacks of regular expressions: replacing by a function, VERBOSE, positions, groups."""

from __future__ import annotations

RE = """
def _make():
    m = _Std()
    m.VERBOSE = 64
    m.X = 64
    m.U = 0
    m.UNICODE = 0
    verbose = 64
    def written(pattern, flags):
        if flags & verbose:
            return "(?x)" + pattern, flags & ~verbose
        return pattern, flags
    def compile(pattern, flags=0):
        if isinstance(pattern, str):
            pattern, flags = written(pattern, flags)
            return re.compile(pattern, flags)
        return pattern
    def search(pattern, string, flags=0):
        return compile(pattern, flags).search(string)
    def match(pattern, string, flags=0):
        return compile(pattern, flags).match(string)
    def fullmatch(pattern, string, flags=0):
        return compile(pattern, flags).fullmatch(string)
    def findall(pattern, string, flags=0):
        return compile(pattern, flags).findall(string)
    def finditer(pattern, string, flags=0):
        return compile(pattern, flags).finditer(string)
    def split(pattern, string, maxsplit=0, flags=0):
        return compile(pattern, flags).split(string, maxsplit)
    def subn(pattern, repl, string, count=0, flags=0):
        return _std_more_pattern.subn(compile(pattern, flags), repl, string, count)
    def sub(pattern, repl, string, count=0, flags=0):
        return _std_more_pattern.sub(compile(pattern, flags), repl, string, count)
    m.compile = compile
    m.search = search
    m.match = match
    m.fullmatch = fullmatch
    m.findall = findall
    m.finditer = finditer
    m.split = split
    m.sub = sub
    m.subn = subn
    return m
"""

PATTERN = """
def _make():
    m = _Std()
    escapes = {"n": "\\n", "t": "\\t", "r": "\\r", "a": "\\a", "f": "\\f", "v": "\\v", "b": "\\b"}
    def is_pattern(o):
        return isinstance(o, re.Pattern)
    def is_match(o):
        return isinstance(o, re.Match)
    def template(repl):
        parts = []
        at = 0
        while at < len(repl):
            here = repl[at]
            if here != "\\\\" or at + 1 == len(repl):
                parts.append(here)
                at += 1
                continue
            after = repl[at + 1]
            if after in escapes:
                parts.append(escapes[after])
            elif after.isalpha() and after != "g":
                raise re.error("bad escape \\\\" + after)
            else:
                parts.append(here + after)
            at += 2
        return "".join(parts)
    def replaced(pattern, repl, string, count):
        parts = []
        last = 0
        n = 0
        for found in pattern.finditer(string):
            if count and n == count:
                break
            parts.append(string[last:found.start()])
            parts.append(str_of(repl(found)))
            last = found.end()
            n += 1
        parts.append(string[last:])
        return "".join(parts), n
    def str_of(value):
        if value is None:
            return ""
        if not isinstance(value, str):
            raise TypeError("expected str instance, " + type(value).__name__ + " found")
        return value
    def subn(o, repl, string, count=0):
        if not is_pattern(o):
            return o.subn(repl, string, count)
        if not isinstance(repl, str):
            return replaced(o, repl, string, count)
        n = 0
        for found in o.finditer(string):
            if count and n == count:
                break
            n += 1
        return o.sub(template(repl) if "\\\\" in repl else repl, string, count), n
    def sub(o, repl, *rest, **named):
        if not is_pattern(o):
            return o.sub(repl, *rest, **named)
        if isinstance(repl, str):
            return o.sub(template(repl) if "\\\\" in repl else repl, *rest, **named)
        string = named["string"] if "string" in named else rest[0]
        count = named["count"] if "count" in named else (rest[1] if len(rest) > 1 else 0)
        return replaced(o, repl, string, count)[0]
    def from_position(o, string, pos, endpos):
        pos = max(0, pos)
        text = string if endpos is None else string[:max(0, endpos)]
        if not looks_around(o.pattern):
            rest = o.finditer(text[pos:]) if pos <= len(text) else []
            return [_Moved(each, pos, string, o) for each in rest]
        found = []
        crossed = False
        for each in o.finditer(text):
            if each.start() >= pos:
                found.append(each)
            elif each.end() > pos:
                crossed = True
        if crossed:
            raise NotImplementedError("a match crosses pos; search in text[pos:] and add pos to its places")
        return found
    def search(o, string, pos=0, endpos=None):
        if not is_pattern(o):
            return o.search(string, pos) if endpos is None else o.search(string, pos, endpos)
        if not pos and endpos is None:
            return o.search(string)
        found = from_position(o, string, pos, endpos)
        return found[0] if found else None
    def match(o, string, pos=0, endpos=None):
        if not is_pattern(o):
            return o.match(string, pos) if endpos is None else o.match(string, pos, endpos)
        if not pos:
            return o.match(string if endpos is None else string[:max(0, endpos)])
        at = max(0, pos)
        text = string if endpos is None else string[:max(0, endpos)]
        if at > len(text):
            return None
        if looks_around(o.pattern):
            found = [each for each in from_position(o, string, pos, endpos) if each.start() == at]
            return found[0] if found else None
        here = o.match(text[at:])
        return None if here is None else _Moved(here, at, string, o)
    def looks_around(pattern):
        if "(?<" in pattern.replace("(?P<", ""):
            return True
        return any([mark in pattern for mark in ("^", "\\\\b", "\\\\B", "\\\\A")])
    def fullmatch(o, string, pos=0, endpos=None):
        if not is_pattern(o):
            return o.fullmatch(string, pos) if endpos is None else o.fullmatch(string, pos, endpos)
        text = string if endpos is None else string[:max(0, endpos)]
        if not pos:
            return o.fullmatch(text)
        here = o.fullmatch(text[max(0, pos):])
        return None if here is None else _Moved(here, max(0, pos), string, o)
    def finditer(o, string, pos=0, endpos=None):
        if not is_pattern(o):
            return o.finditer(string, pos) if endpos is None else o.finditer(string, pos, endpos)
        return iter(from_position(o, string, pos, endpos))
    def findall(o, string, pos=0, endpos=None):
        if not is_pattern(o):
            return o.findall(string, pos) if endpos is None else o.findall(string, pos, endpos)
        out = []
        for each in from_position(o, string, pos, endpos):
            parts = tuple([part or "" for part in each.groups()])
            out.append(each.group() if not parts else parts[0] if len(parts) == 1 else parts)
        return out
    class _Moved:
        def __init__(self, found, by, string, pattern):
            self.found = found
            self.by = by
            self.string = string
            self.pos = by
            self.endpos = len(string)
            self.re = pattern
        def group(self, *which):
            return self.found.group(*which)
        def groups(self, default=None):
            return tuple([default if part is None else part for part in self.found.groups()])
        def groupdict(self):
            return self.found.groupdict()
        def __getitem__(self, which):
            return self.found.group(which)
        def start(self, which=0):
            return self.span(which)[0]
        def end(self, which=0):
            return self.span(which)[1]
        def span(self, which=0):
            begin, stop = self.found.span(number(self.found, which))
            return (-1, -1) if begin < 0 else (begin + self.by, stop + self.by)
        def __repr__(self):
            return "<re.Match object; span=" + repr(self.span()) + ", match=" + repr(self.group()) + ">"
    def number(o, which):
        if not isinstance(which, str):
            return which
        named = o.groupdict()
        if which not in named:
            raise IndexError("no such group")
        values = list(o.groups())
        names = list(named)
        if len(names) == len(values):
            return names.index(which) + 1
        first = placed(names, named, values)
        last = placed(names[::-1], named, values[::-1])
        at = len(values) - last[which] + 1
        if first[which] != at:
            raise NotImplementedError("m.start(name) cannot tell this group; use its number: m.start(1)")
        return at
    def placed(names, named, values):
        at = 0
        places = {}
        for name in names:
            while at < len(values) and values[at] != named[name]:
                at += 1
            at += 1
            places[name] = at
        return places
    def start(o, which):
        return o.start(number(o, which)) if is_match(o) else o.start(which)
    def end(o, which):
        return o.end(number(o, which)) if is_match(o) else o.end(which)
    def span(o, which):
        return o.span(number(o, which)) if is_match(o) else o.span(which)
    def groups(o, *default, **named):
        if is_pattern(o):
            return counted(o.pattern)[0]
        if is_match(o) and (default or named):
            other = named["default"] if named else default[0]
            return tuple([other if part is None else part for part in o.groups()])
        return o.groups(*default, **named) if default or named else o.groups
    def counted(pattern):
        at = 0
        n = 0
        names = {}
        inside = False
        while at < len(pattern):
            here = pattern[at]
            if here == "\\\\":
                at += 2
                continue
            if inside:
                inside = here != "]"
            elif here == "[":
                inside = True
                if pattern[at + 1:at + 2] == "^":
                    at += 1
                if pattern[at + 1:at + 2] == "]":
                    at += 1
            elif here == "(":
                if pattern[at + 1:at + 2] != "?":
                    n += 1
                elif pattern[at + 1:at + 4] == "?P<":
                    n += 1
                    names[pattern[at + 4:pattern.index(">", at)]] = n
            at += 1
        return n, names
    def groupindex(o):
        return counted(o.pattern)[1] if is_pattern(o) else o.groupindex
    def lastindex(o):
        if not is_match(o) and not isinstance(o, _Moved):
            return o.lastindex
        best = None
        for n in range(1, len(o.groups()) + 1):
            begin, stop = o.span(n)
            if begin >= 0 and (best is None or stop > best[0]):
                best = (stop, n)
        return None if best is None else best[1]
    def lastgroup(o):
        if not is_match(o) and not isinstance(o, _Moved):
            return o.lastgroup
        at = lastindex(o)
        inner = o.found if isinstance(o, _Moved) else o
        for name in inner.groupdict():
            if at is not None and number(inner, name) == at:
                return name
        return None
    def pos(o):
        return 0 if is_match(o) else o.pos
    def endpos(o):
        return len(o.string) if is_match(o) else o.endpos
    def regs(o):
        return tuple([o.span(n) for n in range(len(o.groups()) + 1)]) if is_match(o) else o.regs
    def expand(o, text):
        if not is_match(o) and not isinstance(o, _Moved):
            return o.expand(text)
        out = []
        for part in re.split(r"(\\\\g<\\w+>|\\\\[1-9])", template(text)):
            if part.startswith("\\\\g<"):
                which = part[3:-1]
                out.append(o.group(int(which) if which.isdigit() else which) or "")
            elif len(part) == 2 and part[0] == "\\\\" and part[1].isdigit():
                out.append(o.group(int(part[1])) or "")
            else:
                out.append(part.replace("\\\\\\\\", "\\\\"))
        return "".join(out)
    for name, each in [("subn", subn), ("sub", sub), ("search", search), ("match", match),
                       ("fullmatch", fullmatch), ("finditer", finditer), ("findall", findall),
                       ("start", start), ("end", end), ("span", span), ("groups", groups),
                       ("groupindex", groupindex), ("lastindex", lastindex), ("lastgroup", lastgroup),
                       ("pos", pos), ("endpos", endpos), ("regs", regs), ("expand", expand)]:
        setattr(m, name, each)
    return m
"""
