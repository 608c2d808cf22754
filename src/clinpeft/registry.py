"""One Registry for every kind of thing that can be added: sources, tasks, models, methods, metrics, launchers."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from clinpeft.errors import UnknownName, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Finds entries of one kind: each a file in the kind's folder, or an entry point of an installed package.

    A file `head_only.py` holds one subclass of `base` and is listed as `head-only`; files whose class is not asked
    for are not imported, so listing is fast. `base.py`, names that start with `_` and those in `apart` are no entries.
    An outside package adds one with an entry point in group `clinpeft.<kinds>` that names its class.
    """

    def __init__(self, kind: str, package: str, base: type[T], apart: tuple[str, ...] = ()) -> None:
        self.kind, self.package, self.base, self.apart = kind, package, base, ("base", *apart)
        self.plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self._files(), *self._plugins()})

    def get(self, name: str) -> type[T]:
        """The class called `name`. Raises UnknownName with the nearest name and how to add one."""
        files = self._files()
        if name in files:
            return self._class_in(files[name])
        plugins = self._plugins()
        if name in plugins:
            loaded = plugins[name].load()
            if not (isinstance(loaded, type) and issubclass(loaded, self.base)):
                raise TypeError(
                    f"entry point {name!r} of clinpeft.{self.plural} is no subclass of {self.base.__name__}"
                )
            return loaded
        near = did_you_mean(name, self.names())
        folder = self.package.replace(".", "/")
        raise UnknownName(
            f"{self.kind} '{name}'",
            f"no {self.kind} has this name",
            f"{near + ' ' if near else ''}`clinpeft list {self.plural}` shows all; to add one, put a file in {folder}/",
        )

    def __iter__(self) -> Iterator[tuple[str, type[T]]]:
        return ((name, self.get(name)) for name in self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._files() or name in self._plugins()

    def _files(self) -> dict[str, str]:
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        paths = [path for folder in folders or [] for path in Path(folder).glob("*.py")]
        stems = sorted(path.stem for path in paths if path.stem not in self.apart and not path.stem.startswith("_"))
        return {stem.replace("_", "-"): f"{self.package}.{stem}" for stem in stems}

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=f"clinpeft.{self.plural}")}

    def _class_in(self, module_name: str) -> type[T]:
        module = importlib.import_module(module_name)
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, self.base) and value.__module__ == module_name
        ]
        public = [value for value in found if not value.__name__.startswith("_")]
        if len(public) != 1:
            raise TypeError(f"{module_name} must define exactly one public subclass of {self.base.__name__}")
        return public[0]
