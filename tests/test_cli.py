"""The command line: what each verb prints, writes and ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from clinpeft import catalogues
from clinpeft.catalogues import KINDS, summaries
from clinpeft.data.own import import_task
from clinpeft.recount import parser_of
from clinpeft.spec import CostField, Study
from clinpeft.testing import CheckResult

if TYPE_CHECKING:
    from tests.conftest import Said, Small

Cli = Callable[..., "Said"]
HEAVY = ("torch", "transformers", "peft")


def one_line(said: Said) -> str:
    """What stood on stderr, after a check that it was one line and nothing else was printed."""
    assert said.out == ""
    assert said.err.startswith("clinpeft: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    return said.err


@pytest.mark.parametrize("kind", KINDS)
def test_list_prints_a_line_for_every_name_with_its_title(clinpeft: Cli, kind: str) -> None:
    said = clinpeft("list", kind)
    rows = summaries(kind)

    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()] == [name for name, _ in rows]
    assert all(title in line for (_, title), line in zip(rows, said.out.splitlines(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_list_for_machines_is_json(clinpeft: Cli, kind: str) -> None:
    said = clinpeft("list", kind, "--json")

    assert [(row["name"], row["title"]) for row in json.loads(said.out)] == summaries(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_show_tells_what_is_known_of_every_entry(clinpeft: Cli, kind: str) -> None:
    for name, _ in summaries(kind):
        as_text, as_json = clinpeft("show", kind, name), clinpeft("show", kind, name, "--json")
        facts = json.loads(as_json.out)
        assert (as_text.code, as_json.code) == (0, 0), name
        assert facts["name"] == name
        assert len(facts) >= 3, name
        assert all(f"{key}:" in as_text.out for key in facts), name


def test_a_kind_may_be_named_in_the_singular(clinpeft: Cli) -> None:
    assert clinpeft("list", "study") == clinpeft("list", "studies")
    assert clinpeft("show", "method", "lora") == clinpeft("show", "methods", "lora")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["list", "modles"], "did you mean 'models'?"),
        (["show", "methods", "lorra"], "did you mean 'lora'?"),
        (["show", "model", "minilm-l7"], "did you mean 'minilm-l6'?"),
        (["show", "task", "mimic3-mortalty"], "did you mean 'mimic3-mortality'?"),
        (["show", "study", "quickstrat"], "did you mean 'quickstart'?"),
        (["check", "metrics", "auroc"], "did you mean 'metric'?"),
        (["check", "metric", "aurok"], "did you mean 'auroc'?"),
        (["run", "quickstrat", "--out", "out"], "did you mean 'quickstart'?"),
        (["run", "quickstart", "--out", "out", "--launcher", "locale"], "did you mean 'local'?"),
        (["frob"], "clinpeft --help"),
        (["run"], "clinpeft run --help"),
        (["run", "quickstart"], "clinpeft run --help"),
        (["run", "quickstart", "--outt", "x"], "--out"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_one_line_with_a_hint(
    clinpeft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = clinpeft(*words)

    assert said.code == 2
    assert hint in one_line(said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_without_a_verb_and_with_help_every_verb_is_listed(clinpeft: Cli, words: list[str]) -> None:
    said = clinpeft(*words)

    assert (said.code, said.err) == (0, "")
    for verb in ("list", "show", "init", "synth", "build", "verify", "check", "run", "status", "report", "recommend"):
        assert f"  {verb} " in said.out


def test_looking_and_reporting_load_no_deep_learning(trained: Small) -> None:
    verbs = [["--help"], ["run", "--help"], *(["list", kind] for kind in KINDS)]
    verbs += [["show", kind, catalogues.summaries(kind)[0][0]] for kind in KINDS]
    verbs += [[verb, str(trained.out)] for verb in ("status", "verify", "report", "recommend", "open-test")]
    verbs += [["run", str(trained.file), "--out", str(trained.out)]]
    program = f"""
