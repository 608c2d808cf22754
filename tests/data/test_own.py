from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinpeft.data.dataset import TaskDataset
from clinpeft.data.own import import_task
from clinpeft.data.site import make_private_folder
from clinpeft.errors import BadInput
from clinpeft.frozen import parse
from clinpeft.spec import Study, TaskChoice
from clinpeft.tasks.base import Span

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "own-csv"
CANARY = "zqx"
ALL: tuple[Any, ...] = ("train", "validation", "test")


def build(folder: Path, **keys: Any) -> TaskDataset:
    """Import a task whose files lie in `folder`; `name` and `kind` have defaults."""
    choice = parse(TaskChoice, {"name": "own", "kind": "classification", **keys}, "study")
    return import_task(choice, folder, folder / "out")


def refused(folder: Path, **keys: Any) -> str:
    """The message of a refusal, after a check that it is one line, quotes no cell and left nothing behind."""
    with pytest.raises(BadInput) as caught:
        build(folder, **keys)
    message = str(caught.value)
    assert CANARY not in message.casefold()
    assert "\n" not in message
    assert not (folder / "out").exists()
    return message


def everything(dataset: TaskDataset) -> list[Any]:
    return [example for split in ALL for example in dataset.examples(split)]


def write_visits(folder: Path, subjects: int, rows_each: int = 2, classes: str = "01") -> None:
    lines = ["pt,site,day,text,label"]
    for subject in range(subjects):
        for visit in range(rows_each):
            row = subject * rows_each + visit
            cells = f"p{subject},{'nsew'[subject % 4]},20{10 + subject % 10}-0{visit + 1}-01"
            lines.append(f"{cells},note {row},{classes[row % len(classes)]}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n")


VISITS: dict[str, Any] = {"files": {"data": "t.csv"}, "subject": "pt"}


def test_a_csv_of_ones_own_becomes_the_golden_dataset(tmp_path: Path, site_key_file: Path) -> None:
    make_private_folder(site_key_file.parent)
    site_key_file.touch(mode=0o600)
    site_key_file.write_bytes(bytes(range(32)))
    study = Study.read(GOLDEN / "in" / "study.yaml")

    dataset = import_task(study.tasks[0], GOLDEN / "in", tmp_path)

    for split in ALL:
        rows = pq.read_table(dataset.folder / f"{split}.parquet").to_pylist()
        golden = [json.loads(line) for line in (GOLDEN / "out" / f"{split}.jsonl").read_text().splitlines()]
        assert [{**row, "time": str(row["time"])} for row in rows] == golden
    card = dataset.card.model_dump(mode="json", by_alias=True, exclude={"files"})  # bytes depend on pyarrow's version
    assert card == json.loads((GOLDEN / "out" / "card.json").read_text())


def test_the_newest_patients_of_the_golden_table_are_its_test_split() -> None:
    notes = [json.loads(line)["text"] for line in (GOLDEN / "out" / "test.jsonl").read_text().splitlines()]

    assert notes == ["Routine visit. No complaint.", "Swollen legs."]


def test_few_subjects_get_five_folds_in_train_and_an_empty_validation(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=50)
    dataset = build(tmp_path, **VISITS)

    assert dataset.card.split.folds == 5
    assert [dataset.card.counts[split].subjects for split in ALL] == [40, 0, 10]
    assert dataset.examples("validation") == []
    dataset.verify()


def test_a_thousand_subjects_get_one_validation_split(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=1_000, rows_each=1)
    card = build(tmp_path, **VISITS).card

    assert card.split.folds == 0
    assert [card.counts[split].subjects for split in ALL] == [700, 100, 200]
    assert [card.counts[split].labels for split in ALL] == [{"0": n, "1": n} for n in (350, 50, 100)]


def test_another_column_may_stay_on_one_side(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=40)
    dataset = build(
        tmp_path, **VISITS, groups=["site"], split={"by": "site", "fractions": [0.5, 0.25, 0.25], "folds": 0}
    )

    assert dataset.card.split.by == "site"
    sites = [{example.groups["site"] for example in dataset.examples(split)} for split in ALL]
    assert sum(len(some) for some in sites) == 4
    dataset.verify()


def test_without_a_patient_column_the_card_says_that_rows_were_split(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=30)
    card = build(tmp_path, files={"data": "t.csv"}, subject="none").card

    assert card.split.by is None
    assert card.counts["test"].subjects == card.counts["test"].examples


