"""Models from a hub: a small one on this machine's loopback that answers as the real one does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.models.catalogue import resolve
from clinpeft.models.fetch import Wanted, fetch, fetch_all, wanted_by
from clinpeft.models.lock import LOCK_FILE, read_lock
from clinpeft.spec import ModelChoice

FIRST, SECOND = "a" * 40, "b" * 40


class Hub(ThreadingHTTPServer):
    """Repositories by id, each with its files by revision; what was asked for is noted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.sent_instead: dict[str, bytes] = {}
        self.vanished: set[str] = set()
        self.asked: list[str] = []
        self.user_agents: list[str] = []


class Answer(BaseHTTPRequestHandler):
    protocol_version: ClassVar[str] = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        self.server.user_agents.append(str(self.headers["User-Agent"]))
        if path.startswith("/api/models/"):
            hub, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self.describe(hub, revision or "main")
        else:
            hub, _, rest = path.removeprefix("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            self.give(hub, revision, name)

    def describe(self, hub: str, revision: str) -> None:
        if hub in self.server.refusals:
            self.refuse(*self.server.refusals[hub])
            return
        if hub not in self.server.repositories:
            self.refuse(401, "RepoNotFound")
            return
        revisions = self.server.repositories[hub]
        commit = list(revisions)[-1] if revision == "main" else revision
        if commit not in revisions:
            self.refuse(404, "RevisionNotFound")
            return
        siblings = [described(name, content) for name, content in revisions[commit].items()]
        body = json.dumps({"id": hub, "modelId": hub, "sha": commit, "siblings": siblings}).encode()
        self.answer(200, body, {"Content-Type": "application/json"})

    def give(self, hub: str, revision: str, name: str) -> None:
        files = self.server.repositories.get(hub, {}).get(revision, {})
        if name not in files or name in self.server.vanished:
            self.refuse(404, "EntryNotFound")
            return
        content = self.server.sent_instead.get(name, files[name])
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": revision}
        self.answer(200, content, headers)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, b"", {"X-Error-Code": code})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: a test's output is its own."""


