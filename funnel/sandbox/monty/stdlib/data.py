"""Sandbox versions of heapq and operator."""

from __future__ import annotations

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
    def methodcaller(name, *args, **named):
        return lambda x: _std_more_bound.getattr(x, name)(*args, **named)
    m.methodcaller = methodcaller
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