def test_rows_may_be_split_one_by_one_and_shared_patients_are_counted(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=30)
    card = build(tmp_path, **VISITS, split={"by": "none", "folds": 0}).card

    assert card.split.by is None
    assert card.split.shared_subjects > 0


def test_a_given_split_is_kept_and_a_patient_in_two_files_is_refused(tmp_path: Path) -> None:
    for number, name in enumerate(ALL):
        rows = [f"p{number}{row},{name} note {row},{row % 2}" for row in range(4)]
        (tmp_path / f"{name}.csv").write_text("pt,text,label\n" + "\n".join(rows) + "\n")
    keys: dict[str, Any] = {"files": {name: f"{name}.csv" for name in ALL}, "subject": "pt"}
    card = build(tmp_path, **keys).card

    assert card.split.method == "user"
    assert [card.counts[split].examples for split in ALL] == [4, 4, 4]
    with (tmp_path / "test.csv").open("a") as file:
        file.write("p00,another note,1\n")
    with pytest.raises(BadInput, match="1 subjects stand in more than one split"):
        build(tmp_path, **keys)


def test_swapping_two_files_changes_the_fingerprint(tmp_path: Path) -> None:
    for number, name in enumerate(ALL):
        (tmp_path / f"{name}.csv").write_text(f"pt,text,label\nx{number},{name} a,0\ny{number},{name} b,1\n")
    there = {name: f"{name}.csv" for name in ALL}
    swapped = {**there, "validation": "test.csv", "test": "validation.csv"}
    prints = [build(tmp_path, files=files, subject="pt").card.fingerprint for files in (there, swapped)]

    assert len(set(prints)) == 2


def test_a_study_that_moves_with_its_files_keeps_the_fingerprint(tmp_path: Path) -> None:
    for name in ("here", "there/data"):
        (tmp_path / name).mkdir(parents=True)
        write_visits(tmp_path / name, subjects=20)
    first = build(tmp_path / "here", **VISITS).card
    second = build(tmp_path / "there", files={"data": "data/t.csv"}, subject="pt").card

    assert first.fingerprint == second.fingerprint


def test_the_positive_class_is_the_usual_one_or_must_be_named(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=20)
    assert build(tmp_path, **VISITS).card.positive == "1"

    text = (tmp_path / "t.csv").read_text().replace(",0\n", ",No\n").replace(",1\n", ",YES\n")
    (tmp_path / "t.csv").write_text(text)
    assert build(tmp_path, **VISITS).card.positive == "YES"

    (tmp_path / "t.csv").write_text(text.replace("No\n", "home\n").replace("YES\n", "ward\n"))
    assert build(tmp_path, **VISITS, positive="ward").card.positive == "ward"
    assert build(tmp_path, **VISITS, metric="f1-macro").card.positive is None
    with pytest.raises(BadInput, match="auroc of two classes needs 'positive'"):
        build(tmp_path, **VISITS)


def test_the_default_metric_follows_kind_and_number_of_classes(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=20)
    assert build(tmp_path, **VISITS).card.metric == "auroc"

    write_visits(tmp_path, subjects=30, classes="abc")
    assert build(tmp_path, **VISITS).card.metric == "f1-macro"
    assert build(tmp_path, **VISITS, kind="pairs", text_b="site").card.metric == "accuracy"


def test_multilabel_cells_hold_labels_none_and_labels_nobody_annotated(tmp_path: Path) -> None:
    cells = ["asthma; copd", "", "?asthma;copd", "asthma;"] * 5
    rows = "\n".join(f"p{row},note {row},{cell}" for row, cell in enumerate(cells))
    (tmp_path / "t.csv").write_text(f"pt,text,label\n{rows}\n")
    dataset = build(tmp_path, kind="multilabel", **VISITS, split={"folds": 0})

    found = Counter((example.labels, example.missing) for example in everything(dataset))
    assert found == {
        (("asthma", "copd"), ()): 5,
        ((), ()): 5,
        (("copd",), ("asthma",)): 5,
        (("asthma",), ()): 5,
    }
    assert dataset.card.metric == "f1-micro"


