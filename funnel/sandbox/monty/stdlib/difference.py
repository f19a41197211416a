"""The sandbox version of difflib, which leaves out the most frequent parts of long texts as that does."""

from __future__ import annotations

DIFFLIB = """
def _make():
    m = _Std()
    Match = collections.namedtuple("Match", "a b size")
    class SequenceMatcher:
        def __init__(self, isjunk=None, a="", b="", autojunk=True):
            if isjunk is not None:
                raise NotImplementedError("SequenceMatcher takes None as isjunk here; drop such items before")
            self.autojunk = autojunk
            self.set_seqs(a, b)
        def set_seqs(self, a, b):
            self.set_seq1(a)
            self.set_seq2(b)
        def set_seq1(self, a):
            self.a = a
            self.blocks = None
        def set_seq2(self, b):
            self.b = b
            self.blocks = None
            where = {}
            for j, x in enumerate(b):
                where.setdefault(x, []).append(j)
            if self.autojunk and len(b) >= 200:
                most = len(b) // 100 + 1
                where = {x: places for x, places in where.items() if len(places) <= most}
            self.where = where
        def find_longest_match(self, alo=0, ahi=None, blo=0, bhi=None):
            a = self.a
            b = self.b
            where = self.where
            ahi = len(a) if ahi is None else ahi
            bhi = len(b) if bhi is None else bhi
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
            while besti > alo and bestj > blo and a[besti - 1] == b[bestj - 1]:
                besti, bestj, best = besti - 1, bestj - 1, best + 1
            while besti + best < ahi and bestj + best < bhi and a[besti + best] == b[bestj + best]:
                best += 1
            return Match(besti, bestj, best)
        def get_matching_blocks(self):
            if self.blocks is not None:
                return self.blocks
            found = []
            todo = [(0, len(self.a), 0, len(self.b))]
            while todo:
                alo, ahi, blo, bhi = todo.pop()
                i, j, k = self.find_longest_match(alo, ahi, blo, bhi)
                if k:
                    found.append((i, j, k))
                    if alo < i and blo < j:
                        todo.append((alo, i, blo, j))
                    if i + k < ahi and j + k < bhi:
                        todo.append((i + k, ahi, j + k, bhi))
            joined = []
            for i, j, k in sorted(found):
                if joined and joined[-1][0] + joined[-1][2] == i and joined[-1][1] + joined[-1][2] == j:
                    joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + k)
                else:
                    joined.append((i, j, k))
            joined.append((len(self.a), len(self.b), 0))
            self.blocks = [Match(i, j, k) for i, j, k in joined]
            return self.blocks
        def get_opcodes(self):
            i = 0
            j = 0
            codes = []
            for ai, bj, size in self.get_matching_blocks():
                if i < ai and j < bj:
                    codes.append(("replace", i, ai, j, bj))
                elif i < ai:
                    codes.append(("delete", i, ai, j, bj))
                elif j < bj:
                    codes.append(("insert", i, ai, j, bj))
                i, j = ai + size, bj + size
                if size:
                    codes.append(("equal", ai, i, bj, j))
            return codes
        def get_grouped_opcodes(self, n=3):
            codes = self.get_opcodes() or [("equal", 0, 1, 0, 1)]
            if codes[0][0] == "equal":
                tag, i1, i2, j1, j2 = codes[0]
                codes[0] = tag, max(i1, i2 - n), i2, max(j1, j2 - n), j2
            if codes[-1][0] == "equal":
                tag, i1, i2, j1, j2 = codes[-1]
                codes[-1] = tag, i1, min(i2, i1 + n), j1, min(j2, j1 + n)
            groups = []
            group = []
            for tag, i1, i2, j1, j2 in codes:
                if tag == "equal" and i2 - i1 > n + n:
                    group.append((tag, i1, min(i2, i1 + n), j1, min(j2, j1 + n)))
                    groups.append(group)
                    group = []
                    i1, j1 = max(i1, i2 - n), max(j1, j2 - n)
                group.append((tag, i1, i2, j1, j2))
            if group and not (len(group) == 1 and group[0][0] == "equal"):
                groups.append(group)
            return groups
        def ratio(self):
            size = len(self.a) + len(self.b)
            return 2.0 * sum([block.size for block in self.get_matching_blocks()]) / size if size else 1.0
        def quick_ratio(self):
            counts = {}
            for x in self.b:
                counts[x] = counts.get(x, 0) + 1
            same = 0
            for x in self.a:
                left = counts.get(x, 0)
                same += left > 0
                counts[x] = left - 1
            size = len(self.a) + len(self.b)
            return 2.0 * same / size if size else 1.0
        def real_quick_ratio(self):
            size = len(self.a) + len(self.b)
            return 2.0 * min(len(self.a), len(self.b)) / size if size else 1.0
    def get_close_matches(word, possibilities, n=3, cutoff=0.6):
        scored = [(SequenceMatcher(None, x, word).ratio(), x) for x in possibilities]
        return [x for score, x in sorted([s for s in scored if s[0] >= cutoff], reverse=True)[:n]]
    def shown_range(start, stop):
        length = stop - start
        if length == 1:
            return str(start + 1)
        return str(start + 1 if length else start) + "," + str(length)
    def unified_diff(a, b, fromfile="", tofile="", fromfiledate="", tofiledate="", n=3, lineterm="\\n"):
        out = []
        for group in SequenceMatcher(None, a, b).get_grouped_opcodes(n):
            if not out:
                out.append("--- " + fromfile + ("\\t" + fromfiledate if fromfiledate else "") + lineterm)
                out.append("+++ " + tofile + ("\\t" + tofiledate if tofiledate else "") + lineterm)
            first, last = group[0], group[-1]
            places = "-" + shown_range(first[1], last[2]) + " +" + shown_range(first[3], last[4])
            out.append("@@ " + places + " @@" + lineterm)
            for tag, i1, i2, j1, j2 in group:
                if tag == "equal":
                    out += [" " + line for line in a[i1:i2]]
                if tag in ("replace", "delete"):
                    out += ["-" + line for line in a[i1:i2]]
                if tag in ("replace", "insert"):
                    out += ["+" + line for line in b[j1:j2]]
        return iter(out)
    m.SequenceMatcher = SequenceMatcher
    m.get_close_matches = get_close_matches
    m.unified_diff = unified_diff
    return m
"""
