"""The RunSpecs that a study comes to, and a run's identity."""

from __future__ import annotations

from pydantic import Field

from clinpeft.frozen import Frozen, fingerprint
from clinpeft.spec.examples import Subset, ValidationChoice
from clinpeft.spec.names import BASELINES, Kind, Name, Scalar
from clinpeft.spec.training import TrainOptions


class MethodSpec(Frozen):
    """A method with every option written out."""

    name: Name
    options: dict[str, Scalar] = Field(default_factory=dict)


class RunSpec(Frozen):
    """One run, resolved: every default is written out and `train.learning_rate` is a number."""

    task: Name
    kind: Kind
    model: Name
    """Catalogue or study name of the model; `none` for a baseline that reads with none."""
    method: MethodSpec
    train: TrainOptions
    seed: int
    fold: int | None = None
    validation: ValidationChoice | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether nothing of a model is tuned."""
        return self.method.name in BASELINES

    @property
    def subset(self) -> Subset | None:
        """The draw of training examples, its seed a number."""
        subset = self.train.subset
        return subset.model_copy(update={"seed": self.seed}) if subset and subset.seed == "run" else subset

    @property
    def validated_on(self) -> ValidationChoice | None:
        """Where not on the dataset's validation split; its seed a number."""
        chosen = self.validation
        return chosen.model_copy(update={"seed": self.seed}) if chosen and chosen.seed == "run" else chosen

    def describe(self) -> str:
        """A line for people: `ncbi-disease · minilm-l6 · lora · seed 1`."""
        fold = "" if self.fold is None else f" · fold {self.fold}"
        subset = self.train.subset
        drawn = "" if subset is None else f" · {subset.total or subset.per_class}{'' if subset.total else ' a class'}"
        return f"{self.task} · {self.model} · {self.method.name}{drawn} · seed {self.seed}{fold}"


class Identity(Frozen):
    """What a run's result depends on beside its spec."""

    dataset: str
    """The dataset's fingerprint."""
    weights_sha256: str | None
    """Of the base model's weights; null where none is used."""
    code: str
    """Version of the training code."""


LATER: dict[str | None, dict[str, Scalar]] = {
    None: {"validation": None},
    "train": {
        "schedule": "linear",
        "time_limit_counts": "training",
        "judge": None,
        "order_seed": None,
        "dropout": "none",
    },
}
"""Keys of a spec, and of its training options, that run ids hold only where they differ from this."""
LATER_OPTIONS: dict[str, Scalar] = {"projections": "query-value"}
"""The same, of method options."""


def run_id(spec: RunSpec, identity: Identity) -> str:
    """First 16 hex digits of the SHA-256 over the resolved spec and its identity.

    Threads and grouping stay outside: they change how fast a run is, not what it is. So does what clinpeft learned to
    vary later, where it is as it always was: the ids of older runs hold.
    """
    plain = spec.model_dump(mode="json")
    for outside in ("threads", "group"):
        plain["train"].pop(outside)
    for part, later in LATER.items():
        inner = plain if part is None else plain[part]
        for key, usual in later.items():
            if key in inner and inner[key] == usual:
                inner.pop(key)
    for key, usual in LATER_OPTIONS.items():
        if plain["method"]["options"].get(key) == usual:
            plain["method"]["options"].pop(key)
    return fingerprint({"spec": plain, "identity": identity.model_dump(mode="json")})[:16]
