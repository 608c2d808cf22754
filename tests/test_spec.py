"""What a study may say, what its short forms mean, and what a run's id depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.spec import PRESETS, Identity, MethodChoice, ModelChoice, RunSpec, Study, TaskChoice, run_id

SMALLEST = {"name": "s", "tasks": ["ncbi-disease"], "models": ["minilm-l6"], "methods": ["lora"]}
SPEC: dict[str, Any] = {
    "task": "ncbi-disease",
    "kind": "entities",
    "model": "minilm-l6",
    "method": {"name": "lora", "options": {"r": 8, "alpha": 16.0}},
    "train": {"learning_rate": 1e-3},
    "seed": 1,
}
IDENTITY = {"dataset": "d" * 64, "weights_sha256": "w" * 64, "code": "1"}


def study(**changes: Any) -> Study:
    return parse(Study, {**SMALLEST, **changes}, "study.yaml")


def refused(**changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        study(**changes)
    return str(caught.value)


def test_the_smallest_study_has_every_default() -> None:
    smallest = study()

    assert smallest.mode == "fair"
    assert smallest.test == "sealed"
    assert smallest.online is False
    assert smallest.seeds == (0,)
    assert smallest.baselines == ("majority", "tfidf-logistic", "encoder-logistic")
    assert smallest.keep == "adapters"
    assert (smallest.train.epochs, smallest.train.batch_size, smallest.train.max_length) == (5, 32, 512)
    assert smallest.select.rule == "cheapest-within-interval"


def test_a_name_alone_is_a_task_a_model_or_a_method() -> None:
    smallest = study()

    assert smallest.tasks == (TaskChoice(name="ncbi-disease"),)
    assert smallest.models == (ModelChoice(name="minilm-l6"),)
    assert smallest.methods == (MethodChoice(name="lora"),)


@pytest.mark.parametrize("path", ["./bert", "models/bert", "~/bert", "/models/bert"])
def test_a_model_with_a_slash_is_a_folder(path: str) -> None:
    (model,) = study(models=[path]).models

    assert (model.name, model.path) == ("bert", path)


def test_the_other_keys_of_a_method_are_its_options_and_are_written_back_flat() -> None:
    (method,) = study(methods=[{"name": "lora", "learning_rate": 1e-3, "r": 8, "targets": "all"}]).methods

    assert method.learning_rate == 1e-3
    assert method.options == {"r": 8, "targets": "all"}
    assert method.model_dump() == {"name": "lora", "learning_rate": 1e-3, "r": 8, "targets": "all"}


def test_a_method_without_a_learning_rate_is_written_back_without_one() -> None:
    assert MethodChoice(name="lora").model_dump() == {"name": "lora"}


def test_yaml_numbers_words_and_lines_are_read_as_their_author_means_them() -> None:
    text = (
        "name: s\ntasks: [{name: own, kind: classification, files: {data: t.csv}, text: t, label: l, positive: no}]\n"
        "models: [m]\nmethods: [lora]\ntrain: {learning_rate: 1e-4}"
    )
    read = Study.from_yaml(text)

    assert read.train.learning_rate == 1e-4
    assert read.tasks[0].positive == "no"


@pytest.mark.parametrize("seed", ["010", "1.0", "yes", "-1", "4294967296", "0x10", "'1'"])
def test_a_seed_that_is_no_plain_integer_is_refused(seed: str) -> None:
    text = f"name: s\ntasks: [t]\nmodels: [m]\nmethods: [lora]\nseeds: [{seed}]"

    with pytest.raises(BadInput, match=r"study: 'seeds\.0': Input should be "):
        Study.from_yaml(text)


def test_a_key_given_twice_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("name: s\ntasks: [t]\nname: other\n")

    with pytest.raises(BadInput) as caught:
        Study.read(path)

    assert str(caught.value) == f"{path}: line 3: key 'name' is given twice"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modles": []}, "unknown key 'modles' (did you mean 'models'?)"),
        ({"train": {"lerning_rate": 1}}, "unknown key 'train.lerning_rate' (did you mean 'learning_rate'?)"),
        (
            {"train": {"subset": {"per_clas": 3}}},
            "unknown key 'train.subset.per_clas' (did you mean 'per_class'?)",
        ),
        ({"tasks": [{"name": "t", "lable": "x"}]}, "unknown key 'tasks.0.lable' (did you mean 'label'?)"),
        ({"select": {"limit": {}}}, "unknown key 'select.limit' (did you mean 'limits'?)"),
        ({"models": [{"name": "m", "revison": "x"}]}, "unknown key 'models.0.revison' (did you mean 'revision'?)"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion_at_every_depth(changes: dict[str, Any], message: str) -> None:
    assert message in refused(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../up"}, "'name': String should match pattern"),
        ({"tasks": []}, "'tasks' must not be empty"),
        ({"seeds": []}, "'seeds' must not be empty"),
        ({"tasks": ["a", "a"]}, "'tasks' names the same thing twice"),
        ({"models": ["a", "./a"]}, "'models' names the same thing twice"),
        ({"methods": ["lora", {"name": "lora"}]}, "'methods' names the same thing twice"),
        ({"seeds": [1, 1]}, "'seeds' names the same thing twice"),
        (
            {"methods": [{"name": "lora", "learning_rate": 0}]},
            "'methods.0.learning_rate': Input should be greater than 0",
        ),
        ({"methods": [{"name": "lora", "r": [1]}]}, "'methods.0.r': Input should be a valid boolean or "),
        ({"methods": [{"name": "lora", "options": {"learning_rate": 1}}]}, "'learning_rate' is no option"),
        ({"models": [{"name": "m", "hub": "a/b"}]}, "'hub' needs 'revision'"),
        ({"models": [{"name": "m", "hub": "a/b", "revision": "c", "path": "d"}]}, "give 'path' or 'hub', not both"),
        ({"tasks": [{"name": "t", "text": "x"}]}, "'text' belongs to a task by files"),
        ({"tasks": [{"name": "t", "files": {"data": "t.csv"}}]}, "a task by files needs 'kind'"),
        ({"tasks": [{"name": "t", "kind": "pairs", "files": {}}]}, "give either 'data'"),
        ({"tasks": [{"name": "t", "kind": "pairs", "files": {"train": "a"}}]}, "needs 'validation' and 'test'"),
        ({"tasks": [{"name": "t", "kind": "pairs", "files": {"data": "a", "test": "b"}}]}, "'data' stands alone"),
        ({"train": {"learning_rate": "fast"}}, "'train.learning_rate': Input should be 'method' or a valid number"),
        ({"train": {"epochs": 0}}, "'train.epochs': Input should be greater than 0"),
        ({"train": {"warmup_fraction": 1}}, "'train.warmup_fraction': Input should be less than 1"),
        (
            {"select": {"limits": {"train_second": 1}}},
            "'select.limits.train_second': Input should be 'train_seconds', ",
        ),
        ({"preset": "fast"}, "'preset': Input should be 'quick', 'standard' or 'thorough'"),
        ({"preset": ["quick"]}, "'preset': Input should be 'quick', 'standard' or 'thorough'"),
        ({"preset": {"quick": 1}}, "'preset': Input should be 'quick', 'standard' or 'thorough'"),
        ({"preset": "quick", "train": 3}, "'train': Input should be an object"),
        ({"train": None}, "'train': Input should be an object"),
        ({"schema": 2}, "'schema': Input should be 1"),
    ],
)
def test_a_study_that_breaks_a_rule_is_refused_by_the_rule(changes: dict[str, Any], message: str) -> None:
    assert message in refused(**changes)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"fractions": [0.7, 0.1, 0.1]}, "add up to 1"),
        ({"fractions": [1.2, -0.4, 0.2]}, "must be at least 0"),
        ({"fractions": [0, 0.5, 0.5]}, "with a train share"),
        ({"fractions": [0.8, 0.2]}, "'tasks.0.split.fractions.2' is missing"),
        ({"folds": 1}, "folds: 1 leaves nothing to train on"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(split: dict[str, Any], message: str) -> None:
    task = {"name": "own", "kind": "classification", "files": {"data": "t.csv"}, "split": split}

    assert message in refused(tasks=[task])


def test_no_message_holds_a_value_of_the_study() -> None:
    for changes in (
        {"name": "Mr Smith!"},
        {"seeds": ["Mr Smith"]},
        {"train": {"epochs": "Mr Smith"}},
        {"keep": "Mr Smith"},
    ):
        assert "Smith" not in refused(**changes)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_alone_makes_a_whole_study(preset: str) -> None:
    made = parse(Study, {"name": "s", "tasks": ["t"], "preset": preset}, "study.yaml")

    assert [model.name for model in made.models] == PRESETS[preset]["models"]
    assert [method.name for method in made.methods] == PRESETS[preset]["methods"]
    assert list(made.seeds) == PRESETS[preset]["seeds"]
    assert made.train.epochs == PRESETS[preset]["train"]["epochs"]


def test_a_preset_fills_only_what_the_study_leaves_out() -> None:
    made = parse(
        Study,
        {"name": "s", "tasks": ["t"], "preset": "quick", "methods": ["bitfit"], "train": {"epochs": 7}},
        "study.yaml",
    )

    assert [method.name for method in made.methods] == ["bitfit"]
    assert made.train.epochs == 7
    assert made.train.max_length == PRESETS["quick"]["train"]["max_length"]
    assert list(made.seeds) == PRESETS["quick"]["seeds"]


def test_a_studys_hash_covers_what_it_says_and_what_it_leaves_out() -> None:
    written_out = study(seeds=[0], mode="fair", train={"epochs": 5})

    assert written_out.sha256() == study().sha256()
    assert study(seeds=[1]).sha256() != study().sha256()


def test_a_study_written_as_json_reads_back_the_same() -> None:
    full = study(
        methods=["head-only", {"name": "lora", "r": 4}],
        tasks=["a", {"name": "own", "kind": "pairs", "files": {"data": "t.csv"}, "split": {"folds": 5}}],
        train={"group": 3, "subset": {"total": 10}, "privacy": {"epsilon": 8, "delta": 1e-5}},
        select={"limits": {"train_seconds": 60}},
    )

    assert parse(Study, full.model_dump(mode="json", by_alias=True), "again") == full


def id_of(spec: dict[str, Any] | None = None, identity: dict[str, Any] | None = None) -> str:
    return run_id(
        parse(RunSpec, {**SPEC, **(spec or {})}, "spec"), parse(Identity, {**IDENTITY, **(identity or {})}, "id")
    )


def with_train(**changes: Any) -> dict[str, Any]:
    return {"train": {**SPEC["train"], **changes}}


def test_a_run_id_is_sixteen_hex_digits_and_does_not_change() -> None:
    # The golden id: a change of it makes every finished run of every study new, so it needs a decision page.
    assert id_of(with_train(dropout="none")) == "1e607e0966565efc"
    # Later, with the dropout that is usual since (docs/decisions/0006-dropout.md).
    assert id_of() == "5164aad9926bc73f"


@pytest.mark.parametrize("outside", [{"threads": 2}, {"group": "off"}, {"group": 4}])
def test_a_run_id_ignores_threads_and_grouping(outside: dict[str, Any]) -> None:
    assert id_of(with_train(**outside)) == id_of()


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "bc5cdr"},
        {"kind": "relations"},
        {"model": "minilm-l6-first3"},
        {"method": {"name": "ia3", "options": {}}},
        {"method": {"name": "lora", "options": {"r": 4, "alpha": 16.0}}},
        {"method": {"name": "lora", "options": {"r": 8}}},
        {"seed": 2},
        {"fold": 0},
        with_train(epochs=6),
        with_train(max_steps=10),
        with_train(batch_size=16),
        with_train(max_length=256),
        with_train(long_text="head_tail"),
        with_train(learning_rate=2e-3),
        with_train(head_learning_rate=2e-3),
        with_train(weight_decay=0.0),
        with_train(warmup_fraction=0.1),
        with_train(early_stopping_patience=3),
        with_train(early_stopping_patience=None),
        with_train(dropout="none"),
        with_train(dropout="model"),
        with_train(class_weights="balanced"),
        with_train(precision="fp32"),
        with_train(time_limit_seconds=60.0),
        with_train(subset={"total": 100}),
        with_train(subset={"total": 100, "seed": 1}),
        with_train(subset={"total": 100, "seed": "run"}),
        with_train(privacy={"epsilon": 8.0, "delta": 1e-5}),
        with_train(schedule="constant"),
        with_train(time_limit_counts="everything"),
        with_train(judge={"metric": "auroc"}),
        with_train(order_seed=42),
        {"validation": {"of": "half-of-test"}},
    ],
    ids=str,
)
def test_a_run_id_changes_with_every_other_field_of_the_spec(changes: dict[str, Any]) -> None:
    assert id_of(changes) != id_of()


def test_every_field_of_training_is_either_in_the_id_or_known_to_stay_outside() -> None:
    changed = {
        key
        for parameters in test_a_run_id_changes_with_every_other_field_of_the_spec.pytestmark[0].args[1]
        for key in parameters.get("train", {})
    }

    assert changed | {"threads", "group"} == set(RunSpec.model_fields["train"].annotation.model_fields)  # type: ignore[union-attr]


@pytest.mark.parametrize("changes", [{"dataset": "e" * 64}, {"weights_sha256": None}, {"code": "2"}], ids=str)
def test_a_run_id_changes_with_data_weights_and_code(changes: dict[str, Any]) -> None:
    assert id_of(identity=changes) != id_of()


def test_a_run_id_does_not_depend_on_the_order_of_options() -> None:
    assert id_of({"method": {"name": "lora", "options": {"alpha": 16.0, "r": 8}}}) == id_of()


def test_a_run_describes_itself_in_a_line() -> None:
    spec = parse(RunSpec, {**SPEC, "fold": 2}, "spec")

    assert spec.describe() == "ncbi-disease · minilm-l6 · lora · seed 1 · fold 2"