import sys
from clinpeft.cli import app
for words in {verbs!r}:
    assert not app(words, standalone_mode=False), words
    loaded = {{name.partition(".")[0] for name in sys.modules}}.intersection({HEAVY!r})
    assert not loaded, (words, loaded)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_init_writes_a_study_that_runs_to_its_report(clinpeft: Cli, small: Small) -> None:
    small.file.unlink()
    said = clinpeft("init", small.folder / "notes.csv", "--out", small.file)
    assert (said.code, said.err) == (0, "")
    assert "60 rows, 60 subjects." in said.out
    assert said.out.endswith(f"clinpeft run {small.file} --out STUDY`\n")
    assert "zqx" not in small.file.read_text() + said.out

    text = small.file.read_text().replace("folds: 5", "folds: 2")
    text += "models: [./tiny]\nmethods: [head-only]\nseeds: [1]\nbaselines: [majority]\n"
    small.file.write_text(text + "train: {epochs: 1, max_length: 16, threads: 1}\n")
    said = clinpeft("run", small.file, "--out", small.out)

    assert said.code == 0
    assert said.out.splitlines()[0].startswith("For notes ")
    assert said.out.splitlines()[-1] == str(small.out / "report" / "index.html")
    assert "For notes " in (small.out / "report" / "index.html").read_text()
    assert [row["status"] for row in small.store.index.rows()] == ["success"] * 4


def test_init_leaves_a_study_that_is_there(clinpeft: Cli, small: Small) -> None:
    before = small.file.read_bytes()

    assert "is there already; name another file with --out" in one_line(
        clinpeft("init", small.folder / "notes.csv", "--out", small.file)
    )
    assert small.file.read_bytes() == before


def test_a_run_with_failures_ends_with_1_and_says_how_many(clinpeft: Cli, small: Small) -> None:
    small.write(methods=[{"name": "full", "learning_rate": 1e9}], train={"epochs": 5})
    said = clinpeft("run", small.file, "--out", small.out)

    assert said.code == 1
    assert said.err.splitlines()[-1] == "1 run failed; the report says why"
    assert (small.out / "report" / "index.html").is_file()
    assert clinpeft("run", small.file, "--out", small.out).code == 1, "a failure stays one until it is retried"


def test_a_study_that_another_process_holds_ends_with_3_and_names_the_holder(clinpeft: Cli, trained: Small) -> None:
    with trained.store.holding():
        said = clinpeft("run", trained.file, "--out", trained.out)

    assert said.code == 3
    assert f"process {os.getpid()})" in one_line(said)


def test_only_and_retry_failed_reach_the_sweep(clinpeft: Cli, small: Small) -> None:
    only = clinpeft("run", small.file, "--out", small.out, "--only", "method=bitfit", "--only", "seed=1")
    rest = clinpeft("run", small.file, "--out", small.out, "--retry-failed")

    assert (only.code, rest.code) == (0, 0)
    assert only.err.startswith("1 run to train\n")
    assert rest.err.startswith("2 runs to train, 1 done before\n")


def test_status_lists_every_run_and_counts_them(clinpeft: Cli, trained: Small) -> None:
    trained.write(seeds=[1, 2])
    trained.run(only={"seed": "1"})
    said, as_json = clinpeft("status", trained.out), clinpeft("status", trained.out, "--json")
    lines = said.out.splitlines()

    assert said.code == as_json.code == 0
    assert lines[0].split(maxsplit=2)[1:] == ["success", "outcome · none · majority · seed 1"]
    assert lines[-1] == "2 planned, 3 success"
    assert json.loads(as_json.out)["counts"] == {"success": 3, "planned": 2}
    assert [run["seed"] for run in json.loads(as_json.out)["runs"]] == ["1", "1", "2", "1", "2"]


