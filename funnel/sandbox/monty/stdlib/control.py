"""Sandbox versions of concurrent.futures, which runs calls one after the other, and of contextlib."""

from __future__ import annotations

FUTURES = """
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

CONCURRENT = """
def _make():
    m = _Std()
    m.futures = _std_concurrent_futures
    return m
"""

CONTEXTLIB = """
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
