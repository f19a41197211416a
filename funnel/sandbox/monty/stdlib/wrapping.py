"""Sandbox versions of textwrap and pprint, which break lines where the standard modules do."""

from __future__ import annotations

TEXTWRAP = """
def _make():
    m = _Std()
    pieces = re.compile(
        r"(\\s+|(?<=[\\w!\\"'&.,?])-{2,}(?=\\w)|[^\\s\\w]*\\w+[^0-9\\W]-(?=\\w+[^0-9\\W])|"
        r"[^\\s\\w]*(?:[^\\s\\w]|\\w)+?(?:-(?:(?<=[^\\d\\W]{2}-)|(?<=[^\\d\\W]-[^\\d\\W]-))(?=[^\\d\\W]-?[^\\d\\W])|(?=\\s|\\Z)|"
        r"(?<=[\\w!\\"'&.,?])(?=-{2,}\\w)))"
    )
    def chunks_of(text, hyphens):
        parts = pieces.split(text) if hyphens else re.split(r"(\\s+)", text)
        return [part for part in parts if part]
    def wrap(text, width=70, initial_indent="", subsequent_indent="", break_long_words=True,
             break_on_hyphens=True, max_lines=None, placeholder=" [...]", replace_whitespace=True,
             expand_tabs=True, drop_whitespace=True):
        if width <= 0:
            raise ValueError("invalid width " + repr(width) + " (must be > 0)")
        if expand_tabs:
            text = text.expandtabs(8)
        if replace_whitespace:
            text = re.sub(r"[\\t\\n\\x0b\\x0c\\r ]", " ", text)
        chunks = chunks_of(text, break_on_hyphens)[::-1]
        lines = []
        while chunks:
            line = []
            length = 0
            indent = subsequent_indent if lines else initial_indent
            room = width - len(indent)
            if drop_whitespace and chunks[-1].strip() == "" and lines:
                chunks.pop()
            while chunks and length + len(chunks[-1]) <= room:
                length += len(chunks[-1])
                line.append(chunks.pop())
            if chunks and len(chunks[-1]) > room:
                left = 1 if room < 1 else room - length
                if break_long_words:
                    chunk = chunks[-1]
                    end = left
                    if break_on_hyphens and len(chunk) > left:
                        hyphen = chunk[:left].rfind("-")
                        if hyphen > 0 and chunk[:hyphen].strip("-"):
                            end = hyphen + 1
                    line.append(chunk[:end])
                    chunks[-1] = chunk[end:]
                elif not line:
                    line.append(chunks.pop())
                length = sum([len(each) for each in line])
            if drop_whitespace and line and line[-1].strip() == "":
                length -= len(line[-1])
                line.pop()
            if line:
                last = not chunks or (drop_whitespace and len(chunks) == 1 and not chunks[0].strip())
                if max_lines is None or len(lines) + 1 < max_lines or (last and length <= room):
                    lines.append(indent + "".join(line))
                else:
                    while line:
                        if line[-1].strip() and length + len(placeholder) <= room:
                            lines.append(indent + "".join(line) + placeholder)
                            break
                        length -= len(line[-1])
                        line.pop()
                    else:
                        if lines and len(lines[-1].rstrip()) + len(placeholder) <= width:
                            lines[-1] = lines[-1].rstrip() + placeholder
                        else:
                            lines.append(indent + placeholder.lstrip())
                    break
        return lines
    def fill(text, width=70, **named):
        return "\\n".join(wrap(text, width, **named))
    def shorten(text, width, **named):
        return fill(" ".join(text.strip().split()), width, max_lines=1, **named)
    def dedent(text):
        lines = [line if line.strip(" \\t") else "" for line in text.split("\\n")]
        margin = None
        for line in lines:
            if line:
                indent = line[:len(line) - len(line.lstrip(" \\t"))]
                if margin is None:
                    margin = indent
                while not indent.startswith(margin):
                    margin = margin[:-1]
        return "\\n".join([line[len(margin or ""):] for line in lines])
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

PPRINT = """
def _make():
    m = _Std()
    def in_order(keys):
        try:
            return sorted(keys)
        except TypeError:
            return list(keys)
    def flat(value, sort):
        if isinstance(value, dict) and type(value).__name__ == "dict":
            keys = in_order(value) if sort else list(value)
            return "{" + ", ".join([flat(k, sort) + ": " + flat(value[k], sort) for k in keys]) + "}"
        if type(value).__name__ == "list":
            return "[" + ", ".join([flat(each, sort) for each in value]) + "]"
        if type(value).__name__ == "tuple":
            return "(" + ", ".join([flat(each, sort) for each in value]) + (",)" if len(value) == 1 else ")")
        return repr(value)
    def text_lines(value, indent, allowance, width):
        chunks = []
        lines = value.splitlines(True)
        most = width - indent
        widest = most
        for i, line in enumerate(lines):
            shown = repr(line)
            if i == len(lines) - 1:
                widest = most - allowance
            if len(shown) <= widest:
                chunks.append(shown)
                continue
            parts = [part for part in re.findall(r"\\S*\\s*", line) if part]
            widest_here = most
            current = ""
            for j, part in enumerate(parts):
                if j == len(parts) - 1 and i == len(lines) - 1:
                    widest_here = most - allowance
                if len(repr(current + part)) > widest_here:
                    if current:
                        chunks.append(repr(current))
                    current = part
                else:
                    current += part
            if current:
                chunks.append(repr(current))
        return chunks
    def shown(value, indent, allowance, level, width, sort):
        text = flat(value, sort)
        kind = type(value).__name__
        if len(text) <= width - indent - allowance:
            return text
        if kind == "dict" and value:
            keys = in_order(value) if sort else list(value)
            out = []
            for i, key in enumerate(keys):
                name = flat(key, sort)
                rest = allowance + 1 if i == len(keys) - 1 else 1
                inner = indent + 1 + len(name) + 2
                out.append(name + ": " + shown(value[key], inner, rest, level + 1, width, sort))
            return "{" + (",\\n" + " " * (indent + 1)).join(out) + "}"
        if kind in ("list", "tuple") and value:
            out = []
            for i, each in enumerate(value):
                rest = allowance + 1 if i == len(value) - 1 else 1
                out.append(shown(each, indent + 1, rest, level + 1, width, sort))
            ends = "[]" if kind == "list" else "()"
            end = "," if kind == "tuple" and len(value) == 1 else ""
            return ends[0] + (",\\n" + " " * (indent + 1)).join(out) + end + ends[1]
        if kind == "str" and value:
            wrapped = level == 1
            indent, allowance = (indent + 1, allowance + 1) if wrapped else (indent, allowance)
            chunks = text_lines(value, indent, allowance, width)
            if len(chunks) == 1:
                return chunks[0]
            joined = ("\\n" + " " * indent).join(chunks)
            return "(" + joined + ")" if wrapped else joined
        return text
    def pformat(object, indent=1, width=80, depth=None, compact=False, sort_dicts=True):
        if indent != 1 or depth is not None or compact:
            raise NotImplementedError("pprint takes width and sort_dicts; print(json.dumps(x, indent=2))")
        return shown(object, 0, 0, 1, width, sort_dicts)
    def pprint(object, stream=None, indent=1, width=80, depth=None, compact=False, sort_dicts=True):
        print(pformat(object, indent, width, depth, compact, sort_dicts))
    def pp(object, width=80, sort_dicts=False):
        pprint(object, width=width, sort_dicts=sort_dicts)
    m.pformat = pformat
    m.pprint = pprint
    m.pp = pp
    return m
"""