def test_verify_finds_a_sound_study_sound_and_names_a_run_that_is_not(clinpeft: Cli, trained: Small) -> None:
    assert clinpeft("verify", trained.out).out == f"{trained.out}: sound\n"

    folder = trained.run_folder("bitfit")
    (folder / "predictions-test.parquet").unlink()
    said = clinpeft("verify", trained.out)
    assert said.code == 1
    assert f"files of 1 run are missing or changed, first runs/{folder.name}" in one_line(said)


@pytest.mark.parametrize("name", ["train.parquet", "test.parquet"])
def test_verify_finds_a_changed_file_of_a_dataset_alone_or_in_its_study(
    clinpeft: Cli, trained: Small, name: str
) -> None:
    dataset = trained.out / "datasets" / "outcome"
    assert clinpeft("verify", dataset).code == 0
    data = bytearray((dataset / name).read_bytes())
    data[len(data) // 2] ^= 1
    (dataset / name).write_bytes(data)

    for folder in (dataset, trained.out):
        said = clinpeft("verify", folder)
        assert said.code == 1
        assert f"{name}: has changed since it was built" in one_line(said)


def test_verify_finds_a_journal_that_was_changed(clinpeft: Cli, trained: Small) -> None:
    journal = trained.out / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"started", b"planned"))

    assert clinpeft("verify", trained.out).code == 1


def test_verify_of_a_folder_that_is_neither_is_refused(clinpeft: Cli, tmp_path: Path) -> None:
    said = clinpeft("verify", tmp_path)

    assert said.code == 2
    assert "holds no study" in one_line(said)


def test_check_prints_every_rule_and_ends_with_0_or_1(clinpeft: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    good = clinpeft("check", "metric", "accuracy")
    results = [CheckResult("has a title", True), CheckResult("is right", False, "it is not")]
    monkeypatch.setattr("clinpeft.testing.check_entry", lambda *_: results)
    bad = clinpeft("check", "metric", "accuracy")

    assert (good.code, bad.code) == (0, 1)
    assert all(line.startswith("ok     ") for line in good.out.splitlines())
    assert len(good.out.splitlines()) > 3
    assert bad.out == "ok     has a title\nFAILED is right: it is not\n"


def test_recommend_prints_a_sentence_a_task_or_json(clinpeft: Cli, trained: Small) -> None:
    said, as_json = clinpeft("recommend", trained.out), clinpeft("recommend", trained.out, "--json")
    (item,) = json.loads(as_json.out)

    assert (said.code, as_json.code) == (0, 0)
    assert said.out == item["sentence"] + "\n"
    assert item["task"] == "outcome"
    assert item["limits"] == {}


def test_a_limit_that_nothing_keeps_is_said_so(clinpeft: Cli, trained: Small) -> None:
    (item,) = json.loads(clinpeft("recommend", trained.out, "--limit", "peak_host_bytes=1", "--json").out)

    assert item["limits"] == {"peak_host_bytes": 1.0}
    assert (item["verdict"], item["choice"]) == ("none_fits", None)
    assert item["limits_prestated"] is False


def test_a_limit_given_afterwards_is_in_the_journal_the_sentence_and_the_report(clinpeft: Cli, trained: Small) -> None:
    before = trained.store.journal.events()
    said = [clinpeft("recommend", trained.out, "--limit", "peak_host_bytes=8e12") for _ in range(2)]
    report = clinpeft("report", trained.out)

    (event,) = trained.store.journal.events()[len(before) :]
    assert (event.event, str(event.worker).partition(": ")[2]) == ("limits_changed", "peak_host_bytes=8e+12")
    assert said[0].out == said[1].out
    assert "Limits were given afterwards that the study does not state." in said[0].out
    page = Path(report.out.strip()).read_text()
    assert "asked for with limits that the study does not state: peak memory at most 8 TB" in page
    assert clinpeft("verify", trained.out).code == 0


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("peak_host_byte=8e9", "did you mean 'peak_host_bytes'?"),
        ("colour=1", f"known: {', '.join(get_args(CostField))}"),
        ("peak_host_bytes=8GB", "--limit peak_host_bytes: is not a number; for example --limit peak_host_bytes=8e9"),
        ("peak_host_bytes=nan", "is not a number"),
        ("peak_host_bytes=inf", "is not a number"),
        ("peak_host_bytes=-8e9", "limit 'peak_host_bytes': is no number from 0 on"),
        ("peak_host_bytes", "needs key=value"),
        ("=5", "needs key=value"),
    ],
)
def test_a_limit_that_is_none_is_refused_with_a_hint(clinpeft: Cli, trained: Small, limit: str, message: str) -> None:
    said = clinpeft("recommend", trained.out, "--limit", limit)

    assert said.code == 2
    assert message in one_line(said)


