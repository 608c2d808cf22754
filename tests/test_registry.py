"""A new file in the folder, or an entry point of an installed package, is all it takes to add an entry."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import clinpeft.registry
from clinpeft.errors import UnknownName
from clinpeft.registry import Registry


class Animal:
    """The base class of the registry under test; the files below import it from here."""


PACKAGE = "clinpeft_test_animals"


@pytest.fixture
def animals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text("raise RuntimeError('base is no entry')")
    (folder / "_ears.py").write_text("raise RuntimeError('a private file is no entry')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "clinpeft_test_base", sys.modules[__name__])
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def add(folder: Path, name: str, body: str) -> None:
    (folder / f"{name}.py").write_text(f"from clinpeft_test_base import Animal\n{body}\n")


def registry() -> Registry[Animal]:
    return Registry("animal", PACKAGE, Animal)


def test_a_new_file_is_found_without_registration(animals: Path) -> None:
    assert registry().names() == []

    add(animals, "grey_cat", "class GreyCat(Animal): pass")

    assert registry().names() == ["grey-cat"]
    assert registry().get("grey-cat").__name__ == "GreyCat"
    assert issubclass(registry().get("grey-cat"), Animal)


def test_names_are_sorted_and_base_and_private_files_are_left_out(animals: Path) -> None:
    add(animals, "newt", "class Newt(Animal): pass")
    add(animals, "ant", "class Ant(Animal): pass")

    assert registry().names() == ["ant", "newt"]


def test_listing_imports_no_entry(animals: Path) -> None:
    add(animals, "slow", "raise RuntimeError('imported')")

    assert registry().names() == ["slow"]
    assert "slow" in registry()


def test_iterating_gives_names_and_classes(animals: Path) -> None:
    add(animals, "ant", "class Ant(Animal): pass")
    add(animals, "newt", "class Newt(Animal): pass")

    assert [(name, entry.__name__) for name, entry in registry()] == [("ant", "Ant"), ("newt", "Newt")]


def test_private_helpers_and_imported_entries_do_not_count_as_the_files_class(animals: Path) -> None:
    add(animals, "ant", "class Ant(Animal): pass")
    add(animals, "bee", f"from {PACKAGE}.ant import Ant\nclass _Wing(Animal): pass\nclass Bee(Ant): pass")

    assert registry().get("bee").__name__ == "Bee"


@pytest.mark.parametrize("body", ["", "class A(Animal): pass\nclass B(Animal): pass"])
def test_a_file_without_exactly_one_class_is_a_mistake_of_its_author(animals: Path, body: str) -> None:
    add(animals, "odd", body)

    with pytest.raises(TypeError, match=f"{PACKAGE}.odd must define exactly one public subclass of Animal"):
        registry().get("odd")


def test_an_unknown_name_is_refused_with_the_nearest_and_with_how_to_add_one(animals: Path) -> None:
    add(animals, "grey_cat", "class GreyCat(Animal): pass")

    with pytest.raises(UnknownName) as caught:
        registry().get("gray-cat")

    assert str(caught.value) == (
        "animal 'gray-cat': no animal has this name; did you mean 'grey-cat'? "
        f"`clinpeft list animals` shows all; to add one, put a file in {PACKAGE}/"
    )


def test_a_name_like_nothing_known_gets_no_guess(animals: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        registry().get("zzz")

    assert "did you mean" not in str(caught.value)
    assert "zzz" not in registry()


class Plugin(Animal):
    """An entry of an outside package."""


def test_an_entry_point_of_an_installed_package_is_an_entry(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def installed(*, group: str) -> EntryPoints:
        points = [EntryPoint("plug-in", "clinpeft_test_base:Plugin", group)] if group == "clinpeft.animals" else []
        return EntryPoints(points)

    monkeypatch.setattr(clinpeft.registry, "entry_points", installed)
    add(animals, "ant", "class Ant(Animal): pass")

    assert registry().names() == ["ant", "plug-in"]
    assert registry().get("plug-in") is Plugin


def test_an_entry_point_that_is_no_such_class_is_refused_by_name(
    animals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("odd", "pathlib:Path", "clinpeft.animals")
    monkeypatch.setattr(clinpeft.registry, "entry_points", lambda group: EntryPoints([point]))

    with pytest.raises(TypeError, match=r"entry point 'odd' of clinpeft\.animals is no subclass of Animal"):
        registry().get("odd")


def test_a_file_of_ours_wins_over_a_plug_in_of_the_same_name(animals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("ant", "clinpeft_test_base:Plugin", "clinpeft.animals")
    monkeypatch.setattr(clinpeft.registry, "entry_points", lambda group: EntryPoints([point]))
    add(animals, "ant", "class Ant(Animal): pass")

    assert registry().names() == ["ant"]
    assert registry().get("ant").__name__ == "Ant"
