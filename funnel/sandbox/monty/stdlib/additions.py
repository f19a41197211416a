"""What is added to modules that the Monty engine has: functools, dataclasses, json, asyncio and others."""

from __future__ import annotations

FUNCTOOLS = """
def _make():
    m = _Std()
    class _Comparison:
        def __init__(self, compare):
            self.compare = compare
        def __call__(self, item):
            raise TypeError("pass cmp_to_key(f) as key of sorted, sort, min or max, in a cell that names it")
    def wraps(wrapped, assigned=None, updated=None):
        return lambda wrapper: wrapper
    def update_wrapper(wrapper, wrapped, assigned=None, updated=None):
        return wrapper
    m.cmp_to_key = _Comparison
    m.wraps = wraps
    m.update_wrapper = update_wrapper
    return m
"""

COLLECTIONS = """
def _make():
    m = _Std()
    m.OrderedDict = dict
    return m
"""

DATACLASSES = """
def _make():
    m = _Std()
    class Field:
        def __init__(self, name):
            self.name = name
        def __repr__(self):
            return "Field(name=" + repr(self.name) + ")"
    def names_of(o):
        try:
            return o._std_fields
        except AttributeError:
            raise TypeError("this takes an object of a @dataclass with fields") from None
    def plain(o):
        if isinstance(o, (str, int, float, bytes)) or o is None:
            return o
        if isinstance(o, dict):
            return {plain(key): plain(value) for key, value in o.items()}
        if isinstance(o, list):
            return [plain(each) for each in o]
        if isinstance(o, tuple) and not hasattr(o, "_fields"):
            return tuple([plain(each) for each in o])
        if hasattr(o, "_std_fields"):
            return {name: plain(getattr(o, name)) for name in o._std_fields}
        return o
    def flat(o):
        if isinstance(o, dict):
            return {key: flat(value) for key, value in o.items()}
        if isinstance(o, list):
            return [flat(each) for each in o]
        if hasattr(o, "_std_fields"):
            return tuple([flat(getattr(o, name)) for name in o._std_fields])
        return o
    def asdict(obj):
        return {name: plain(getattr(obj, name)) for name in names_of(obj)}
    def astuple(obj):
        return tuple([flat(getattr(obj, name)) for name in names_of(obj)])
    def replace(obj, **changes):
        values = {name: getattr(obj, name) for name in names_of(obj)}
        values.update(changes)
        return type(obj)(**values)
    def fields(obj):
        return tuple([Field(name) for name in names_of(obj)])
    m.asdict = asdict
    m.astuple = astuple
    m.replace = replace
    m.fields = fields
    return m
"""

JSON = """
def _make():
    m = _Std()
    def plain(o, default):
        if o is None or isinstance(o, (str, int, float)):
            return o
        if isinstance(o, dict):
            return {key: plain(value, default) for key, value in o.items()}
        if isinstance(o, (list, tuple)):
            return [plain(each, default) for each in o]
        return plain(default(o), default)
    def dumps(obj, default=None, **named):
        return json.dumps(obj if default is None else plain(obj, default), **named)
    def dump(obj, fp, default=None, **named):
        fp.write(dumps(obj, default, **named))
    m.dumps = dumps
    m.dump = dump
    return m
"""

ASYNCIO = """
def _make():
    m = _Std()
    class Semaphore:
        def __init__(self, value=1):
            self.value = value
        async def acquire(self):
            return True
        def release(self):
            pass
        def locked(self):
            return False
    def entered(guard):
        if not isinstance(guard, Semaphore):
            raise NotImplementedError("async with is here for asyncio.Semaphore and Lock only")
        return True
    async def caught(awaitable):
        try:
            return await awaitable
        except Exception as error:
            return error
    async def gather(*awaitables, return_exceptions=False):
        if return_exceptions:
            return await asyncio.gather(*[caught(each) for each in awaitables])
        return await asyncio.gather(*awaitables)
    def create_task(awaitable, name=None):
        return awaitable
    def wait_for(awaitable, timeout=None):
        return awaitable
    def as_completed(awaitables, timeout=None):
        return list(awaitables)
    async def to_thread(function, *args, **named):
        return function(*args, **named)
    m.Semaphore = Semaphore
    m.BoundedSemaphore = Semaphore
    m.Lock = Semaphore
    m.entered = entered
    m.gather = gather
    m.create_task = create_task
    m.ensure_future = create_task
    m.wait_for = wait_for
    m.as_completed = as_completed
    m.to_thread = to_thread
    return m
"""

_TYPE_HINTS = """
AnyStr AsyncIterator AsyncGenerator Awaitable Collection Concatenate Container Coroutine Counter DefaultDict
Deque Hashable KeysView ItemsView ValuesView LiteralString MutableMapping MutableSequence MutableSet
AbstractSet NotRequired OrderedDict Pattern Match Required Reversible Sized SupportsFloat SupportsInt Text
TypeAlias TypeGuard Unpack
"""
TYPE_HINTS = frozenset(_TYPE_HINTS.split())
"""Names of `typing` that stand for any type."""
TYPING = f"""
def _make():
    m = _Std()
    anything = typing.Any
    def variable(name, *constraints, **named):
        return anything
    def cast(kind, value):
        return value
    def newtype(name, kind):
        return lambda value: value
    def same(function):
        return function
    m.TypeVar = variable
    m.ParamSpec = variable
    m.cast = cast
    m.NewType = newtype
    m.overload = same
    m.final = same
    m.no_type_check = same
    for name in {sorted(TYPE_HINTS)}:
        setattr(m, name, anything)
    return m
"""

SYS = """
def _make():
    m = _Std()
    def write(text):
        print(text, end="")
        return len(text)
    def writelines(lines):
        for line in lines:
            print(line, end="")
    def flush():
        pass
    def setrecursionlimit(limit):
        pass
    def shown(*values, sep=" ", end="\\n", file=None, flush=False):
        if file is None or type(file).__name__ == "TextIOWrapper" or not hasattr(file, "write"):
            print(*values, sep=sep, end=end, file=file)
        else:
            text = (" " if sep is None else sep).join([str(value) for value in values])
            file.write(text + ("\\n" if end is None else end))
    m.write = write
    m.writelines = writelines
    m.flush = flush
    m.setrecursionlimit = setrecursionlimit
    m.print = shown
    return m
"""

PATHLIB = """
def _make():
    m = _Std()
    m.PurePath = pathlib.Path
    m.PurePosixPath = pathlib.Path
    return m
"""