def test_multilabel_lists_and_other_separators_read_alike(tmp_path: Path) -> None:
    lists = [["a", "b"], ["b"], [], ["?a"]] * 4
    rows = [{"pt": f"p{row}", "text": f"note {row}", "label": cell} for row, cell in enumerate(lists)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    joined = [{**row, "label": "|".join(row["label"])} for row in rows]
    (tmp_path / "bars.jsonl").write_text("".join(json.dumps(row) + "\n" for row in joined))

    def found(file: str, **keys: Any) -> list[tuple[Any, ...]]:
        dataset = build(tmp_path, kind="multilabel", files={"data": file}, subject="pt", **keys)
        return [(example.labels, example.missing) for example in everything(dataset)]

    assert found("t.jsonl") == found("t.parquet") == found("bars.jsonl", label_separator="|")


def write_jsonl(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "t.jsonl").write_text("".join(json.dumps({"pt": f"p{n}", **row}) + "\n" for n, row in enumerate(rows)))


JSONL: dict[str, Any] = {"files": {"data": "t.jsonl"}, "subject": "pt", "split": {"folds": 0}}


def test_entities_come_from_text_and_spans(tmp_path: Path) -> None:
    spans = [{"start": 2, "end": 9, "label": "drug", "text": "aspirin"}, {"start": 10, "end": 12, "label": "dose"}]
    write_jsonl(tmp_path, [{"text": f"🙂 aspirin 81 x{n}", "spans": spans} for n in range(10)])
    example = build(tmp_path, kind="entities", **JSONL).examples("test")[0]

    assert example.tokens[:3] == ("🙂", "aspirin", "81")
    assert example.tags[:3] == ("O", "B-drug", "B-dose")
    assert example.spans == (Span(2, 9, "drug"), Span(10, 12, "dose"))


def test_entities_come_from_words_and_tags(tmp_path: Path) -> None:
    write_jsonl(tmp_path, [{"tokens": ["no", "fever", str(n)], "tags": ["O", "B-sign", "O"]} for n in range(10)])
    example = build(tmp_path, kind="entities", **JSONL).examples("test")[0]

    assert example.text.startswith("no fever ")
    assert example.spans == (Span(3, 8, "sign"),)


def test_relations_come_from_text_head_tail_and_label(tmp_path: Path) -> None:
    head, tail = {"start": 0, "end": 4, "label": "drug"}, {"start": 10, "end": 15, "label": "sign"}
    rows = [
        {"text": f"drug eases fever {n}", "head": head, "tail": tail, "label": ("none", "treats")[n % 2]}
        for n in range(12)
    ]
    write_jsonl(tmp_path, rows)
    dataset = build(tmp_path, kind="relations", **JSONL)

    assert dataset.card.labels == ("none", "treats")
    assert dataset.examples("test")[0].head == Span(0, 4, "drug")
    assert dataset.card.metric == "relation-f1"


def test_conll_documents_stand_for_patients(tmp_path: Path) -> None:
    document = "-DOCSTART- (n{0})\n\nfever\tB-sign\n{0}\tO\n\nno\tO\ncough\tB-sign\nsince\tO\n{0}\tO\n\n"
    (tmp_path / "t.conll").write_text("".join(document.format(number) for number in range(10)))
    dataset = build(tmp_path, kind="entities", files={"data": "t.conll"}, split={"folds": 0})

    assert dataset.card.split.by == "document"
    assert [dataset.card.counts[split].documents for split in ALL] == [7, 1, 2]
    assert [dataset.card.counts[split].examples for split in ALL] == [14, 2, 4]
    assert dataset.card.counts["test"].labels == {"sign": 4}


def test_numbered_conll_documents_of_two_files_are_no_shared_subjects(tmp_path: Path) -> None:
    for name in ALL:
        (tmp_path / f"{name}.conll").write_text(f"-DOCSTART- O\n\nfever\tB-sign\n{name}\tO\n")
    card = build(tmp_path, kind="entities", files={name: f"{name}.conll" for name in ALL}).card

    assert [card.counts[split].examples for split in ALL] == [1, 1, 1]


def write_brat(folder: Path, documents: int) -> None:
    (folder / "notes").mkdir()
    for number in range(documents):
        text = f"Aspirin {number} eased pain. Rash {number} from aspirin. Pain {number} came back."
        lines = [
            (0, 7, "Drug"),
            (text.index("pain"), text.index("pain") + 4, "Sign"),
            (text.index("Rash"), text.index("Rash") + 4, "Sign"),
            (text.index("aspirin"), text.index("aspirin") + 7, "Drug"),
        ]
        entities = "".join(f"T{n}\t{t} {s} {e}\t{text[s:e]}\n" for n, (s, e, t) in enumerate(lines, start=1))
        relations = "R1\ttreats Arg1:T1 Arg2:T2\nR2\tcauses Arg1:T1 Arg2:T3\n"
        (folder / "notes" / f"mrn{number}.txt").write_text(text)
        (folder / "notes" / f"mrn{number}.ann").write_text(entities + relations)


BRAT: dict[str, Any] = {"files": {"data": "notes"}, "split": {"folds": 0}}


def test_brat_gives_one_entity_example_a_sentence_and_no_file_name(tmp_path: Path) -> None:
    write_brat(tmp_path, 10)
    dataset = build(tmp_path, kind="entities", **BRAT)

    texts = {example.text.split()[0] for example in everything(dataset)}
    assert texts == {"Aspirin", "Rash", "Pain"}
    assert dataset.card.split.by == "document"
    assert [file.path for file in dataset.card.sources[0].files] == ["notes/"]
    assert "mrn" not in (dataset.folder / "card.json").read_text()


def test_brat_relations_are_pairs_of_related_types_within_a_sentence(tmp_path: Path) -> None:
    write_brat(tmp_path, 10)
    dataset = build(tmp_path, kind="relations", **BRAT)

    # treats stands in the first sentence; causes crosses sentences; the pair of the second sentence is unrelated
    labels = Counter(example.label for example in everything(dataset))
    assert labels["treats"] == 10 and "causes" not in labels
    assert {example.head.label for example in everything(dataset)} == {"Drug"}
    assert (dataset.card.filters[0].kept, dataset.card.filters[0].dropped) == (10, 10)


def test_a_discontinuous_entity_is_taken_as_one_stretch_and_noted(tmp_path: Path) -> None:
    write_brat(tmp_path, 10)
    (tmp_path / "notes" / "mrn0.ann").write_text("T1\tSign 0 7;16 20\tAspirin pain\n")
    card = build(tmp_path, kind="entities", **BRAT).card

    assert ("notes/", 1, "discontinuous-entity-taken-as-one-stretch") in {
        (item.file, item.line, item.code) for item in card.anomalies
    }


def write_pubtator(folder: Path, documents: int) -> None:
    text = ""
    for number in range(documents):
        title, body = f"Case {number}.", f"Lithium {number} caused goitre. Rest helped."
        drug, sign = len(title) + 1, f"{title} {body}".index("goitre")
        text += f"{number}|t|{title}\n{number}|a|{body}\n"
        text += (
            f"{number}\t{drug}\t{drug + 7}\tLithium\tChemical\tC1\n{number}\t{sign}\t{sign + 6}\tgoitre\tDisease\tD1\n"
        )
        text += (f"{number}\tCID\tC1\tD1\n" if number % 2 else "") + "\n"
    (folder / "t.pubtator").write_text(text)


def test_pubtator_concept_relations_hold_between_mentions_of_a_sentence(tmp_path: Path) -> None:
    write_pubtator(tmp_path, 20)
    dataset = build(tmp_path, kind="relations", files={"data": "t.pubtator"}, split={"folds": 0})

    assert Counter(example.label for example in everything(dataset)) == {"CID": 10, "none": 10}
    example = dataset.examples("train")[0]
    assert example.head is not None and example.text[example.head.start : example.head.end] == "Lithium"


def table_of(label: str = "label", rows: int = 30, **cells: str) -> str:
    """A CSV of invented notes; `cells` overrides the cell of a row, as in r3_pt=""."""
    lines = [f"id,pt,text,{label}"]
    for row in range(2, rows + 2):
        given = {name: cells.get(f"r{row}_{name}") for name in ("id", "pt", "text", "label")}
        usual = {"id": f"i{row}", "pt": f"{CANARY}{row // 2}", "text": f"{CANARY} note {row}", "label": str(row % 2)}
        lines.append(",".join(usual[name] if given[name] is None else str(given[name]) for name in usual))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("content", "keys", "rule"),
    [
        (table_of(), {"subject": None}, "whose text a row is; name the patient column, or say subject: none"),
        (table_of(r3_pt="", r9_pt=" "), {}, "t.csv: column 'pt': rows 3, 9: is blank"),
        (table_of(r4_id=""), {"id": "id"}, "t.csv: column 'id': row 4: is blank"),
        (table_of(r5_text=""), {}, "t.csv: column 'text': row 5: has no text"),
        (table_of(r6_label=""), {}, "t.csv: column 'label': row 6: has no label"),
        (table_of(r4_id="i2", r4_label="1"), {"id": "id"}, "'id': row 4: repeats an id (1 of 1 with another label)"),
        (table_of(r4_id="i2"), {"id": "id"}, "repeats an id (0 of 1 with another label)"),
        (table_of(label="Label "), {}, "column 'label' (label): is not in the table; did you mean 'Label '"),
        (table_of(label="\u00a0LABEL"), {}, "is not in the table; did you mean"),
        (table_of(), {"label": "text"}, "column 'text': holds another class in every row; is 'text' the label column?"),
        (table_of(rows=300), {"label": "text"}, "column 'text': holds 300 classes; is 'text' the label column?"),
        (table_of(r7_label=CANARY * 80), {}, "column 'label': row 7: holds more than 200 characters"),
        ("pt,text,label\na,x,1\nb,y,1\nc,z,1\n", {}, "column 'label': holds one class only"),
        (table_of(), {"positive": "2"}, "'positive' is none of the classes"),
        (table_of(), {"metric": "auroq"}, "no metric has this name; did you mean 'auroc'?"),
        (table_of(), {"metric": "entity-f1"}, "is not defined for classification"),
        (table_of(), {"kind": "pairs"}, "column 'text_b' (text_b): is not in the table"),
        (table_of(), {"groups": ["ward"]}, "column 'ward' (groups): is not in the table"),
        (table_of(), {"split": {"time": "text"}}, "column 'text': rows 2, 3, 4"),
        (table_of(), {"split": {"by": "site"}}, "column 'site' (split.by): is not in the table"),
        (table_of(), {"kind": "entities"}, "a CSV cell cannot hold the entities of a text"),
        (table_of(rows=4), {}, "1 subjects cannot fill 5 folds"),
        (table_of(), {"split": {"folds": 13}}, "12 subjects cannot fill 13 folds"),
        (table_of(r3_label="rare"), {"split": {"fractions": [0.7, 0.3, 0]}}, "split is empty"),
    ],
)  # fmt: skip
def test_a_table_that_breaks_a_rule_is_refused_without_its_text(
    tmp_path: Path, content: str, keys: dict[str, Any], rule: str
) -> None:
    (tmp_path / "t.csv").write_text(content)

    assert rule in refused(tmp_path, **{"files": {"data": "t.csv"}, "subject": "pt", **keys})


