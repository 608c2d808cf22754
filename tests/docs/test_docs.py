"""What the pages say is so: links lead somewhere, commands and studies are accepted, code runs.

A python block runs unless the line above it is `<!-- not run: why -->`; `<!-- module: name -->` makes it the module
`name` of a plug-in, which `test_plug_ins.py` checks.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import clinpeft
from clinpeft.catalogues import KINDS
from clinpeft.cli import app
from clinpeft.data.look import look, starter_study
from clinpeft.frozen import parse
from clinpeft.methods.base import METHODS, resolve_method
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import ModelCard, model_card
from clinpeft.report.model_card import governance
from clinpeft.spec import PRESETS, Study
from clinpeft.strict_yaml import parse_yaml
from clinpeft.studies import find_studies
from clinpeft.tasks.base import TASKS
from clinpeft.testing import CHECKS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))
COMMANDS: Any = typer.main.get_command(app)
REST_OF_A_STUDY = {"name": "page", "tasks": ["rqe"], "models": ["minilm-l6"], "methods": ["lora"]}


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` is the HTML comment on the line above it."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"(?:^<!-- (.*) -->\n)?^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, found.start(3))
        yield Block(page, line, found[2], found[1] or "", found[3])


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def commands_of(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block as words; in `console` blocks what stands after `$`, the rest is output."""
    for line in block.text.splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
        words = shlex.split(line, comments=True)
        if words:
            yield words


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")


def option_names(verb: str) -> set[str]:
    return {name for option in COMMANDS.commands[verb].params for name in option.opts}


SHELL = blocks("bash", "console")
PYTHON = [block for block in blocks("python") if not block.mark.startswith(("not run:", "module:"))]
YAML = blocks("yaml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page

        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose_of(file), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_of_ours_is_parsed_by_the_command_line(block: Block) -> None:
    for words in commands_of(block):
        if Path(words[0]).name == "clinpeft":
            parse_command(words[1:])


def parse_command(words: list[str]) -> None:
    """Parse without running. Raises the command line's own error for a verb, option or argument that is wrong."""
    with COMMANDS.make_context("clinpeft", list(words)) as context:
        name, verb, rest = COMMANDS.resolve_command(context, list(words))
        with verb.make_context(name, list(rest), parent=context) as parsed:
            check_names(name, parsed.params)


def check_names(verb: str, params: dict[str, Any]) -> None:
    """That kinds and packaged studies exist; names of entries are checked by those who make up plug-ins."""
    if verb in {"list", "show"}:
        kind = params["kind"]
        assert {kind, f"{kind}s"} & set(KINDS) or kind == "study"
    if verb == "check":
        assert params["kind"] in CHECKS
    if verb in {"run", "plan"}:
        assert params["study"].endswith(".yaml") or find_studies(params["study"])


def test_a_wrong_verb_option_or_argument_would_be_noticed() -> None:
    for words in (["rn", "x"], ["run", "study.yaml"], ["status", "x", "--jsn"], ["synth", "mimic3", "y", "--out", "z"]):
        with pytest.raises(Exception, match=r"(?i)no such|missing|unexpected"):
            parse_command(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_named_in_a_sentence_has_its_verb_and_options(page: Path) -> None:
    for command in re.findall(r"`clinpeft ([a-z][^`]*)`", prose_of(page)):
        verb, *rest = command.split()

        assert verb in COMMANDS.commands, command
        assert {word for word in rest if word.startswith("--")} <= option_names(verb), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"`make ([a-z.-]+)", prose_of(page))
    named += [words[1] for block in SHELL if block.page == page for words in commands_of(block) if words[0] == "make"]

    assert set(named) <= targets


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_study_and_model_row_is_accepted(block: Block, plug_ins: Path) -> None:
    plain = parse_yaml(block.text, str(block))
    if all(isinstance(value, dict) and "family" in value for value in plain.values()):
        for name, row in plain.items():
            assert parse(ModelCard, {"name": name, **row}, str(block)).architecture()
        return
    if set(plain) <= set(governance()["attributes"]):  # what people say of a model
        return
    # A block may show a part of a study; the rest is added.
    added = {} if "preset" in plain else REST_OF_A_STUDY
    study = Study.from_yaml(yaml.safe_dump({**added, **plain}), str(block))
    for task in study.tasks:
        assert task.files is not None or task.name in TASKS
        assert task.metric is None or task.metric in METRICS
    for model in study.models:
        assert model.path is not None or model_card(model.name)
    for method in study.methods:
        assert method.name in METHODS
        resolve_method(method)
    assert study.select.metric is None or study.select.metric in METRICS


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_python_block_runs(
    block: Block, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside notes.csv and its study.yaml; every preset asks for one tiny model, one method, one seed and one epoch."""
    small = {
        "models": [{"name": "tiny", "path": str(tiny_model)}],
        "methods": ["head-only"],
        "seeds": [1],
        "train": {"epochs": 1, "max_length": 32},
    }
    for preset in PRESETS:
        monkeypatch.setitem(PRESETS, preset, small)
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "notes.csv"
    table.write_text(invented_notes(), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(starter_study(look(table, "note", "outcome", "mrn"), tmp_path))

    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})

    assert capsys.readouterr().out


def invented_notes() -> str:
    """60 notes of 30 patients, a third of whom died."""
    rows = ["mrn,note,outcome"]
    for number in range(60):
        patient = number % 30
        ill = patient % 3 == 0
        rows.append(
            f"{patient:04d},patient {number} {'has severe' if ill else 'denies'} chest pain,{'died' if ill else 'home'}"
        )
    return "\n".join(rows) + "\n"


def test_the_readme_names_every_module_and_folder_of_the_package() -> None:
    tree = next(block.text for block in blocks_of(ROOT / "README.md") if "src/clinpeft/" in block.text)
    named = re.findall(r"^  (\S+) {2,}\S", tree, re.MULTILINE)
    package = ROOT / "src" / "clinpeft"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}

    assert len(named) == len(set(named))
    assert set(named) == modules | folders


def test_the_readme_names_every_folder_and_file_of_the_root() -> None:
    tree = next(block.text for block in blocks_of(ROOT / "README.md") if "src/clinpeft/" in block.text)
    for name in re.findall(r"^(\S.*?)(?: {2,}|$)", tree, re.MULTILINE):
        for one in name.split():
            assert (ROOT / one).exists(), one


def test_one_version_stands_everywhere() -> None:
    changelog = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())

    assert changelog is not None
    assert {changelog[1], project["version"], citation["version"]} == {clinpeft.__version__}


def test_no_page_names_a_path_of_a_machine_or_an_index_of_packages() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w.~])/(?:home|root|tmp|work|Users)/|pypi\.org|pythonhosted", page.read_text()), (
            page
        )
