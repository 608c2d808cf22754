"""The contract checks find what they are there to find: each broken entry fails the check that names its fault."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pytest

from clinpeft.errors import UnknownName
from clinpeft.metrics.base import METRICS, Floats, Metric, Predictions
from clinpeft.registry import Registry
from clinpeft.sources.base import SOURCES, RawFiles, Source
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Task
from clinpeft.testing import CHECKS, CheckResult, check_metric, check_source, check_task
from clinpeft.testing.metrics import few_predictions


def broken(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


class Letters(Source):
    """A source that keeps every promise: one letter a patient."""

    title: ClassVar[str] = "Invented letters"

    def is_here(self, folder: Path) -> bool:
        return (folder / "letters.txt").exists()

    def synthesize(self, out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
        lines = [f"letter {number} of seed {seed}\n" for number in range(num_patients)]
        (out / "letters.txt").write_text("".join(lines))
        return {}


class Urgent(Task):
    """A task that keeps every promise: is the letter's number odd?"""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = "letters"
    metric: ClassVar[str] = "auroc"
    labels: ClassVar[tuple[str, ...] | None] = ("even", "odd")
    positive: ClassVar[str | None] = "odd"
    title: ClassVar[str] = "Odd letters"
    citation: ClassVar[str] = "Nobody 2025"
    download: ClassVar[str] = "nowhere"
    licence: ClassVar[str] = "public domain"
    is_not: ClassVar[str] = "Not of any use."

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        for number, line in enumerate((raw.root / "letters.txt").read_text().splitlines()):
            yield Example(str(number), str(number), str(number), line, label=("even", "odd")[number % 2])


class Share(Metric):
    """A metric that keeps every promise: the share of right answers."""

    kinds: ClassVar[tuple[Kind, ...]] = ("classification", "pairs")
    title: ClassVar[str] = "share of right answers"

    def undefined(self, predictions: Predictions) -> str | None:
        return None if len(predictions) else "no examples"

    def values(self, predictions: Predictions, weights: Floats) -> Floats:
        assert predictions.scores is not None
        right = (predictions.scores.argmax(axis=1) == predictions.gold).astype(float)
        totals = weights.sum(axis=1)
        return np.divide(weights @ right, totals, out=np.full(len(weights), np.nan), where=totals > 0)


@pytest.fixture(autouse=True)
def _letters_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Registry.get

    def with_letters(self: Registry[Any], name: str) -> type[Any]:
        return Letters if self is SOURCES and name == "letters" else real(self, name)

    monkeypatch.setattr(Registry, "get", with_letters)
    monkeypatch.setattr(Registry, "__contains__", lambda self, name: name == "letters" or name in self.names())


def test_sound_entries_pass_every_check() -> None:
    assert broken(check_source(Letters)) == {}
    assert broken(check_task(Urgent)) == {}
    assert broken(check_metric(Share)) == {}


