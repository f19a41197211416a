"""Names and what they stand for, ours and those that other packages bring; knows no kind of part itself.

A `Registry` is one table: its built-in names stand in the code as "module:object", any installed package
adds more as entry points of the registry's group, and neither is imported before its name is asked for:

    [project.entry-points."funnel.memory"]
    etcd = "funnel_etcd:EtcdMemory"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from indexes.errors import MissingExtra, PlugInFailed, UnknownName

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A part of this distribution: where it is, as "module:object", and the extra that it needs, if any."""

    target: str
    extra: str = ""

    def load(self) -> object:
        """Import the module and return the object."""
        module, _, path = self.target.partition(":")
        found: object = import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
        return found


@dataclass(frozen=True, slots=True)
class Registry(Generic[T]):
    """One kind of part by its names: the built-in ones, and the entry points of `group`.

    A built-in name wins over a plug-in of the same name. Of two plug-ins of one name, the one that comes
    first on `sys.path` wins, as it does for modules. Entry points are looked up (a few milliseconds) only for
    a name that is not built in, and for a listing.
    """

    kind: str
    """What errors call such a part, such as "lexical engine"."""
    group: str
    built_in: Mapping[str, BuiltIn]
    unknown: type[UnknownName] = UnknownName
    """The class of the error for an unknown name."""

    def __contains__(self, name: str) -> bool:
        """Whether `get` knows the name; loads nothing."""
        return name in self.built_in or name in self.plug_ins()

    def __iter__(self) -> Iterator[str]:
        """The names that `get` knows, sorted; loads nothing."""
        return iter(sorted([*self.built_in, *self.plug_ins()]))

    def plug_ins(self) -> dict[str, EntryPoint]:
        """The entry points of installed packages by name, without those whose name is built in."""
        from importlib.metadata import entry_points  # noqa: PLC0415 - slow to import, and most runs need none

        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name not in self.built_in:
                found.setdefault(point.name, point)
        return found

    def get(self, name: str) -> T:
        """Import what the name stands for.

        Raises: `UnknownName`, which lists the known names; `MissingExtra` if a built-in lacks its package;
        `PlugInFailed` if a plug-in does not load.
        """
        if name in self.built_in:
            return self._load_built_in(name)
        plug_ins = self.plug_ins()
        if name not in plug_ins:
            raise self.unknown(self.kind, name, [*self.built_in, *plug_ins])
        return self._load(plug_ins[name])

    def _load_built_in(self, name: str) -> T:
        part = self.built_in[name]
        try:
            return cast("T", part.load())
        except ImportError as error:
            if not part.extra:
                raise
            raise MissingExtra(f"{self.kind.capitalize()} {name!r}", part.extra) from error

    def _load(self, point: EntryPoint) -> T:
        try:
            return cast("T", point.load())
        except Exception as error:
            # A plug-in's module may raise anything while it is imported.
            raise PlugInFailed(self.kind, point.name, point.value, error) from error