def test_report_merges_several_studies(clinpeft: Cli, trained: Small, tmp_path: Path) -> None:
    other = type(trained)(trained.folder.with_name("other"))
    trained.moved_to(other.folder)
    second = other.folder / "second"
    other.write(name="second", methods=["full"], baselines=[])
    assert clinpeft("run", other.file, "--out", second).code == 0
    said = clinpeft("report", other.out, second, "--out", tmp_path / "merged")
    results = json.loads((tmp_path / "merged" / "results.json").read_text())

    assert said.out == f"{tmp_path / 'merged' / 'index.html'}\n"
    assert results["study"]["name"] == "small + second"
    assert {row["method"] for row in results["rows"]} == {"majority", "head-only", "bitfit", "full"}


def test_report_can_be_limited_to_some_runs(clinpeft: Cli, trained: Small, tmp_path: Path) -> None:
    said = clinpeft("report", trained.out, "--only", "method=bitfit", "--out", tmp_path / "some")
    results = json.loads((tmp_path / "some" / "results.json").read_text())

    assert said.code == 0
    assert {row["method"] for row in results["rows"]} == {"bitfit"}


def test_open_test_says_how_often_that_was_done_and_renews_the_report(clinpeft: Cli, trained: Small) -> None:
    once, twice = clinpeft("open-test", trained.out), clinpeft("open-test", trained.out)
    scored = "3 runs scored on test; the test labels of this study were opened"

    assert once.out == f"{scored} 1 time\n{trained.out / 'report' / 'index.html'}\n"
    assert twice.out.startswith(f"{scored} 2 times\n")
    assert json.loads((trained.out / "report" / "results.json").read_text())["study"]["times_opened"] == 2


@pytest.mark.parametrize("verb", ["run", "open-test"])
def test_a_price_tells_money_in_the_report_that_the_verb_writes(clinpeft: Cli, trained: Small, verb: str) -> None:
    words = ["run", trained.file, "--out", trained.out] if verb == "run" else ["open-test", trained.out]
    said = clinpeft(*words, "--price", "own:workstation")

    assert said.code == 0
    assert '<section id="view-money">' in (trained.out / "report" / "index.html").read_text(encoding="utf-8")


def test_prices_that_do_not_go_together_leave_the_test_labels_sealed(clinpeft: Cli, trained: Small) -> None:
    said = clinpeft("open-test", trained.out, "--price", "own:workstation", "--serve-price", "taylor2024:serve")

    assert said.code == 2
    assert "they cannot be added" in one_line(said)
    assert "test_opened" not in (trained.out / "journal.jsonl").read_text()


def test_synth_writes_invented_raw_files_and_never_among_others(clinpeft: Cli, tmp_path: Path) -> None:
    out = tmp_path / "i2b2-2010"
    said = clinpeft("synth", "i2b2-2010", "--out", out, "--patients", "6")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith(f"{out}: invented; not patients\n")
    before = sorted(out.rglob("*"))

    again, file = clinpeft("synth", "i2b2-2010", "--out", out), clinpeft("synth", "i2b2-2010", "--out", before[-1])
    assert (again.code, file.code) == (2, 2)
    assert "is not an empty folder; choose another" in one_line(again)
    assert "is not an empty folder" in one_line(file)
    assert sorted(out.rglob("*")) == before


