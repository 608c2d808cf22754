"""A dataset against a second reading of its raw files: what agrees, what does not, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from clinpeft.data import verify as module
from clinpeft.data.build import build_task
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.site import hashed_id, site_key
from clinpeft.data.verify import Comparison, compare_with_raw
from clinpeft.errors import BadInput, GateRefused
from clinpeft.recount import Options, Recounted
from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Task

CANARY = "zqxcanary"


class Visits(Task):
    """A line a visit: number, patient, label, text; also a list of patients that lies elsewhere."""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = "tabular"
    metric: ClassVar[str] = "auroc"
    title: ClassVar[str] = "whether a visit ends well"
    citation: ClassVar[str] = "none"
    download: ClassVar[str] = "make it"
    licence: ClassVar[str] = "none"
    is_not: ClassVar[str] = "a real task"

    least: int = 0

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The visits of at least that number."""
        raw.note(raw.root / "visits.csv")
        if (raw.root.parent / "lists" / "patients.txt").exists():
            raw.used["lists/patients.txt"] = raw.root.parent / "lists" / "patients.txt"
        for number, patient, label, text in read_visits(raw.root):
            if int(number) >= self.least:
                yield Example(number, patient, number, text, label=label)


def read_visits(root: Path) -> list[list[str]]:
    return [line.split(",") for line in (root / "visits.csv").read_text().splitlines()]


