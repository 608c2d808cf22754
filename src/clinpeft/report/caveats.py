"""What a reader must know before believing a number: the warnings of a report, each one sentence or two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from clinpeft.data.card import Card
from clinpeft.data.summary import suspicions
from clinpeft.metrics.base import METRICS
from clinpeft.report.configurations import Configuration
from clinpeft.report.load import LoadedRun, LoadedStudy
from clinpeft.report.results import ResultRow
from clinpeft.report.truncation import truncated_shares, what_was_read
from clinpeft.report.unfinished import missing, stopped_early, unfinished_searches
from clinpeft.report.wording import count, limit, listed, percent

FEW_SUBJECTS = 1_000
TRUNCATED_SHARE = 0.05
LEAST_SUBJECTS = 30
"""With 30 and more, 92 to 97 of 100 intervals of a bootstrap over subjects hold the truth; with 20 it was 89, with 6 it
was 82 (300 simulated studies each, AUROC, 1 to 30 notes a patient)."""


def caveats(
    loaded: Sequence[LoadedStudy],
    runs: Sequence[tuple[LoadedStudy, LoadedRun]],
    configurations: Sequence[Configuration],
    rows: Sequence[ResultRow],
    only: Mapping[str, str],
) -> list[str]:
    """The warnings, grave ones first, each once, in a fixed order."""
    cards = cards_of(configurations)
    found = [
        *grave_caveats(cards),
        *_opened(loaded),
        *_rule_changed(loaded),
        *_paper_mode(loaded, cards),
        *_few_subjects(configurations),
        *_one_seed(rows),
        *_failed(runs),
        *missing(loaded, runs, only),
        *unfinished_searches(loaded, only),
        *stopped_early(runs),
        *_undefined(configurations, rows),
        *_folds(configurations),
        *_suspicious(cards),
        *_truncated(configurations),
        *_contaminated(configurations, cards),
        *_mixed(configurations),
        *_hardware(configurations),
        *_unknown_metrics(rows),
        *_filtered(only),
    ]
    return list(dict.fromkeys(found))


def grave_caveats(cards: Mapping[str, Card]) -> Iterator[str]:
    """Those that make the scores themselves doubtful."""
    for task, card in cards.items():
        if card.split.shared_subjects:
            shared = count(card.split.shared_subjects, "subject")
            how = ", as in the published pipeline" if card.split.method == "paper" else ""
            yield (
                f"{task}: {shared} stand in more than one split{how}. Scores are probably too good; do not decide "
                "anything on them."
            )
        elif card.split.by is None and card.split.method != "paper":
            yield (
                f"{task}: the examples carry no patient identifier, so one patient may stand in training and test at "
                "once. Scores are probably too good; do not decide anything on them."
            )
        if card.has_hindsight():
            yield (
                f"{task}: the texts were written when the outcome was known, and tell it (text=full). The scores say "
                "nothing about foretelling it."
            )
        if card.scores_pieces():
            yield (
                f"{task}: entities are counted over word pieces, as in the publication that paper mode repeats. The "
                "scores depend on the model's tokenizer: compare them with that publication only, not with each other, "
                "nor with the baselines without a model, which count words."
            )


def cards_of(configurations: Sequence[Configuration]) -> dict[str, Card]:
    """The dataset card of each task that has one, in order."""
    return {found.spec.task: found.card for found in reversed(configurations) if found.card is not None}


def _opened(loaded: Sequence[LoadedStudy]) -> Iterator[str]:
    for study in loaded:
        if study.times_opened > 1:
            yield (
                f"The test labels of {study.study.name} were opened {study.times_opened} times. Whatever was changed "
                "after the first time may have been fitted to the test."
            )


def _rule_changed(loaded: Sequence[LoadedStudy]) -> Iterator[str]:
    for study in loaded:
        if study.rule_changed:
            judged = f" ({listed(study.other_metrics)}: by another metric)" if study.other_metrics else ""
            yield (
                f"The selection rule of {study.study.name} is not the one it started with{judged}. A rule changed "
                "after results were seen can be made to choose anything."
            )
        if study.later_limits:
            yield (
                f"A recommendation of {study.study.name} was asked for with limits that the study does not state: "
                f"{listed(dict.fromkeys(limit(*each) for each in study.later_limits))}. Limits given after results "
                "were seen can be made to choose anything; what stands here keeps to the study's own."
            )
    if any(study.study.select != loaded[0].study.select for study in loaded):
        yield f"The merged studies state different selection rules; the one of {loaded[0].study.name} is used."


def _paper_mode(loaded: Sequence[LoadedStudy], cards: Mapping[str, Card]) -> Iterator[str]:
    names = [study.study.name for study in loaded if study.study.mode == "paper"]
    names += [task for task, card in cards.items() if card.mode == "paper"]
    if names:
        yield (
            f"{listed(names)}: made in paper mode, which repeats a published pipeline with its mistakes. Good for "
            "comparing with that publication, not for choosing a model."
        )


def _few_subjects(configurations: Sequence[Configuration]) -> Iterator[str]:
    for found in configurations:
        if found.num_folds and found.card and "train" in found.card.counts:
            numbers = [found.card.counts["train"].subjects]
        else:
            scores = [run.record.scores.get(found.headline) for run in found.successes()]
            numbers = [score.num_subjects for score in scores if score is not None and score.value is not None]
        if numbers and max(numbers) < LEAST_SUBJECTS:
            yield (
                f"{found.spec.task}: scored on fewer than {LEAST_SUBJECTS} subjects. Intervals from so few are too "
                "narrow (in simulations they hold the truth 82 to 91 times in 100, not 95): decide nothing on them."
            )


def _one_seed(rows: Sequence[ResultRow]) -> Iterator[str]:
    trained = [row for row in rows if not row.is_baseline and row.mean is not None]
    if trained and all(row.num_seeds == 1 for row in trained):
        yield (
            "One seed only: training again with another seed can move a score by more than the differences shown. Add "
            "seeds to the study before deciding."
        )


def _failed(runs: Sequence[tuple[LoadedStudy, LoadedRun]]) -> Iterator[str]:
    statuses = Counter(run.record.status for _, run in runs if run.record.has_failed)
    if statuses:
        kinds = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in sorted(statuses.items()))
        yield (
            f"{statuses.total()} of {count(len(runs), 'run')} did not succeed ({kinds}). They count as failed in the "
            "tables and are listed below."
        )


def _undefined(configurations: Sequence[Configuration], rows: Sequence[ResultRow]) -> Iterator[str]:
    for configuration in configurations:
        for run in configuration.successes():
            score, spec = run.record.scores.get(configuration.headline), configuration.spec
            if score is not None and score.value is None:
                reason = score.reason or "no reason was recorded"
                name = f"{spec.model} · {spec.method.name}"
                yield f"{spec.task}: {configuration.headline} has no value for {name} ({reason})."
    lost = [row for row in rows if row.num_folds and row.split == "validation" and None in row.per_seed]
    if names := dict.fromkeys(f"{row.task} · {row.model} · {row.method}" for row in lost):
        yield (
            "Cross-validation is incomplete (a fold failed, is missing, or its predictions were not kept), so these "
            f"have seeds without a value: {listed(names)}."
        )


def _folds(configurations: Sequence[Configuration]) -> Iterator[str]:
    for configuration in configurations:
        if configuration.num_folds and configuration.card and "train" in configuration.card.counts:
            subjects = configuration.card.counts["train"].subjects
            if subjects < FEW_SUBJECTS:
                yield (
                    f"{configuration.spec.task}: only {count(subjects, 'subject')} to train on, so the validation "
                    f"scores come from {configuration.num_folds}-fold cross-validation."
                )


def _truncated(configurations: Sequence[Configuration]) -> Iterator[str]:
    """One sentence a task and what was read; models of one tokenizer have the same share."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for configuration in configurations:
        spec, shares = configuration.spec, truncated_shares(configuration)
        if spec.model != "none" and shares and max(shares.values()) > TRUNCATED_SHARE:
            found.setdefault((spec.task, what_was_read(configuration)), {})[spec.model] = max(shares.values())
    for (task, what), models in found.items():
        yield (
            f"{task}: up to {percent(max(models.values()))} of a split's texts are longer than the {what} that "
            f"{listed(models)} {'was' if len(models) == 1 else 'were'} given; the rest was not read."
        )