def test_synth_of_a_source_that_cannot_be_invented_is_refused(clinpeft: Cli, tmp_path: Path) -> None:
    said = clinpeft("synth", "rqe", "--out", tmp_path / "out")

    assert said.code == 2
    assert "has no generator of invented files" in one_line(said)
    assert list(tmp_path.iterdir()) == []


def test_build_writes_a_dataset_that_can_be_verified(clinpeft: Cli, tmp_path: Path) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    clinpeft("synth", "i2b2-2010", "--out", raw, "--patients", "30")
    said = clinpeft("build", "i2b2-2010-concepts", "--raw", raw, "--out", data, "--limit", "20")
    lines = said.out.splitlines()

    assert said.code == 0
    assert lines[0].startswith("train: 20 examples of ")
    assert lines[-1] == str(data / "i2b2-2010-concepts")
    assert clinpeft("verify", lines[-1]).code == 0


def test_build_sums_up_the_card(clinpeft: Cli, tmp_path: Path) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    clinpeft("synth", "mimic3", "--out", raw, "--patients", "60")
    said = clinpeft("build", "mimic3-mortality", "--raw", raw, "--out", data, "--set", "allow_modified=true")
    lines = said.out.splitlines()
    card = json.loads((data / "mimic3-mortality" / "card.json").read_text())

    assert [line.partition(":")[0] for line in lines[:3]] == ["train", "validation", "test"]
    assert any("discharge-summary" in line and "dropped" in line for line in lines)
    assert any(line.startswith("labels (train/validation/test): survived ") for line in lines)
    assert any(line.startswith("across splits: ") and "left train" in line for line in lines)
    assert any(line.startswith("published counts: ") and "not explained" in line for line in lines)
    assert {row["model"] for row in card["contamination"]} >= {"Bio_ClinicalBERT"}
    assert "zqxcanary" not in said.out + said.err


def test_verify_reads_the_raw_files_a_second_time(clinpeft: Cli, tmp_path: Path) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    clinpeft("synth", "i2b2-2010", "--out", raw, "--patients", "30")
    clinpeft("build", "i2b2-2010-concepts", "--raw", raw, "--out", data)
    dataset = data / "i2b2-2010-concepts"
    said = clinpeft("verify", dataset, "--raw", raw)
    lines = said.out.splitlines()

    assert said.code == 0, said.err
    assert lines[0].split() == ["label", "builder", "recount"]
    assert [line.split()[0] for line in lines[1:4]] == ["problem", "test", "treatment"]
    assert all(line.endswith("  agrees") for line in lines[1:4])
    assert lines[-1] == f"{dataset}: sound"