def described(name: str, content: bytes) -> dict[str, Any]:
    """As the hub does it: git's hash for all, SHA-256 for large files."""
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    facts: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
    if name.endswith("safetensors"):
        facts["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return facts


@pytest.fixture(scope="module")
def served() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture
def hub(served: Hub, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    files = {path.name: path.read_bytes() for path in tiny_model.iterdir() if path.is_file()}
    more = {"README.md": b"# read me", "pytorch_model.bin": b"\x80pickle", "onnx/model.onnx": b"onnx"}
    served.repositories = {"someone/tiny": {FIRST: {**files, **more}}}
    served.refusals, served.sent_instead, served.vanished = {}, {}, set()
    served.asked, served.user_agents = [], []
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{served.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return served


TINY = Wanted("someone/tiny", "tiny")


def test_a_model_is_fetched_without_pickles_and_locked_to_its_commit(hub: Hub, tmp_path: Path) -> None:
    fetched = fetch(TINY, tmp_path)

    names = {path.name for path in (tmp_path / "tiny").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not names & {"README.md", "pytorch_model.bin", "onnx", ".cache"}
    assert {path.name for path in tmp_path.iterdir()} == {"tiny", LOCK_FILE}
    entry = read_lock(tmp_path).models["tiny"]
    assert (entry.hub, entry.revision, entry) == ("someone/tiny", FIRST, fetched.locked)
    weights = (tmp_path / "tiny" / "model.safetensors").read_bytes()
    assert entry.hashes()["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert {file.path for file in entry.files} == names


FETCH = """
import sys
from pathlib import Path
from clinpeft.models.fetch import Wanted, fetch
fetch(Wanted("someone/tiny", "tiny"), Path(sys.argv[1]))
"""


def test_the_hub_is_asked_for_the_model_alone_and_told_nothing_of_this_machine(hub: Hub, tmp_path: Path) -> None:
    """huggingface_hub would ask once a day by which programs it may be called, and name them and torch's version."""
    nobody_objects = {"HF_HUB_DISABLE_TELEMETRY": "0", "DISABLE_TELEMETRY": "0", "DO_NOT_TRACK": "0"}
    environment = {**os.environ, **nobody_objects, "HF_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", FETCH, tmp_path / "models"], check=True, env=environment)

    assert hub.asked
    assert [path for path in hub.asked if "/someone/tiny" not in path] == []
    assert [words for words in hub.user_agents if "torch" in words or "agent" in words] == []


def test_the_lock_is_plain_json(hub: Hub, tmp_path: Path) -> None:
    fetch(TINY, tmp_path)
    lock = json.loads((tmp_path / LOCK_FILE).read_text())

    assert (lock["schema"], list(lock["models"])) == (1, ["tiny"])
    assert set(lock["models"]["tiny"]["files"][0]) == {"path", "bytes", "sha256"}


def test_what_is_there_is_not_fetched_again_nor_renewed(hub: Hub, tmp_path: Path) -> None:
    fetch(TINY, tmp_path)
    hub.repositories["someone/tiny"][SECOND] = hub.repositories["someone/tiny"][FIRST]
    hub.asked.clear()

    assert fetch(TINY, tmp_path).was_there
    assert hub.asked == []
    shutil.rmtree(tmp_path / "tiny")
    assert fetch(TINY, tmp_path).locked.revision == FIRST


def test_another_revision_takes_the_place_when_it_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    fetch(TINY, tmp_path)
    files = hub.repositories["someone/tiny"]
    files[SECOND] = {**files[FIRST], "config.json": files[FIRST]["config.json"] + b"\n"}
    fetched = fetch(Wanted("someone/tiny", "tiny", SECOND), tmp_path)

    assert fetched.locked.revision == read_lock(tmp_path).models["tiny"].revision == SECOND
    assert (tmp_path / "tiny" / "config.json").read_bytes().endswith(b"}\n\n")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_with_another_hash_is_not_kept(hub: Hub, tmp_path: Path, name: str) -> None:
    content = hub.repositories["someone/tiny"][FIRST][name]
    hub.sent_instead[name] = content[:-1] + b"!"

    with pytest.raises(EnvironmentStop, match=f"model 'someone/tiny': {name} came with another hash"):
        fetch(TINY, tmp_path)
    assert not (tmp_path / "tiny").exists()
    assert read_lock(tmp_path).models == {}
    hub.sent_instead.clear()
    assert not fetch(TINY, tmp_path).was_there


def test_a_damaged_file_is_fetched_again_and_only_that(hub: Hub, tmp_path: Path) -> None:
    fetch(TINY, tmp_path)
    (tmp_path / "tiny" / "model.safetensors").write_bytes(b"broken")

    assert not fetch(TINY, tmp_path).was_there
    assert (tmp_path / "tiny" / "model.safetensors").stat().st_size > 6


def test_what_was_cut_off_goes_on_with_the_files_that_are_left(hub: Hub, tmp_path: Path) -> None:
    names = list(hub.repositories["someone/tiny"][FIRST])
    hub.vanished.add("model.safetensors")
    with pytest.raises(EnvironmentStop, match="a file that the hub lists cannot be had from it"):
        fetch(TINY, tmp_path)
    assert not (tmp_path / "tiny").exists()
    hub.vanished.clear()
    hub.asked.clear()
    fetch(TINY, tmp_path)

    left = names[names.index("model.safetensors") :]
    taken = {path.name for path in (tmp_path / "tiny").iterdir()}
    asked = [line.rpartition("/")[2] for line in hub.asked if line.startswith("GET /someone")]
    assert asked == [name for name in left if name in taken]


@pytest.mark.parametrize(("status", "code"), [(403, "GatedRepo"), (401, "GatedRepo"), (401, ""), (403, "")])
def test_a_gated_model_says_how_to_get_it(hub: Hub, tmp_path: Path, status: int, code: str) -> None:
    hub.refusals["someone/tiny"] = (status, code)

    with pytest.raises(BadInput, match=r"ask for access on https://huggingface.co/someone/tiny, then set HF_TOKEN"):
        fetch(TINY, tmp_path)


def test_a_gated_row_of_the_catalogue_is_gated_to_strangers_too(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is given only to those who have accepted its terms"):
        list(fetch_all(["Llama-2-7b-hf"], tmp_path))


def test_a_model_that_is_not_there_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"model 'someone/nothing': is not on the hub, or not for you"):
        list(fetch_all(["someone/nothing"], tmp_path))
    with pytest.raises(BadInput, match=r"model 'someone/tiny': has no revision 'v9'"):
        list(fetch_all(["someone/tiny@v9"], tmp_path))


def test_weights_that_are_only_pickled_are_refused_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    del hub.repositories["someone/tiny"][FIRST]["model.safetensors"]

    with pytest.raises(BadInput, match="has its weights only as a pickle, which can run code"):
        fetch(TINY, tmp_path)
    assert not [asked for asked in hub.asked if "/resolve/" in asked]


def test_a_hub_that_cannot_be_reached_stops_the_work_for_now(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(EnvironmentStop, match="the hub cannot be reached"):
        fetch(TINY, tmp_path)


def test_a_folder_that_fetch_did_not_make_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    with pytest.raises(BadInput, match=r"tiny: is there, and models\.lock does not name it"):
        fetch(TINY, tmp_path)

    (tmp_path / "tiny").rmdir()
    fetch(TINY, tmp_path)
    with pytest.raises(BadInput, match="tiny: holds someone/tiny"):
        fetch(Wanted("other/tiny", "tiny"), tmp_path)


def test_a_study_finds_what_was_fetched_and_refuses_what_was_changed_since(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["prajjwal1/bert-tiny"] = hub.repositories.pop("someone/tiny")
    list(fetch_all(["bert-tiny"], tmp_path))
    monkeypatch.setenv("CLINPEFT_MODELS", str(tmp_path))
    found = resolve(ModelChoice(name="bert-tiny"), tmp_path)

    assert (found.folder, found.card.revision) == (tmp_path / "bert-tiny", FIRST)
    by_id = resolve(ModelChoice(name="far", hub="prajjwal1/bert-tiny", revision=FIRST), tmp_path)
    assert (by_id.folder, by_id.weights_sha256) == (found.folder, found.weights_sha256)
    lock = (tmp_path / LOCK_FILE).read_text()
    (tmp_path / LOCK_FILE).write_text(lock.replace(found.weights_sha256, "0" * 64))
    with pytest.raises(BadInput, match=r"its weights are not those that models\.lock names; remove the folder"):
        resolve(ModelChoice(name="bert-tiny"), tmp_path)


def test_weights_in_several_files_are_fetched_and_found(hub: Hub, tmp_path: Path) -> None:
    from safetensors.torch import load, save

    files = hub.repositories["someone/tiny"][FIRST]
    tensors = load(files.pop("model.safetensors"))
    half = len(tensors) // 2
    names = {
        "model-00001-of-00002.safetensors": list(tensors)[:half],
        "model-00002-of-00002.safetensors": list(tensors)[half:],
    }
    for name, members in names.items():
        files[name] = save({key: tensors[key] for key in members}, metadata={"format": "pt"})
    index = {key: name for name, members in names.items() for key in members}
    files["model.safetensors.index.json"] = json.dumps({"metadata": {}, "weight_map": index}).encode()
    fetch(TINY, tmp_path)

    found = resolve(ModelChoice(name="own", path=str(tmp_path / "tiny")), tmp_path)
    assert len(found.weights_sha256) == 64
    del files["model-00002-of-00002.safetensors"]
    with pytest.raises(BadInput, match=r"lacks files that its model\.safetensors\.index\.json names"):
        fetch(Wanted("someone/tiny", "again"), tmp_path)


def test_a_study_names_its_models_and_leaves_out_those_that_no_hub_brings(tmp_path: Path) -> None:
    study = {
        "name": "own",
        "question": "which?",
        "tasks": ["rqe"],
        "models": ["bert-tiny", "minilm-l6", {"name": "far", "hub": "someone/far", "revision": FIRST}, "./own"],
        "methods": ["lora"],
        "seeds": [0],
    }
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(study))

    assert [(one.hub, one.folder, one.revision) for one in wanted_by(str(path))] == [
        ("prajjwal1/bert-tiny", "bert-tiny", None),
        ("someone/far", "far", FIRST),
    ]


@pytest.mark.parametrize("name", ["bert-tinny", "../bert", "a/b/c", "/b"])
def test_a_name_that_says_nothing_is_refused_before_anything_is_fetched(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput):
        list(fetch_all(["bert-tiny", name], tmp_path / "models"))
    assert not (tmp_path / "models").exists()
