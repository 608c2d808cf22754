"""The report's files: stable, closed to the outside, safe for hostile names, complete."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import scored, without_plotly

from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.evaluation import evaluate
from clinpeft.report.render import plotly, summary_lines, write_report
from clinpeft.report.wording import suppressed

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Checks that tags nest, and keeps every element, the ids, and what is text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def rich(new_study: Any) -> Any:
    """A study with everything a report shows: baselines, seeds, failures, an opened test, options, two tasks."""
    folder = new_study(tasks=["ward-notes-1", "rqe"], question="Which model, and what will it cost?")
    for task in ("ward-notes-1", "rqe"):
        folder.card(task, terms=["Data Use Agreement 1.5"], contamination=[{"model": "large", "source": "mimic3"}])
        folder.run("none", "majority", 0, value=0.5, arm=0.0, seconds=0.1, task=task)
        for seed in (1, 2):
            folder.run("small", "lora", seed, value=0.8 + seed / 100, seconds=60, task=task, test=0.77)
            folder.run("large", "lora", seed, value=0.86, seconds=300, task=task, options={"rank": 8}, test=0.82)
            folder.failed("large", "full", seed, "out_of_memory", "oom_host", "8 GB were free", task=task)
    folder.model("small")
    return folder


def whole(folder: Any, **only: str) -> str:
    return write_report([folder.root], folder.root / "report", only).read_text(encoding="utf-8")


def page(folder: Any, **only: str) -> str:
    """The page, Plotly's own text left out where there is anything to draw."""
    text = whole(folder, **only)
    return without_plotly(text) if 'id="plotly"' in text else text


def test_the_same_records_give_the_same_bytes(rich: Any, tmp_path: Path) -> None:
    write_report([rich.root], tmp_path / "a")
    write_report([rich.root], tmp_path / "b")

    names = ["evaluation.json", "index.html", "results.csv", "results.json"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names


def test_the_study_is_left_as_it_was(rich: Any, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in rich.root.rglob("*") if path.is_file()}

    write_report([rich.root], tmp_path / "elsewhere")

    assert {path: path.read_bytes() for path in rich.root.rglob("*") if path.is_file()} == before


def test_the_page_is_well_formed_and_its_links_lead_somewhere(rich: Any) -> None:
    read = Reader(page(rich))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    links = [str(attributes["href"]) for tag, attributes in read.elements if tag == "a"]

    assert len(set(ids)) == len(ids)
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_the_page_loads_nothing_from_anywhere(rich: Any) -> None:
    text = page(rich)
    read = Reader(text)
    sources = [str(attributes[key]) for _, attributes in read.elements for key in ("src", "href") if key in attributes]

    assert all(source.startswith("#") or source == "data:," for source in sources)
    assert not re.search(r"url\(|@import|https?://|<iframe|<object", text)


def test_the_security_policy_allows_the_pages_own_style_and_script_and_no_other(rich: Any) -> None:
    text = whole(rich)

    (policy,) = [str(attributes["content"]) for _, attributes in Reader(text).elements if "http-equiv" in attributes]

    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    found = {tag: re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL) for tag in ("style", "script")}
    # Plotly lies in the page as text. It adds rules of its own to a style element that is empty when it is made.
    assert text.count(f'<script type="text/plain" id="plotly">{plotly()}</script>') == 1
    assert allowed["style-src"].split() == [digest(found["style"][0]), digest("")]
    assert allowed["script-src"].split() == [*map(digest, found["script"]), digest(plotly())]
    assert len(found["style"]) == 1 and len(found["script"]) == 2
    assert not re.search(r" (style|on\w+)=", without_plotly(text))


def test_a_page_with_nothing_to_draw_has_no_plotly(folder: Any) -> None:
    folder.failed("small", "lora", 1, "failed", "bug", "it broke")
    text = whole(folder)

    assert len(text) < 200_000
    assert plotly() not in text
    assert text.count("<script>") == 1
    assert digest("") not in text


def test_every_map_style_that_plotly_would_add_is_kept_out(rich: Any) -> None:
    ids = [attributes.get("id") for tag, attributes in Reader(page(rich)).elements if tag == "meta"]

    assert [name for name in re.findall(r'getElementById\("(\w+)"\)', plotly()) if name not in ids] == []


def digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_hostile_names_and_messages_are_shown_as_text(new_study: Any) -> None:
    hostile = '<script>alert("x")</script>'
    folder = new_study(question=hostile, models=[{"name": hostile}], methods=["lora"], seeds=[1])
    folder.card(terms=[hostile], labels=["no", hostile], positive=None)
    folder.run(hostile, options={"note": hostile})
    folder.run("<b>bold", method="<i>", value=0.9)
    folder.failed("small", "lora", 1, "failed", "bug", hostile)

    text = page(folder)

    assert text.count("<script>") == 2
    assert "<b>bold" not in text
    assert "<i>" not in text
    assert text.count("&lt;script&gt;") > 5


def test_the_page_tells_question_recommendation_failures_data_and_words(rich: Any) -> None:
    text = Reader(page(rich)).text
    results = aggregate(load([rich.root]))

    assert "Which model, and what will it cost?" in text
    for found in results.recommendations:
        assert found.sentence in text
    assert "8 GB were free" in text
    assert "Terms of use: Data Use Agreement 1.5" in text
    assert "Area under the ROC curve" in text
    assert "LoRA, low-rank adaptation" in text
    assert "0.815" in text
    assert "large was pre-trained on text of mimic3" in text