def second_parser(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    assert task == "visits"
    assert options["mode"] == "correct"
    for number, _, label, text in read_visits(root):
        if int(number) >= int(str(options["least"])):
            yield Recounted(number, (label,), text)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """100 visits of 50 patients."""
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = [f"{row},{row // 2},{'yes' if row % 3 == 0 else 'no'},visit {row} {CANARY}" for row in range(100)]
    (folder / "visits.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def dataset(raw: Path, tmp_path: Path) -> TaskDataset:
    return build_task(Visits(), "visits", raw, tmp_path / "out")


@pytest.fixture(autouse=True)
def _a_second_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "parser_of", lambda _: second_parser)


def altered(monkeypatch: pytest.MonkeyPatch, change: Callable[[list[Recounted]], list[Recounted]]) -> None:
    """The second parser finds something else."""
    found = lambda *words: change(list(second_parser(*words)))  # noqa: E731
    monkeypatch.setattr(module, "parser_of", lambda _: found)


def hashed(example: str) -> str:
    return hashed_id(site_key(), "example", "tabular", example)


def test_a_dataset_agrees_with_what_it_was_built_from(dataset: TaskDataset, raw: Path) -> None:
    found = compare_with_raw(dataset, raw)

    assert found.problem() is None
    assert found.lines() == [
        "label    builder    recount",
        "no            66         66  agrees",
        "yes           34         34  agrees",
        "100 examples and 100 texts compared; 0 more in the raw files",
    ]


def test_the_options_it_was_built_with_are_handed_on(raw: Path, tmp_path: Path) -> None:
    found = compare_with_raw(build_task(Visits(least=10), "visits", raw, tmp_path / "out"), raw)

    assert (found.num_examples, found.problem()) == (90, None)


def test_another_label_is_a_difference_named_by_hashed_id(
    dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered(monkeypatch, lambda ones: [replace(ones[0], labels=("no",)), *ones[1:]])
    found = compare_with_raw(dataset, raw)

    assert found.problem() == f"the second parser disagrees: 1 with other labels ({hashed('0')})"
    assert found.lines()[1:3] == ["no            66         67  DIFFERS", "yes           34         33  DIFFERS"]


def test_two_labels_changed_for_each_other_differ_though_their_numbers_agree(
    dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered(
        monkeypatch,
        lambda ones: [replace(ones[0], labels=("no",)), replace(ones[1], labels=("yes",)), *ones[2:]],
    )
    found = compare_with_raw(dataset, raw)

    assert found.built == found.recounted
    assert "2 with other labels" in str(found.problem())


def test_another_text_is_a_difference_and_no_text_is_shown(
    dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered(monkeypatch, lambda ones: [replace(one, text=f"{one.text} ") for one in ones])
    problem = str(compare_with_raw(dataset, raw).problem())

    assert problem.startswith("the second parser disagrees: 100 with another text (")
    assert problem.count(", ") == 5, "five ids and an ellipsis"
    assert CANARY not in problem


class Drugs(Visits):
    """Of every visit the word «visit» as a drug."""

    kind: ClassVar[Kind] = "entities"
    metric: ClassVar[str] = "entity-f1"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The visits as entities."""
        for example in super().examples(raw, log):
            yield replace(example, label=None, tokens=("visit",), starts=(0,), ends=(5,), tags=("B-drug",))


@pytest.mark.parametrize(("start", "problem"), [(0, None), (1, "1 with other offsets")])
def test_offsets_are_compared_where_the_second_parser_gives_them(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, problem: str | None
) -> None:
    drug = Recounted("", ("drug",), spans=((0, 5, "drug"),))
    altered(
        monkeypatch,
        lambda ones: [
            replace(drug, example=one.example, spans=((start * (not at), 5, "drug"),)) for at, one in enumerate(ones)
        ],
    )
    found = compare_with_raw(build_task(Drugs(), "visits", raw, tmp_path / "out"), raw)

    assert found.problem() == (f"the second parser disagrees: {problem} ({hashed('0')})" if problem else None)
    assert "100 examples, the offsets of 100 mentions and no texts compared" in found.lines()[-1]


def test_another_second_text_is_a_difference(dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    altered(monkeypatch, lambda ones: [replace(ones[0], text_b="and more"), *ones[1:]])

    assert "1 with another text" in str(compare_with_raw(dataset, raw).problem())


def test_a_text_that_the_second_parser_does_not_make_is_not_compared(
    dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered(monkeypatch, lambda ones: [replace(one, text=None) for one in ones])
    found = compare_with_raw(dataset, raw)

    assert found.problem() is None
    assert found.lines()[-1].startswith("100 examples and no texts compared")


def test_examples_that_only_one_of_them_finds_are_differences(
    dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered(monkeypatch, lambda ones: [*ones[1:], Recounted("new", ("no",)), Recounted("1", ("no",))])

    assert compare_with_raw(dataset, raw).differences == {
        "that the raw files hold twice": [hashed("1")],
        "that the raw files do not hold": [hashed("0")],
        "left out where the card says 0": [hashed("new")],
    }


def test_copies_that_left_train_are_expected_to_be_missing(raw: Path, tmp_path: Path) -> None:
    rows = [[*visit[:3], "the same" if int(visit[0]) < 60 else visit[3]] for visit in read_visits(raw)]
    (raw / "visits.csv").write_text("\n".join(",".join(row) for row in rows))
    dataset = build_task(Visits(), "visits", raw, tmp_path / "out")
    found = compare_with_raw(dataset, raw)

    assert dataset.card.duplicates.dropped > 0
    assert found.num_left_out == dataset.card.duplicates.dropped
    assert found.problem() is None


def test_of_a_limited_dataset_only_what_it_holds_is_compared(raw: Path, tmp_path: Path) -> None:
    found = compare_with_raw(build_task(Visits(), "visits", raw, tmp_path / "out", limit=3), raw)

    assert (found.num_examples, found.num_left_out) == (9, 91)
    assert found.problem() is None


def test_ids_under_another_site_key_are_told_from_a_difference(
    dataset: TaskDataset, raw: Path, site_key_file: Path
) -> None:
    site_key_file.write_bytes(bytes(32))

    with pytest.raises(GateRefused, match="none of its examples is among the 100 of the raw files; was it built with"):
        compare_with_raw(dataset, raw)


def test_without_the_site_key_nothing_is_compared_and_none_is_made(
    dataset: TaskDataset, raw: Path, site_key_file: Path
) -> None:
    site_key_file.unlink()

    with pytest.raises(BadInput, match="is not there; ids are compared under the key of the site"):
        compare_with_raw(dataset, raw)
    assert not site_key_file.exists()


def test_other_raw_files_than_it_was_built_from_are_refused(dataset: TaskDataset, raw: Path) -> None:
    with (raw / "visits.csv").open("a") as file:
        file.write("\n100,50,no,new")

    with pytest.raises(BadInput, match=r"visits\.csv: is not the file that the dataset was built from"):
        compare_with_raw(dataset, raw)


def test_a_raw_file_that_is_gone_is_named(dataset: TaskDataset, raw: Path) -> None:
    (raw / "visits.csv").rename(raw / "other.csv")

    with pytest.raises(BadInput, match=r"visits\.csv: is not in .*, and the dataset was built from it"):
        compare_with_raw(dataset, raw)


@pytest.mark.parametrize("place", ["lists", "lists/patients.txt"], ids=["by its folder", "by itself"])
def test_a_file_outside_the_raw_folder_is_named_by_its_option(raw: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "patients.txt").write_text("1\n")
    dataset = build_task(Visits(), "visits", raw, tmp_path / "out")

    with pytest.raises(BadInput, match=r"lists/patients\.txt: is not in .*--set lists=PATH"):
        compare_with_raw(dataset, raw)
    assert compare_with_raw(dataset, raw, {"lists": str(tmp_path / place)}).problem() is None
    (tmp_path / "lists" / "patients.txt").write_text("2\n")
    with pytest.raises(BadInput, match=r"patients\.txt: is not the file"):
        compare_with_raw(dataset, raw, {"lists": str(tmp_path / place)})


def test_a_source_without_a_second_parser_is_refused(
    dataset: TaskDataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "parser_of", lambda _: None)

    with pytest.raises(BadInput, match="source 'tabular': has no second parser; leave out --raw"):
        compare_with_raw(dataset, raw)


def test_more_ids_than_five_are_cut_short() -> None:
    found = Comparison(differences={"with other labels": [f"{number:016x}" for number in range(6)]})

    assert str(found.problem()).endswith("0000000000000004, …)")