def test_verify_ends_with_1_and_one_line_when_the_second_parser_disagrees(
    clinpeft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    clinpeft("synth", "i2b2-2010", "--out", raw, "--patients", "30")
    clinpeft("build", "i2b2-2010-concepts", "--raw", raw, "--out", data)
    parser = parser_of("i2b2-2010")
    assert parser is not None
    monkeypatch.setattr(
        "clinpeft.data.verify.parser_of",
        lambda _: lambda *words: (replace(one, labels=(*one.labels, "test")) for one in parser(*words)),
    )
    said = clinpeft("verify", data / "i2b2-2010-concepts", "--raw", raw)

    assert said.code == 1
    assert f"clinpeft: {data / 'i2b2-2010-concepts'}: the second parser disagrees: " in said.err
    assert said.err.count("\n") == 1
    assert any(line.startswith("test ") and line.endswith("DIFFERS") for line in said.out.splitlines())
    assert "sound" not in said.out


def test_verify_with_raw_of_a_task_of_ones_own_is_refused(clinpeft: Cli, small: Small) -> None:
    dataset = import_task(Study.read(small.file).tasks[0], small.folder, small.folder / "data").folder
    said = clinpeft("verify", dataset, "--raw", small.folder)

    assert said.code == 2
    assert "source 'tabular': has no second parser" in one_line(said)


def test_verify_takes_set_only_with_raw(clinpeft: Cli, small: Small) -> None:
    assert "goes with --raw" in one_line(clinpeft("verify", small.folder, "--set", "a=b"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rqe", "--set", "colour=red"], "unknown key 'colour'"),
        (["mimic3-mortality", "--set", "spilt=core"], "unknown key 'spilt' (did you mean 'split'?)"),
        (["rqe", "--set", "colour"], "--set: needs key=value"),
        (["rqe", "--set", "mode=paper"], "'mode' is set by --compat paper"),
        (["rqe", "--compat", "paper"], "has no paper mode: the published pipeline is followed as it is"),
        (["rqe", "--compat", "bug"], "--compat: is none of: paper"),
        (["rqe", "--limit", "0"], "--limit"),
        (["rqe"], "holds no raw files of source 'rqe'"),
        (["rque"], "did you mean 'rqe'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_build_refuses_what_the_task_does_not_know(
    clinpeft: Cli, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "raw").mkdir()
    said = clinpeft("build", *words, "--raw", tmp_path / "raw", "--out", tmp_path / "data")

    assert said.code == 2
    assert message in one_line(said)
    assert not (tmp_path / "data").exists()


def test_data_may_be_given_several_times(clinpeft: Cli, small: Small) -> None:
    for name in ("first", "second"):
        import_task(Study.read(small.file).tasks[0], small.folder, small.folder / "data")
        (small.folder / "data").rename(small.folder / name)
    (small.folder / "first" / "outcome").rename(small.folder / "first" / "other")
    small.write(tasks=["outcome"], methods=["head-only"])
    said = clinpeft(
        *("run", small.file, "--out", small.out),
        *("--data", small.folder / "first", "--data", small.folder / "second"),
    )

    assert said.code == 0
    assert not (small.out / "datasets").exists(), "a built dataset is read where it lies"


def test_a_mistake_of_ours_is_one_line_without_its_message(clinpeft: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> Any:
        raise ValueError("zqxcanary")

    monkeypatch.setattr(catalogues, "summaries", broken)
    said = clinpeft("list", "tasks")

    assert said.code == 70
    assert "internal error, ValueError in test_cli.py, line " in one_line(said)
    assert "zqx" not in said.err


def test_a_mistake_of_ours_is_shown_whole_when_asked_for(clinpeft: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> Any:
        raise ValueError("zqxcanary")

    monkeypatch.setattr(catalogues, "summaries", broken)
    monkeypatch.setenv("CLINPEFT_DEBUG", "1")

    with pytest.raises(ValueError, match="zqxcanary"):
        clinpeft("list", "tasks")


def test_a_refusal_of_the_machine_is_one_line_and_3(
    clinpeft: Cli, monkeypatch: pytest.MonkeyPatch, trained: Small
) -> None:
    def refuse(*_: object) -> Any:
        raise PermissionError(13, "Permission denied", "/somewhere/file")

    monkeypatch.setattr("clinpeft.runs.store.write_atomic", refuse)
    said = clinpeft("run", trained.file, "--out", trained.out)

    assert said.code == 3
    assert one_line(said) == "clinpeft: /somewhere/file: Permission denied\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_one_line_and_its_exit_code(
    clinpeft: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr(catalogues, "summaries", lambda _: signal.raise_signal(number))
    said = clinpeft("list", "tasks")

    assert said.code == code
    assert "the same command goes on from here" in one_line(said)


def test_a_closed_pipe_is_no_mistake(tmp_path: Path) -> None:
    command = f"{sys.executable} -m clinpeft.cli list tasks | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