def _suspicious(cards: Mapping[str, Card]) -> Iterator[str]:
    for task, card in cards.items():
        yield from (f"{task}: {sentence}." for sentence in suspicions(card))


def _contaminated(configurations: Sequence[Configuration], cards: Mapping[str, Card]) -> Iterator[str]:
    for configuration in configurations:
        card = cards.get(configuration.spec.task)
        for seen in card.contamination if card else ():
            if seen.model == configuration.spec.model:
                yield (
                    f"{configuration.spec.task}: {seen.model} was pre-trained on text of {seen.source}, perhaps on the "
                    "very examples that it is tested on."
                )


def _mixed(configurations: Sequence[Configuration]) -> Iterator[str]:
    words = {
        "dataset": "builds of its dataset",
        "weights": "weights of one model's name",
        "code": "versions of clinpeft",
    }
    for key, what in words.items():
        for task in dict.fromkeys(found.spec.task for found in configurations if key in found.options):
            yield f"{task}: the runs come from different {what}; such rows stand apart and are not quite comparable."


def _hardware(configurations: Sequence[Configuration]) -> Iterator[str]:
    environments = [run.record.environment for found in configurations for run in found.successes()]
    kinds = sorted({environment.hardware_id for environment in environments if environment})
    if len(kinds) > 1:
        yield (
            f"The runs were made on {len(kinds)} kinds of hardware ({listed(kinds)}). Times, memory and energy are "
            "never compared across them; scores are."
        )


def _unknown_metrics(rows: Sequence[ResultRow]) -> Iterator[str]:
    for metric in dict.fromkeys(row.metric for row in rows if row.mean is not None and row.metric not in METRICS):
        yield f"No metric here is called {metric}; higher values are taken to be better."


def _filtered(only: Mapping[str, str]) -> Iterator[str]:
    if only:
        shown = ", ".join(f"{key} = {value}" for key, value in only.items())
        yield f"Only the runs with {shown} are shown; the recommendation knows no others."
