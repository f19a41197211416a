"""Sandbox versions of the modules for text: string, io, html."""

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

IO = """
def _make():
    m = _Std()
    class StringIO:
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
    m.StringIO = StringIO
    return m
"""

HTML = """
def _make():
    m = _Std()
    named = {"lt": 60, "gt": 62, "quot": 34, "apos": 39, "amp": 38, "nbsp": 160, "ndash": 8211, "mdash": 8212,
             "lsquo": 8216, "rsquo": 8217, "sbquo": 8218, "ldquo": 8220, "rdquo": 8221, "bdquo": 8222,
             "bull": 8226, "hellip": 8230, "euro": 8364, "trade": 8482, "rarr": 8594, "larr": 8592,
             "minus": 8722, "le": 8804, "ge": 8805, "ne": 8800}
    latin = ("iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg "
             "plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 "
             "iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml "
             "Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash "
             "Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring "
             "aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve "
             "oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml ")
    for at, name in enumerate(latin.split()):
        named[name] = 161 + at
    def escape(s, quote=True):
        s = s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return s.replace('"', "&quot;").replace("'", "&#x27;") if quote else s
    def unescape(s):
        out = []
        last = 0
        for found in re.finditer(r"&(?:#([0-9]+)|#[xX]([0-9a-fA-F]+)|([A-Za-z][A-Za-z0-9]*));", s):
            number, code, name = found.groups()
            if name is not None and name not in named:
                raise NotImplementedError("html.unescape does not know &" + name + "; here: use .replace")
            char = chr(int(number) if number else int(code, 16) if code else named[name])
            out.append(s[last:found.start()] + char)
            last = found.end()
        return "".join(out) + s[last:]
    m.escape = escape
    m.unescape = unescape
    return m
"""
