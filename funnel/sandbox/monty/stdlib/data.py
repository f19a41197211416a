"""Sandbox versions of the modules for numbers and collections: statistics, heapq, operator."""

from __future__ import annotations

STATISTICS = """
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

HEAPQ = """
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

OPERATOR = """
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
