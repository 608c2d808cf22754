"""A study or a table that breaks a rule: exit code 2, one line with place and rule, nothing written, nothing quoted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.conftest import Said, Small

Cli = Callable[..., "Said"]

SECRET = "zqx"
"""Stands in every note of the small study, and in every bad cell here."""


def refusal(clinpeft: Cli, small: Small, *words: object) -> str:
    """The one line that a refused `run` prints, after a check that it wrote nothing at all."""
    before = sorted(small.folder.rglob("*"))
    said = clinpeft("run", *(words or (small.file, "--out", small.out)))

    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("clinpeft: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    assert SECRET not in said.err.casefold()
    assert sorted(small.folder.rglob("*")) == before
    return said.err


STUDIES: dict[str, tuple[str, str]] = {
    "an unknown task": (
        "tasks: [mimic3-mortalty]",
        "task 'mimic3-mortalty': no task has this name; did you mean 'mimic3-mortality'?",
    ),
    "an unknown model": ("models: [minilm-l7]", "model 'minilm-l7': no model has this name; did you mean 'minilm-l6'?"),
    "an unknown method": ("methods: [lorra]", "method 'lorra': no method has this name; did you mean 'lora'?"),
    "an unknown baseline": ("baselines: [majorty]", "study.yaml: 'baselines.0': Input should be 'majority'"),
    "an unknown option": ("methods: [{name: lora, rank: 4}]", "method 'lora': unknown key 'rank'"),
    "an unknown key": ("learning_rat: 1e-4", "study.yaml: unknown key 'learning_rat'"),
    "a misspelt key": ("sead: [1]", "unknown key 'sead' (did you mean 'seeds'?)"),
    "an unknown key deeper down": ("train: {epoch: 3}", "unknown key 'train.epoch' (did you mean 'epochs'?)"),
    "no seeds": ("seeds: []", "study.yaml: 'seeds' must not be empty"),
    "no models": ("models: []", "study.yaml: 'models' must not be empty"),
    "no tasks": ("tasks: []", "study.yaml: 'tasks' must not be empty"),
    "no methods": ("methods: []", "study.yaml: 'methods' must not be empty"),
    "the same seed twice": ("seeds: [1, 2, 1]", "'seeds' names the same thing twice"),
    "the same model twice": ("models: [./tiny, ./tiny]", "'models' names the same thing twice"),
    "the same method twice": ("methods: [lora, lora]", "'methods' names the same thing twice"),
    "a seed below zero": ("seeds: [-1]", "'seeds.0'"),
    "a word for a number": ("train: {epochs: 'three'}", "'train.epochs': Input should be a valid integer"),
    "a number for a word": ("name: 5", "'name': Input should be a valid string"),
    "not a number": ("train: {learning_rate: .nan}", "'train.learning_rate'"),
    "a limit below zero": ("select: {limits: {train_seconds: -5}}", "'select': 'limits' are numbers from 0 on"),
    "a limit on no cost": ("select: {limits: {train_second: 5}}", "'select.limits.train_second"),
    "a length of zero": ("train: {max_length: 0}", "'train.max_length': Input should be greater than or equal to 8"),
    "a length below zero": (
        "train: {max_length: -1}",
        "'train.max_length': Input should be greater than or equal to 8",
    ),
    "a length beyond the model's": (
        "train: {max_length: 513}",
        "train.max_length: model 'tiny' takes at most 512 word pieces; set it to 512 or less",
    ),
    "a model's folder that is not there": ("models: [./nowhere]", "nowhere: is not there; name a folder"),
    "a model's folder that is a file": ("models: [./notes.csv]", "notes.csv: is a file; name a folder"),
    "a model's folder without a configuration": ("models: [./empty]", "empty: holds no config.json"),
    "a model on the hub while offline": (
        "models: [{name: remote, hub: bert-base-uncased, revision: abc}]",
        "model 'remote': is named by a hub id, and the study is offline; `clinpeft fetch bert-base-uncased@abc",
    ),
    "a model on the hub without a revision": ("models: [{name: remote, hub: bert}]", "'hub' needs 'revision'"),
    "a data folder that is not there": ("data: [nowhere]", "nowhere: is not there"),
    "a place from the environment": ("data: ['${HOME}']", "${HOME}: is not there"),
    "what this version cannot do": ("keep: selected", "'keep' with this value is not available yet; leave it out"),
    "a key given twice": ("seeds: [1]\nseeds: [2]", "key 'seeds' is given twice"),
    "a python tag": ("question: !!python/object/apply:os.system [touch hacked]", "tags (!…) are not allowed"),
    "an alias bomb": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nquestion: *c",
        "anchors and aliases (&, *) are not allowed; write it out",
    ),
    "yaml that is none": ("seeds: [1", "is not valid YAML"),
    "a tab for blanks": ("train:\n\tepochs: 3", "is not valid YAML"),
    "thirty levels": (f"question: {'[' * 30}{']' * 30}", "nested deeper than 20 levels"),
    "a task without files or name": ("tasks: [{kind: classification}]", "key 'tasks.0.name' is missing"),
    "a task whose file is not there": (
        "tasks: [{name: own, kind: classification, files: {data: gone.csv}, subject: none}]",
        "gone.csv: is not there; paths are relative to the study's file",
    ),
    "a task that does not say whose notes they are": (
        "tasks: [{name: own, kind: classification, files: {data: notes.csv}, text: note, label: outcome}]",
        "notes.csv: does not say whose text a row is; name the patient column, or say subject: none",
    ),
}


@pytest.mark.parametrize(("line", "message"), STUDIES.values(), ids=STUDIES)
def test_a_study_that_breaks_a_rule_is_refused(clinpeft: Cli, small: Small, line: str, message: str) -> None:
    (small.folder / "empty").mkdir()
    plain = yaml.safe_load(small.file.read_text())
    plain.pop(line.partition(":")[0], None)
    small.file.write_text(yaml.safe_dump(plain) + line + "\n")

    assert message in refusal(clinpeft, small)


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "just words", "- a\n- list\n", "null"])
def test_a_study_that_is_empty_or_no_list_of_keys_is_refused(clinpeft: Cli, small: Small, text: str) -> None:
    small.file.write_text(text)

    assert "study.yaml: " in refusal(clinpeft, small)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: études".encode("latin-1"), "study.yaml: byte 6: is not UTF-8; save the file as UTF-8"),
        ("name: small".encode("utf-16"), "is not UTF-8"),
        (b"name: a\0b", "is not valid YAML"),
        (b"# " + b"x" * 1_000_001, "is longer than 1,000,000 characters"),
    ],
    ids=["latin-1", "utf-16", "nul", "long"],
)
def test_a_study_that_is_no_text_is_refused(clinpeft: Cli, small: Small, content: bytes, message: str) -> None:
    small.file.write_bytes(content)

    assert message in refusal(clinpeft, small)


def test_a_study_that_is_not_there_or_a_folder_is_refused(clinpeft: Cli, small: Small) -> None:
    for name in ("nowhere.yaml", "tiny"):
        assert "is neither a file nor a packaged study" in refusal(
            clinpeft, small, small.folder / name, "--out", small.out
        )


def test_what_yaml_calls_text_is_a_number_and_what_it_calls_false_is_a_word(clinpeft: Cli, small: Small) -> None:
    lines = (small.folder / "notes.csv").read_text().replace("note,outcome\n", "note,no\n")
    (small.folder / "notes.csv").write_text(lines)
    text = small.file.read_text().replace("label: outcome", "label: no")
    small.file.write_text(text.replace("train:", "train:\n  learning_rate: 1e-4"))

    assert clinpeft("run", small.file, "--out", small.out).code == 0
    assert {record.spec.train.learning_rate for record in small.store.records()} == {1e-4, 1.0}


def _only_pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _broken_configuration(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _no_object(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def _another_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "gpt2"}')


def _no_sizes(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_only_pickled_weights, "holds no model.safetensors; convert pytorch_model.bin with transformers'"),
        (_no_weights, "holds no model.safetensors; it must hold one file of weights"),
        (_broken_configuration, "config.json: is no model configuration"),
        (_no_object, "config.json: is no model configuration"),
        (_another_family, "family 'gpt2' is not known; known: "),
        (_no_sizes, "lacks a size that family 'bert' needs"),
    ],
)
def test_a_model_folder_that_cannot_be_used_is_refused(
    clinpeft: Cli, small: Small, spoil: Callable[[Path], None], message: str
) -> None:
    shutil.copytree(small.folder / "tiny", small.folder / "spoilt")
    spoil(small.folder / "spoilt")
    small.write(models=["./spoilt"])

    assert message in refusal(clinpeft, small)


def test_a_method_that_does_not_fit_the_model_is_refused(clinpeft: Cli, small: Small, tiny_longformer: Path) -> None:
    small.write(models=[str(tiny_longformer)], methods=["lora", "prefix-tuning"])

    assert "method 'prefix-tuning' with model 'tiny-longformer': " in refusal(clinpeft, small)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("/", "is the root folder or a repository; choose an empty folder"),
        ("repository", "is the root folder or a repository"),
        ("data/out", "lies inside a folder that the study reads (data); choose one beside it"),
        ("tiny/out", "lies inside a folder that the study reads"),
        ("other/out", "lies inside another study's folder (other)"),
        ("other", "holds the study 'other'; choose another folder with --out"),
        ("thesis", "is not empty and holds no study; choose another folder with --out"),
        ("notes.csv", "is a file, or below one; choose a folder"),
        ("notes.csv/out", "is a file, or below one; choose a folder"),
    ],
)
def test_a_place_that_is_none_for_a_study_is_refused(clinpeft: Cli, small: Small, out: str, message: str) -> None:
    for folder in ("repository/.git", "data", "other", "thesis"):
        (small.folder / folder).mkdir(parents=True)
    (small.folder / "thesis" / "chapter.txt").write_text("mine")
    (small.folder / "other" / "study.yaml").write_text(small.file.read_text().replace("name: small", "name: other"))
    (small.folder / "other" / "journal.jsonl").touch()
    small.write(data=["data"])

    assert message in refusal(clinpeft, small, small.file, "--out", small.folder / out)
    assert not Path("/.lock").exists()


def test_a_refused_edit_of_a_study_leaves_its_folder_as_it_was(clinpeft: Cli, trained: Small) -> None:
    trained.write(methods=["head-only", "lorra"])
    before = trained.content()

    assert "did you mean 'lora'?" in refusal(clinpeft, trained)
    assert trained.content() == before


def rewrite(small: Small, old: str, new: str, count: int = 1) -> None:
    path = small.folder / "notes.csv"
    path.write_text(path.read_text().replace(old, new, count))


ROW = "MRN-00003,patient 3 presents with severe pain and zqxcanary,yes\n"

TABLES: dict[str, tuple[Callable[[Small], Any], str]] = {
    "a column that is missing": (
        lambda small: small.write(task={"label": "died"}),
        "notes.csv: column 'died' (label): is not in the table; check the header's spelling",
    ),
    "a column in another case": (
        lambda small: small.write(task={"label": "Outcome"}),
        "did you mean 'outcome' (case and blanks count)?",
    ),
    "one class only": (lambda small: rewrite(small, ",no\n", ",yes\n", -1), "outcome"),
    "a class for every row": (
        lambda small: small.write(task={"label": "patient", "positive": None}),
        "column 'patient'",
    ),
    "no bytes": (lambda small: (small.folder / "notes.csv").write_text(""), "notes.csv: is empty"),
    "a header alone": (
        lambda small: (small.folder / "notes.csv").write_text("patient,note,outcome\n"),
        "has a header and no rows",
    ),
    "another delimiter": (lambda small: rewrite(small, ",", ";", -1), "';'"),
    "fields beyond the header": (
        lambda small: rewrite(small, ROW, ROW[:-1] + ",zqx,zqx\n"),
        "row 5: has more cells than the header's 3",
    ),
    "a trailing comma": (
        lambda small: rewrite(small, ROW, ROW[:-1] + ",\n"),
        "row 5: has more cells than the header's 3",
    ),
    "too few fields": (
        lambda small: rewrite(small, ROW, "MRN-00003,zqx\n"),
        "row 5: has fewer cells than the header's 3",
    ),
    "a NUL": (lambda small: rewrite(small, "patient 3 ", "zqx\0 "), "line 5: holds a NUL character"),
    "latin-1": (
        lambda small: (small.folder / "notes.csv").write_bytes(
            (small.folder / "notes.csv").read_bytes().replace(b"patient 3 ", b"zqx\xe9 ")
        ),
        "line 5, byte",
    ),
    "an empty note": (
        lambda small: rewrite(small, "patient 3 presents with severe pain and zqxcanary", ""),
        "column 'note'",
    ),
    "an empty patient": (lambda small: rewrite(small, "MRN-00003", ""), "column 'patient'"),
    "an unknown positive class": (
        lambda small: small.write(task={"positive": "zqx"}),
        "'positive' is none of the classes",
    ),
    "a metric for something else": (
        lambda small: small.write(task={"metric": "entity-f1"}),
        "metric 'entity-f1' is not defined for classification; use",
    ),
    "more folds than patients": (
        lambda small: (small.write_notes(6), small.write(task={"split": {"folds": 50}})),
        "50 folds",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), TABLES.values(), ids=TABLES)
def test_a_table_that_breaks_a_rule_is_refused(
    clinpeft: Cli, small: Small, spoil: Callable[[Small], Any], message: str
) -> None:
    spoil(small)

    assert message in refusal(clinpeft, small)


def documents(small: Small, kind: str, names: dict[str, str]) -> None:
    """A task whose splits are three files (or folders) alike, but that train is spoilt."""
    small.write(
        tasks=[{"name": "own", "kind": kind, "files": {split: names[split] for split in names}, "subject": "none"}]
    )


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ("chest B-problem\npain I-problem zqx\n", "train.conll: line 5"),
        ("zqx\n", "train.conll: line 4"),
        ("chest I-problem\n", "train.conll: line 4"),
        ("chest Q-zqx\n", "train.conll: line 4"),
    ],
)
def test_a_broken_line_of_conll_is_refused_with_its_number(
    clinpeft: Cli, small: Small, broken: str, place: str
) -> None:
    good = "chest B-problem\npain I-problem\n\n"
    for split in ("train", "validation", "test"):
        text = good + (broken if split == "train" else f"{split} O\n")
        (small.folder / f"{split}.conll").write_text(text)
    documents(small, "entities", {split: f"{split}.conll" for split in ("train", "validation", "test")})

    assert place in refusal(clinpeft, small)


@pytest.mark.parametrize(
    "span",
    [
        {"start": 0, "end": 99, "label": "problem"},
        {"start": 5, "end": 2, "label": "problem"},
        {"start": -1, "end": 2, "label": "problem"},
        {"start": 0.5, "end": 2, "label": "problem"},
        {"start": "0", "end": 2, "label": "problem"},
        {"start": 0, "end": 2},
    ],
    ids=str,
)
def test_a_span_that_is_none_is_refused_with_its_line(clinpeft: Cli, small: Small, span: dict[str, Any]) -> None:
    good = {"start": 0, "end": 5, "label": "problem"}
    for split in ("train", "validation", "test"):
        spans = [good, span] if split == "train" else [good]
        rows = [{"text": f"{split} zqx pain", "spans": [one]} for one in spans]
        (small.folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    documents(small, "entities", {split: f"{split}.jsonl" for split in ("train", "validation", "test")})

    message = refusal(clinpeft, small)
    assert "train.jsonl" in message
    assert "line 2" in message or "lines 2" in message
    assert "column 'spans'" in message


def test_a_brat_annotation_beyond_its_text_is_refused(clinpeft: Cli, small: Small) -> None:
    for split in ("train", "validation", "test"):
        folder = small.folder / "brat" / split
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(f"{split} zqx pain")
        end = 99 if split == "train" else 5
        (folder / "a.ann").write_text(f"T1\tproblem 0 {end}\t{split}\n")
    documents(small, "entities", {split: f"brat/{split}" for split in ("train", "validation", "test")})

    assert "a.ann: line 1" in refusal(clinpeft, small)


def test_the_folder_of_a_study_does_not_lie_among_its_documents(clinpeft: Cli, small: Small) -> None:
    for split in ("train", "validation", "test"):
        (small.folder / "brat" / split).mkdir(parents=True)
    documents(small, "entities", {split: f"brat/{split}" for split in ("train", "validation", "test")})

    assert "lies inside a folder that the study reads (test)" in refusal(
        clinpeft, small, small.file, "--out", small.folder / "brat" / "test" / "out"
    )


def test_the_same_bad_input_gives_the_same_line(clinpeft: Cli, small: Small) -> None:
    rewrite(small, ROW, "MRN-00003,zqx\n")

    assert refusal(clinpeft, small) == refusal(clinpeft, small)


def test_a_bad_table_beside_a_good_one_leaves_neither_dataset(clinpeft: Cli, small: Small) -> None:
    plain = yaml.safe_load(small.file.read_text())
    (small.folder / "bad.csv").write_text("patient,note,outcome\n")
    bad = {**plain["tasks"][0], "name": "bad", "files": {"data": "bad.csv"}}
    small.write(tasks=[plain["tasks"][0], json.loads(json.dumps(bad))])

    assert "bad.csv: has a header and no rows" in refusal(clinpeft, small)


def test_a_study_that_is_edited_while_it_runs_keeps_to_what_was_asked(
    clinpeft: Cli, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clinpeft.runs import work

    execute = work.execute

    def edit_and_execute(*job: Any) -> Any:
        small.write(seeds=[7], methods=["full"])
        os.utime(small.file)
        return execute(*job)

    monkeypatch.setattr(work, "execute", edit_and_execute)
    asked = small.file.read_text()
    assert clinpeft("run", small.file, "--out", small.out).code == 0

    assert {record.spec.method.name for record in small.store.records()} == {"majority", "head-only", "bitfit"}
    assert yaml.safe_load((small.out / "study.yaml").read_text())["seeds"] == yaml.safe_load(asked)["seeds"] == [1]
