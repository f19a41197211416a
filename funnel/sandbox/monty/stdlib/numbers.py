"""The sandbox version of statistics. Sums are exact, as in the standard module, so that no digit differs."""

from __future__ import annotations

STATISTICS = """
def _make():
    m = _Std()
    def listed(data, name, least=1):
        xs = list(data)
        if len(xs) < least:
            needed = "one data point" if least == 1 else "two data points"
            raise ValueError(name + " requires at least " + needed)
        return xs
    def ratio(x):
        if not isinstance(x, float):
            return x, 1
        part, power = math.frexp(x)
        n, power = int(part * 2 ** 53), power - 53
        return (n * 2 ** power, 1) if power >= 0 else (n, 2 ** -power)
    def plain(xs):
        return all([isinstance(x, (int, float)) and x == x and abs(x) != math.inf for x in xs])
    def total(xs):
        pairs = [ratio(x) for x in xs]
        below = max([d for n, d in pairs])
        return sum([n * (below // d) for n, d in pairs]), below
    def whole(xs):
        return all([isinstance(x, int) for x in xs])
    def reduced(n, d):
        common = math.gcd(n, d) or 1
        return n // common, d // common
    def of_ints(n, d, xs):
        n, d = reduced(n, d)
        return n if d == 1 and whole(xs) else n / d
    def mean(data):
        xs = list(data)
        if not xs:
            raise ValueError("mean requires at least one data point")
        if not plain(xs):
            return sum(xs) / len(xs)
        n, d = total(xs)
        return of_ints(n, d * len(xs), xs)
    def fmean(data, weights=None):
        xs = list(data)
        if not xs:
            raise ValueError("fmean requires at least one data point")
        if weights is None:
            return math.fsum(xs) / len(xs)
        ws = list(weights)
        if len(ws) != len(xs):
            raise ValueError("data and weights must be the same length")
        return math.fsum([x * w for x, w in zip(xs, ws)]) / math.fsum(ws)
    def median(data):
        xs = sorted(data)
        if not xs:
            raise ValueError("no median for empty data")
        half = len(xs) // 2
        return xs[half] if len(xs) % 2 else (xs[half - 1] + xs[half]) / 2
    def median_low(data):
        xs = sorted(data)
        if not xs:
            raise ValueError("no median for empty data")
        return xs[(len(xs) - 1) // 2]
    def median_high(data):
        xs = sorted(data)
        if not xs:
            raise ValueError("no median for empty data")
        return xs[len(xs) // 2]
    def counts(xs):
        seen = {}
        for x in xs:
            seen[x] = seen.get(x, 0) + 1
        return seen
    def mode(data):
        seen = counts(data)
        if not seen:
            raise ValueError("no mode for empty data")
        return max(list(seen), key=lambda x: seen[x])
    def multimode(data):
        seen = counts(data)
        top = max(list(seen.values())) if seen else 0
        return [x for x in seen if seen[x] == top]
    def squares(xs, at):
        if at is None:
            n, d = total(xs)
            q = sum([a * a * (d // b) * (d // b) for a, b in [ratio(x) for x in xs]])
            return q * len(xs) - n * n, d * d * len(xs)
        a, b = ratio(at)
        n, d = total(xs)
        q = sum([a2 * a2 * (d // b2) * (d // b2) for a2, b2 in [ratio(x) for x in xs]])
        return q * b * b - 2 * n * d * a * b + len(xs) * a * a * d * d, d * d * b * b
    def loose(xs, at):
        centre = sum(xs) / len(xs) if at is None else at
        return sum([(x - centre) ** 2 for x in xs])
    def pvariance(data, mu=None):
        xs = listed(data, "pvariance")
        if not plain(xs):
            return loose(xs, mu) / len(xs)
        n, d = squares(xs, mu)
        return of_ints(n, d * len(xs), xs)
    def variance(data, xbar=None):
        xs = listed(data, "variance", 2)
        if not plain(xs):
            return loose(xs, xbar) / (len(xs) - 1)
        n, d = squares(xs, xbar)
        return of_ints(n, d * (len(xs) - 1), xs)
    def bits(n):
        return len(bin(n)) - 2
    def rounded_to_odd(n, d):
        a = math.isqrt(n // d)
        return a | (a * a * d != n)
    def root(n, d):
        n, d = reduced(n, d)
        if not n:
            return 0.0
        q = (bits(n) - bits(d) - 109) // 2
        if q >= 0:
            return float(rounded_to_odd(n, d << 2 * q) << q)
        return rounded_to_odd(n << -2 * q, d) / (1 << -q)
    def pstdev(data, mu=None):
        xs = listed(data, "pstdev")
        if not plain(xs):
            return pvariance(xs, mu) ** 0.5
        n, d = squares(xs, mu)
        return root(n, d * len(xs))
    def stdev(data, xbar=None):
        xs = listed(data, "stdev", 2)
        if not plain(xs):
            return variance(xs, xbar) ** 0.5
        n, d = squares(xs, xbar)
        return root(n, d * (len(xs) - 1))
    def quantiles(data, *, n=4, method="exclusive"):
        xs = sorted(data)
        if len(xs) < 2:
            raise ValueError("must have at least two data points")
        cuts = []
        for i in range(1, n):
            if method == "inclusive":
                j, delta = divmod(i * (len(xs) - 1), n)
                cuts.append((xs[j] * (n - delta) + xs[min(j + 1, len(xs) - 1)] * delta) / n)
            else:
                j = max(1, min(len(xs) - 1, i * (len(xs) + 1) // n))
                delta = i * (len(xs) + 1) - j * n
                cuts.append((xs[j - 1] * (n - delta) + xs[j] * delta) / n)
        return cuts
    def harmonic_mean(data):
        xs = listed(data, "harmonic_mean")
        if min(xs) < 0:
            raise ValueError("harmonic mean does not support negative values")
        if 0 in xs:
            return 0
        if not plain(xs):
            return len(xs) / sum([1 / x for x in xs])
        n, d = 0, 1
        for a, b in [ratio(x) for x in xs]:
            n, d = reduced(n * a + b * d, d * a)
        return len(xs) * d / n
    def geometric_mean(data):
        xs = listed(data, "geometric_mean")
        return math.exp(math.fsum([math.log(x) for x in xs]) / len(xs))
    def pairs_of(x, y, name):
        xs, ys = list(x), list(y)
        if len(xs) != len(ys):
            raise ValueError(name + " requires that both inputs have same number of data points")
        if len(xs) < 2:
            raise ValueError(name + " requires at least two data points")
        mx, my = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)
        return [a - mx for a in xs], [b - my for b in ys], mx, my
    def covariance(x, y):
        xs, ys, _, _ = pairs_of(x, y, "covariance")
        return math.fsum([a * b for a, b in zip(xs, ys)]) / (len(xs) - 1)
    def correlation(x, y):
        xs, ys, _, _ = pairs_of(x, y, "correlation")
        sxy = math.fsum([a * b for a, b in zip(xs, ys)])
        below = math.sqrt(math.fsum([a * a for a in xs]) * math.fsum([b * b for b in ys]))
        if not below:
            raise ValueError("at least one of the inputs is constant")
        return sxy / below
    Line = collections.namedtuple("LinearRegression", "slope intercept")
    def linear_regression(x, y):
        xs, ys, mx, my = pairs_of(x, y, "linear regression")
        below = math.fsum([a * a for a in xs])
        if not below:
            raise ValueError("x is constant")
        slope = math.fsum([a * b for a, b in zip(xs, ys)]) / below
        return Line(slope, my - slope * mx)
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
    m.harmonic_mean = harmonic_mean
    m.geometric_mean = geometric_mean
    m.covariance = covariance
    m.correlation = correlation
    m.linear_regression = linear_regression
    m.StatisticsError = ValueError
    return m
"""