def test_dates_that_were_shifted_for_each_patient_order_nobody(tmp_path: Path) -> None:
    """MIMIC's lie in the years 2100 to 2200; its groups of true years may be ordered."""
    rows = [
        f"p{place},seen {place} times,{place % 2},{2110 + place}-03-01,{2008 + place // 4 * 3} - {2010}"
        for place in range(12)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["pt,text,label,charttime,anchor_year_group", *rows]) + "\n")
    keys: dict[str, Any] = {"files": {"data": "t.csv"}, "subject": "pt"}

    said = refused(tmp_path, **keys, split={"time": "charttime", "folds": 0})

    assert "column 'charttime': rows 2, 3, 4" in said
    assert "2100 or later: dates shifted for each patient apart have no order between patients" in said
    assert "anchor_year_group" in said
    assert "2110" not in said
    choice = TaskChoice.model_validate(
        {"name": "t", "kind": "classification", **keys, "split": {"time": "anchor_year_group", "folds": 0}}
    )
    test = import_task(choice, tmp_path, tmp_path / "out").examples("test")
    assert {example.time.year for example in test if example.time} == {2014}


SPANS_RULE = "is no span {start, end, label}"


@pytest.mark.parametrize(
    ("span", "rule"),
    [
        ({"start": 3, "end": 1, "label": "x"}, "a span starts below 0, or not before its end"),
        ({"start": 0, "end": 99, "label": "x"}, "a span ends beyond the text"),
        ({"start": -1, "end": 3, "label": "x"}, "a span starts below 0"),
        ({"start": 0.0, "end": 3, "label": "x"}, "has offsets that are no whole numbers"),
        ({"start": True, "end": 3, "label": "x"}, "has offsets that are no whole numbers"),
        ({"start": 3, "end": 4, "label": "x"}, "a span touches no token"),
        ({"start": 0, "end": 3, "label": ""}, "a span has no label"),
        ({"start": 0, "end": 3}, SPANS_RULE),
        ({"start": 0, "end": 3, "label": "x", CANARY: 1}, SPANS_RULE),
        ({"start": 4, "end": 8, "label": "x", "text": f"{CANARY}!"}, "has a text that differs"),
        (CANARY, "words are no list of words"),
        (7, SPANS_RULE),
    ],
)
def test_a_span_that_does_not_fit_is_refused_with_its_line(tmp_path: Path, span: Any, rule: str) -> None:
    good = {"start": 0, "end": 3, "label": "x"}
    rows = [{"text": f"{CANARY} and more {n}", "spans": [good if n != 4 else span], "tokens": [""]} for n in range(9)]
    write_jsonl(tmp_path, rows)
    message = refused(tmp_path, kind="entities", **JSONL)

    assert rule in message
    assert "line 5" in message or "lines 1, 2" in message