def test_a_source_that_writes_the_time_fails() -> None:
    class Timed(Letters):
        """Writes when it was made."""

        def synthesize(self, out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
            (out / "letters.txt").write_text(str(time.time()))
            return {}

    assert broken(check_source(Timed)) == {
        "invents the same bytes from the same seed": (
            "two runs with one seed differ (a time, or an order that is not fixed?)"
        )
    }


def test_a_source_that_ignores_the_seed_fails() -> None:
    class Seedless(Letters):
        """Writes the same whatever the seed."""

        def synthesize(self, out: Path, *, num_patients: int, seed: int) -> dict[str, float]:
            return super().synthesize(out, num_patients=num_patients, seed=0)

    assert broken(check_source(Seedless)) == {
        "invents the same bytes from the same seed": "another seed gives the same files"
    }


def test_a_source_that_is_found_anywhere_or_looks_outside_fails() -> None:
    class Everywhere(Letters):
        folders: ClassVar[tuple[str, ...]] = ("../letters",)

        def is_here(self, folder: Path) -> bool:
            return True

    assert broken(check_source(Everywhere)) == {
        "says what it is": "its class has no docstring",
        "looks only below the folder it is given": "a folder is absolute or goes up",
        "is not found in an empty folder": "found where nothing lies",
    }


def test_a_source_that_does_not_find_its_own_files_fails() -> None:
    class Lost(Letters):
        """Looks for another file."""

        def is_here(self, folder: Path) -> bool:
            return False

    assert broken(check_source(Lost)) == {"finds what it invents": "its invented files are not found"}


@pytest.mark.parametrize(
    ("attributes", "check", "detail"),
    [
        ({"licence": "", "is_not": ""}, "fills its card", "licence, is_not: not set"),
        ({"title": "two\nlines"}, "fills its card", "its title has two lines"),
        ({"kind": "regression"}, "has a kind and a version", f"kind is none of {', '.join(get_args(Kind))}"),
        ({"version": 0}, "has a kind and a version", "its version is below 1"),
        ({"source": "nothing"}, "names a source that exists", "no source is named 'nothing'"),
        ({"metric": "entity-f1"}, "names a metric of its kind", "'entity-f1' is defined for entities only"),
        ({"labels": ("even", "odd", "odd")}, "lists each label once", "a label is empty or stands twice"),
        ({"positive": "yes"}, "has its positive class among its labels", "'yes' is none of its labels"),
        (
            {"labels": ("even", "uneven"), "positive": None},
            "makes the same sound examples twice",
            "of an example: it has a label that the task does not list",
        ),
    ],
)
def test_a_task_with_a_wrong_card_fails(attributes: dict[str, Any], check: str, detail: str) -> None:
    assert broken(check_task(type("Wrong", (Urgent,), attributes)))[check] == detail


def test_a_task_with_a_bare_or_a_required_option_fails() -> None:
    class Optioned(Urgent):
        """Cannot be made without its option."""

        min_words: int

    failed = broken(check_task(Optioned))

    assert failed["documents every option"] == "no text under option min_words"
    assert failed["is built without options"].startswith("ValidationError: ")


def test_a_task_whose_examples_change_or_repeat_fails() -> None:
    class Restless(Urgent):
        """Gives other texts each time."""

        def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
            yield Example("1", "1", "1", str(time.perf_counter_ns()), label="odd")

    class Repeating(Urgent):
        """Gives one id twice."""

        def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
            yield from [Example("1", "1", "1", "text", label="odd")] * 2

    check = "makes the same sound examples twice"
    assert broken(check_task(Restless)) == {check: "two readings of the same files differ"}
    assert broken(check_task(Repeating)) == {check: "no examples, or an id stands twice"}


def test_a_metric_that_ignores_the_weights_fails() -> None:
    class Weightless(Share):
        def values(self, predictions: Predictions, weights: Floats) -> Floats:
            return super().values(predictions, np.ones_like(weights))

    assert broken(check_metric(Weightless)) == {
        "counts an example as often as its weight says": (
            "classification: a weight of 2 is not the same as the example twice"
        )
    }


def test_a_metric_that_looks_at_the_order_fails() -> None:
    class Ordered(Share):
        def values(self, predictions: Predictions, weights: Floats) -> Floats:
            return super().values(predictions, weights * np.linspace(1, 2, weights.shape[1]))

    assert "does not depend on the order of examples" in broken(check_metric(Ordered))


def test_a_metric_that_calls_a_failure_zero_or_divides_by_it_fails() -> None:
    class Zero(Share):
        def undefined(self, predictions: Predictions) -> str | None:
            return None

        def values(self, predictions: Predictions, weights: Floats) -> Floats:
            return np.nan_to_num(super().values(predictions, weights))

    class Dividing(Share):
        def values(self, predictions: Predictions, weights: Floats) -> Floats:
            assert predictions.scores is not None
            right = (predictions.scores.argmax(axis=1) == predictions.gold).astype(float)
            return np.asarray((weights @ right) / weights.sum(axis=1))

    failed = broken(check_metric(Zero))
    assert failed["gives a reason without examples"] == "no reason for classification, pairs"
    assert failed["counts an example as often as its weight says"].endswith("weights of 0 give a value instead of NaN")
    assert broken(check_metric(Dividing))["counts an example as often as its weight says"].startswith("RuntimeWarning")


def test_a_metric_that_prefers_wrong_answers_fails() -> None:
    class Upside(Share):
        higher_is_better: ClassVar[bool] = False

    assert broken(check_metric(Upside)) == {
        "prefers right predictions to wrong ones": "classification: right answers do not score better than wrong ones"
    }


def test_a_metric_without_kinds_or_title_fails() -> None:
    class Blank(Share):
        kinds: ClassVar[tuple[Kind, ...]] = ()
        title: ClassVar[str] = ""

    assert "says what it is" in broken(check_metric(Blank))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_few_predictions_have_every_label_in_gold_and_answers(kind: Kind) -> None:
    predictions = few_predictions(kind)

    assert len(predictions) == 9
    assert len(set(predictions.subjects)) == 7
    if kind == "entities":
        for tags in (predictions.gold_tags, predictions.predicted_tags):
            assert {tag[2:] for sentence in tags for tag in sentence if tag != "O"} == set(predictions.labels)
        return
    assert predictions.gold is not None
    assert predictions.scores is not None
    if kind == "multilabel":
        assert predictions.gold.any(axis=0).all()
        assert ((predictions.scores >= 0) & (predictions.scores <= 1)).all()
    else:
        assert set(predictions.gold) == set(predictions.scores.argmax(axis=1)) == set(range(len(predictions.labels)))
        np.testing.assert_allclose(predictions.scores.sum(axis=1), 1)


def test_checking_an_unknown_name_says_which_names_there_are() -> None:
    with pytest.raises(UnknownName, match="did you mean 'auroc'"):
        CHECKS["metric"]("aurocc")


def test_checks_go_by_the_registry() -> None:
    assert [result.name for result in CHECKS["metric"]("auroc")] == [
        result.name for result in check_metric(METRICS.get("auroc"))
    ]
