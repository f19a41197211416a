"""Sandbox versions of concurrent.futures, which runs calls one after the other, and of contextlib."""

from __future__ import annotations

FUTURES = """
def _make():
    m = _Std()
    class Future:
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
    class Executor:
        def __init__(self, max_workers=None, **options):
            pass
        def __enter__(self):
            return self
        def __exit__(self, kind, value, trace):
            return False
        def map(self, function, *lists, timeout=None, chunksize=1):
            return [function(*args) for args in zip(*lists)]
        def submit(self, function, *args, **kwargs):
            try:
                return Future(function(*args, **kwargs), None)
            except Exception as error:
                return Future(None, error)
        def shutdown(self, wait=True):
            pass
    m.ThreadPoolExecutor = Executor
    m.ProcessPoolExecutor = Executor
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
def _make():
    m = _Std()
    class Suppress:
        def __init__(self, *kinds):
            self.kinds = kinds
        def __enter__(self):
            return None
        def __exit__(self, kind, value, trace):
            return value is not None and isinstance(value, self.kinds)
    class Null:
        def __init__(self, value=None):
            self.value = value
        def __enter__(self):
            return self.value
        def __exit__(self, kind, value, trace):
            return False
    class Closing:
        def __init__(self, thing):
            self.thing = thing
        def __enter__(self):
            return self.thing
        def __exit__(self, kind, value, trace):
            self.thing.close()
            return False
    m.suppress = Suppress
    m.nullcontext = Null
    m.closing = Closing
    return m
"""