def test_overlapping_spans_of_a_table_are_refused(tmp_path: Path) -> None:
    both = [{"start": 0, "end": 3, "label": "x"}, {"start": 2, "end": 7, "label": "x"}]
    write_jsonl(tmp_path, [{"text": f"{CANARY} and more {n}", "spans": both[: 1 + (n == 2)]} for n in range(9)])

    assert "column 'spans': line 3: its spans overlap" in refused(tmp_path, kind="entities", **JSONL)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"tokens": [CANARY], "tags": ["O", "O"]}, "column 'tags': line 3: has not as many tags as words"),
        ({"tokens": [CANARY, "x"], "tags": ["O", "I-x"]}, "line 3: its tags are no IOB2"),
        ({"tokens": [CANARY, " "], "tags": ["O", "O"]}, "column 'tokens': line 3: its words are no list of words"),
        ({"tokens": CANARY, "tags": ["O"]}, "column 'tokens': line 3: is no list"),
        ({"tokens": [CANARY], "tags": "O"}, "column 'tags': line 3: is no list"),
    ],
)
def test_words_and_tags_that_do_not_fit_are_refused_with_their_line(
    tmp_path: Path, row: dict[str, Any], rule: str
) -> None:
    good = {"tokens": ["no", CANARY], "tags": ["O", "B-x"]}
    write_jsonl(tmp_path, [good, good, row, good])

    assert rule in refused(tmp_path, kind="entities", **JSONL)