def test_every_number_leads_to_its_runs_and_their_records_hash(rich: Any) -> None:
    text = page(rich)

    for path in rich.root.glob("runs/*/record.json"):
        assert f'id="run-{path.parent.name}"' in text
        assert sha256(path.read_bytes()).hexdigest() in text


def test_test_scores_are_shown_once_opened(new_study: Any) -> None:
    folder = new_study()
    folder.card()
    folder.run(seed=1)
    sealed = Reader(page(folder)).text
    folder.run(seed=1, test=0.712)
    opened = Reader(page(folder)).text

    assert "test split sealed" in sealed
    assert "0.712" not in sealed
    assert "test split opened once" in opened
    assert "0.712" in opened


def test_a_study_without_patients_has_a_banner(folder: Any) -> None:
    folder.run()
    assert 'class="grave"' not in page(folder)

    folder.card(split={"method": "user", "by": None, "shared_subjects": 0})
    assert 'class="grave"' in page(folder)


def test_small_counts_are_hidden_with_a_second_one(folder: Any) -> None:
    labels = {"no": 480, "yes": 17, "rare": 3}
    counts = {"train": {"examples": 500, "subjects": 400, "documents": 500, "labels": labels}}
    folder.card(labels=list(labels), positive=None, counts=counts)
    folder.run()

    text = Reader(page(folder)).text

    assert "rare <11" in text
    assert "yes hidden" in text
    assert "no 480" in text


def test_two_small_counts_that_are_fewer_than_eleven_together_are_hidden_with_a_third() -> None:
    counts = {"no": 479, "yes": 19, "rare": 1, "rarest": 1}

    # 500 less what is shown would be 2, and so 1 each.
    shown = {"no": "479", "yes": "hidden", "rare": "<11", "rarest": "<11"}
    assert suppressed(counts, 500) == shown
    assert suppressed(counts, 400)["yes"] == "19", "of several labels an example there is no such total"


@pytest.mark.parametrize("make", ["nothing", "failure", "no_card"])
def test_a_page_is_written_whatever_is_missing(new_study: Any, make: str) -> None:
    folder = new_study()
    if make == "failure":
        folder.card()
        folder.failed("small", "lora", 1, "interrupted", "killed", "the node was taken away")
    if make == "no_card":
        folder.run(seconds=None, cost={"train_seconds": {"value": None, "how": "unavailable"}}, environment=None)

    assert "What failed" in Reader(page(folder)).text


def test_a_filter_narrows_the_page(rich: Any) -> None:
    text = Reader(page(rich, task="rqe")).text

    assert "Only the runs with task = rqe are shown" in text
    assert "ward-notes-1" not in text


def test_the_summary_holds_the_sentences_and_the_warnings(rich: Any) -> None:
    results = aggregate(load([rich.root]))

    lines = summary_lines(results)

    assert lines[:2] == [found.sentence for found in results.recommendations]
    assert lines[2:] == [f"warning: {warning}" for warning in results.warnings]


def test_options_name_the_training_examples_in_words(folder: Any) -> None:
    folder.run("small", "lora", 1, train={"subset": {"per_class": 16, "seed": "run"}})
    folder.run("small", "lora", 1, train={"subset": {"total": 32}})

    text = page(folder)

    assert "<code>trained on 16 examples of each class</code>" in text
    assert "<code>trained on 32 examples</code>" in text


def test_what_was_validated_on_is_told_where_it_is_not_the_validation_split(new_study: Any) -> None:
    folder = new_study()
    folder.card()
    folder.run("small", "lora", 1, validation={"of": "half-of-test", "seed": "run"})

    told = "Validated on one half of the test split, parted by chance anew for each seed, and tested on the other half."
    assert told in Reader(page(folder)).text


def test_entities_whose_choice_has_nothing_to_look_at_have_no_empty_heading(folder: Any) -> None:
    folder.card(kind="entities", labels=["drug"], positive=None, metric="entity-f1")
    record = folder.run("small", "lora", kind="entities", scores={"entity-f1": scored(0.8)})
    tags = [["B-drug", "O"], ["O", "B-drug"]] * 20
    columns = {"predicted": tags, "tags": tags, "truncated": [False] * 40}
    subjects = [f"s{number}" for number in range(40)]
    folder.predictions(record, {"example": subjects, "subject": subjects, **columns})

    studies = load([folder.root])
    (judged,) = evaluate(aggregate(studies), configurations(selected(studies, {}))).tasks
    assert judged.choice is not None
    assert "A closer look at what is recommended" not in page(folder)


def test_all_scores_are_a_table_for_each_split(rich: Any) -> None:
    elements = Reader(page(rich)).elements
    regions = [of.get("aria-label") for _, of in elements if (of.get("aria-label") or "").startswith("All scores")]

    assert regions[:2] == ["All scores of ward-notes-1 on validation", "All scores of ward-notes-1 on test"]


def test_sentences_are_a_space_apart(new_study: Any) -> None:
    folder = new_study()
    for method, trainable in (("lora", 1000), ("ia3", 1100), ("full", 9_000_000)):
        folder.run("small", method, 1, trainable=trainable)

    assert "0.800 [0.750, 0.850]. No configuration of like size: full." in page(folder)


def test_peak_gpu_memory_keeps_its_capitals(folder: Any) -> None:
    folder.run(cost={"peak_device_bytes": {"value": 1e9, "how": "measured"}})

    assert "Peak GPU memory" in page(folder)