def test_a_label_column_of_numbers_and_text_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path, [{"text": f"{CANARY} {n}", "label": n % 2 if n != 5 else "1"} for n in range(20)])

    assert "column 'label': line 6: has another type than the other rows" in refused(tmp_path, **JSONL)


def test_documents_have_no_columns(tmp_path: Path) -> None:
    write_brat(tmp_path, 5)

    assert "'subject' names a column, and brat files have none" in refused(
        tmp_path, kind="entities", **BRAT, subject="pt"
    )
    assert "hold no task of kind 'classification'" in refused(tmp_path, kind="classification", **BRAT)


def test_sentences_of_no_document_need_subject_none(tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("".join(f"{CANARY}{n}\tB-x\n\n" for n in range(20)))
    keys: dict[str, Any] = {"kind": "entities", "files": {"data": "t.conll"}}

    assert "20 sentences stand in no document" in refused(tmp_path, **keys)
    assert build(tmp_path, **keys, subject="none").card.split.by is None


def test_files_that_cannot_go_together_are_refused(tmp_path: Path) -> None:
    write_visits(tmp_path, subjects=5)
    (tmp_path / "t.jsonl").write_text("{}")
    (tmp_path / "t.pubtator").write_text("")
    three = {"train": "t.csv", "validation": "t.pubtator", "test": "t.csv"}

    assert "is not there; paths are relative" in refused(tmp_path, files={"data": "none.csv"})
    assert "names one file for two splits" in refused(tmp_path, files=three, subject="pt")
    three["test"] = "t.jsonl"
    assert "different formats" in refused(tmp_path, files=three, subject="pt")
    assert "'split' cuts one table" in refused(tmp_path, files=three, subject="pt", split={"folds": 5})


def test_the_same_id_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ALL:
        (tmp_path / f"{name}.csv").write_text(f"id,pt,text,label\n1,{name},{CANARY} a,0\n2,{name},{CANARY} b,1\n")
    message = refused(tmp_path, files={name: f"{name}.csv" for name in ALL}, subject="pt", id="id")

    assert "column 'id': 2 ids stand in two files" in message


def test_copies_across_the_splits_leave_train_and_are_counted(tmp_path: Path) -> None:
    rows = [f"p{row},same note {row // 2},{row // 2 % 2}" for row in range(200)]
    (tmp_path / "t.csv").write_text("pt,text,label\n" + "\n".join(rows) + "\n")
    dataset = build(tmp_path, **VISITS, split={"folds": 0})

    texts = {split: {example.text for example in dataset.examples(split)} for split in ALL}
    assert not texts["train"] & (texts["validation"] | texts["test"])
    assert dataset.card.duplicates.dropped == 140 - dataset.card.counts["train"].examples > 0
