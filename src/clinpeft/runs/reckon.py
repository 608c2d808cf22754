"""What a run needs, from its sizes and shapes alone: nothing is loaded, trained or even at hand.

Rougher than a probe: for models whose weights are not here, for runs that would not fit, and where nobody wants to
wait.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from clinpeft.data.select import examples_of
from clinpeft.data.tokenize import LENGTH_STEP, num_outputs
from clinpeft.launchers.base import SharingLauncher
from clinpeft.launchers.local import Local
from clinpeft.methods.base import Context, method_of
from clinpeft.models.catalogue import ModelCard, ResolvedModel
from clinpeft.models.configuration import configuration, named
from clinpeft.models.load import ClinicalModel, from_config
from clinpeft.params.count import by_layer, one_batch
from clinpeft.runs.needs import Needs
from clinpeft.runs.prepared import prepare_examples
from clinpeft.runs.scoring import selection_size
from clinpeft.spec import RunSpec
from clinpeft.train.engine import CPU_PIECES, GPU_PIECES
from clinpeft.train.features import pieces_without_gradient
from clinpeft.train.flops import length_around, training_flops
from clinpeft.train.machine import pick_device, use_threads
from clinpeft.train.memory import Sizes, free_bytes, plan_memory, sizes_of, step_bytes
from clinpeft.train.precision import choose_precision

if TYPE_CHECKING:
    from clinpeft.data.dataset import TaskDataset

PIECES_A_WORD = 1.6
"""Of clinical text, where no tokenizer is at hand (BERT's needs 1.4 to 1.6, Llama's 1.6 to 1.9)."""
LIBRARY_BYTES = 620e6
"""Python with torch and transformers, and the kernels that a run makes; an estimate, not yet calibrated."""
EFFICIENCY = 0.35
"""Of the rate of one large matrix product, what a run with its small ones reaches; an estimate, not yet calibrated."""
SECONDS_A_STEP = 0.02
"""That a step takes besides its products: Python, norms, the optimiser; an estimate, not yet calibrated."""
BYTES_A_WEIGHT = {4: 0.516, 8: 1.002}
"""Of packed weights, their scales included, by bits."""
SECONDS_TO_LOAD = 10.0
"""Libraries, tokenising and a small model."""
BYTES_A_SECOND = 1e9
"""At which the weights of a large model are read."""
BYTES_A_SECOND_BETWEEN = {"cpu": 0.7e9, "cuda": 1e10}
"""At which shards of the weights come from another process: by gloo as measured in processor time; by NCCL an estimate,
not yet calibrated."""
LOCAL = Local()

Lengths = Mapping[str, Sequence[int]]
"""Word pieces of each text as it is read, by split."""


@dataclass(frozen=True)
class Shape:
    """A model with a method, in numbers."""

    frozen_matrices: int
    """Parameters of linear maps that do not train; they are kept in the run's number format."""
    frozen_layers: int
    """Of those, what lies in the layers, and is packed by a method that quantises."""
    frozen_rest: int
    trained: int
    adapter: int
    """Trained in the backbone or added to it."""
    training_flops: int
    """Of an epoch."""
    scoring_flops: int
    """Of one pass over the same texts without a gradient."""
    sizes: Sizes


def reckon(
    spec: RunSpec, dataset: TaskDataset, model: ResolvedModel, lengths: Lengths, launcher: SharingLauncher = LOCAL
) -> Needs:
    """What the run needs on this machine (on its GPU if it has one that torch can use).

    launcher: says over how many processes it is shared out. Memory of the host is then that of all, of a GPU that of
    the process on it.
    """
    device, options = pick_device(), spec.train
    processes, batch_size = launcher.processes_per_run, -(-options.batch_size // launcher.processes_per_run)
    use_threads(options.threads)
    precision = choose_precision(options.precision, device)
    number_bytes = 4 if precision == "fp32" else 2
    shape = shape_of(spec, model, num_outputs(dataset.card), lengths["train"], number_bytes)

    a_weight = BYTES_A_WEIGHT.get(getattr(method_of(spec.method), "bits", 0))
    packed = shape.frozen_layers if a_weight else 0
    frozen = (shape.frozen_matrices - packed) * number_bytes + 4 * shape.frozen_rest
    gathered = 0.0
    if launcher.shard_weights:
        a_layer = (shape.frozen_layers - packed) * number_bytes / shape.sizes.num_layers
        gathered = max(3 * a_layer, 8 * shape.frozen_rest)
    held = frozen / processes if launcher.shard_weights else frozen
    weights = held + gathered + packed * (a_weight or 0.0) + 4 * shape.trained
    load = 4.0 * (shape.frozen_matrices + shape.frozen_rest + shape.trained)
    on_gpu = device.type == "cuda"
    before = weights if launcher.shard_weights and on_gpu else load
    step = _working_bytes(shape, batch_size, max(lengths["train"]), device, before, processes)
    host = processes * (LIBRARY_BYTES + (load if on_gpu else max(load, weights + step)))

    rate = EFFICIENCY * matrix_rate(device.type, precision)
    steps = -(-len(lengths["train"]) // options.batch_size)
    # A machine's cores are the same for one process or many; GPUs are not.
    epoch = shape.training_flops / rate / (processes if on_gpu else 1) + steps * SECONDS_A_STEP
    if launcher.shard_weights:
        # Once forward and once backward.
        epoch += 2 * steps * (frozen - held) / BYTES_A_SECOND_BETWEEN[device.type]
    is_kept = not shape.sizes.trains_backbone
    scoring = shape.scoring_flops / rate / max(1, sum(lengths["train"]))
    validation, test = sum(lengths["validation"]), sum(lengths["test"])
    share = selection_size(options, len(lengths["validation"])) / max(1, len(lengths["validation"]))
    return Needs(
        setup_seconds=SECONDS_TO_LOAD + load / BYTES_A_SECOND,
        first_epoch_seconds=epoch,
        epoch_seconds=steps * SECONDS_A_STEP if is_kept else epoch,
        steps_an_epoch=steps,
        epoch_evaluation_seconds=scoring * validation * share,
        final_evaluation_seconds=scoring * (validation + test),
        peak_host_bytes=host,
        peak_device_bytes=weights + step if on_gpu else None,
        watts=None,
        adapter_bytes=4.0 * shape.trained,
        trained_parameters=shape.trained,
        weights_bytes=weights,
        load_bytes=load,
        working_bytes=step,
    )


def text_lengths(spec: RunSpec, dataset: TaskDataset, model: ResolvedModel) -> Lengths:
    """Of the run's texts as the model reads them; from their words where its tokenizer is not at hand."""
    length = method_of(spec.method).text_length(spec.train.max_length, model.card)
    options = spec.train
    if (model.folder / "tokenizer.json").is_file() or (model.folder / "vocab.txt").is_file():
        chosen = spec.subset, spec.fold, spec.validated_on
        prepared = prepare_examples(dataset, model, length, options.long_text, *chosen)
        return {name: [item.num_pieces for item in items] for name, items in prepared.encoded.items()}
    cut = length if options.long_text != "windows" else model.card.max_positions * 1_000
    splits = examples_of(dataset, spec.subset, spec.fold, spec.validated_on)
    return {
        name: [min(cut, round(PIECES_A_WORD * _words(example)) + 2) for example in examples]
        for name, examples in splits.items()
    }


def shape_of(spec: RunSpec, model: ResolvedModel, num_labels: int, lengths: Sequence[int], number_bytes: int) -> Shape:
    """Counted on torch's meta device, where tensors have shapes only. lengths: of the training texts."""
    config = named(str(model.folder))[1] if (model.folder / "config.json").is_file() else configuration(model.card)

    def adapted(card: ModelCard) -> ClinicalModel:
        network = from_config(copy.deepcopy(config), card, spec.kind, num_labels, 0)
        return method_of(spec.method).apply(network, card, Context(0, spec.kind, 100, lambda: iter([one_batch()])))

    def measure(card: ModelCard) -> tuple[int, ...]:
        return _measured(adapted(card), lengths, number_bytes)

    found = by_layer(measure, model.card)
    matrices, layers, rest, trained, adapter, training, scoring, hidden, intermediate, heads, trains, virtual = found
    return Shape(
        frozen_matrices=matrices,
        frozen_layers=layers,
        frozen_rest=rest,
        trained=trained,
        adapter=adapter,
        training_flops=training,
        scoring_flops=scoring,
        sizes=Sizes(
            num_layers=model.card.num_layers,
            hidden=hidden,
            intermediate=intermediate,
            num_heads=heads,
            number_bytes=number_bytes,
            num_trained=trained,
            trains_backbone=bool(trains),
            num_virtual=virtual,
        ),
    )


def _measured(network: ClinicalModel, lengths: Sequence[int], number_bytes: int) -> tuple[int, ...]:
    """Numbers of which each grows by the same with every layer."""
    trained = sum(part.numel() for part in network.parameters() if part.requires_grad)
    adapter = sum(part.numel() for part in network.backbone.parameters() if part.requires_grad)
    matrices = layers = 0
    suffix = f".{network.card.architecture().layers}."
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and not module.weight.requires_grad:
            matrices += module.weight.numel()
            layers += module.weight.numel() if suffix in f".{name}" else 0
    rest = sum(part.numel() for part in network.parameters()) - trained - matrices
    sizes = sizes_of(network, number_bytes)
    flops = training_flops(network, sum(lengths), length_around(lengths), network.card, examples=len(lengths))
    network.requires_grad_(False)
    scoring = training_flops(network, sum(lengths), length_around(lengths), network.card, examples=len(lengths))
    counts = matrices, layers, rest, trained, adapter, int(flops.value or 0), int(scoring.value or 0)
    return (*counts, sizes.hidden, sizes.intermediate, sizes.num_heads, int(sizes.trains_backbone), sizes.num_virtual)


def _working_bytes(
    shape: Shape, batch_size: int, longest: int, device: torch.device, load: float, processes: int = 1
) -> float:
    """What training or scoring takes beside the weights, with the parts that the engine would choose here."""
    longest = -(-longest // LENGTH_STEP) * LENGTH_STEP
    most = CPU_PIECES if device.type == "cpu" else GPU_PIECES
    room = max(0, free_bytes(device) // (processes if device.type == "cpu" else 1) - int(load))
    plan = plan_memory(shape.sizes, room, most, longest, batch_size)
    pieces = max(longest, min(plan.pieces_at_once, batch_size * longest))
    training = step_bytes(shape.sizes, pieces, longest, plan.recomputes)
    layer = 10 * shape.sizes.hidden + 2 * shape.sizes.intermediate
    return max(float(training), float(pieces_without_gradient(device) * layer * shape.sizes.number_bytes))


@cache
def matrix_rate(device: str, precision: str) -> float:
    """Floating-point operations a second of one large matrix product here: the best of a few, in less than a second."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    size = 4096 if device == "cuda" else 768
    left, right = (torch.ones(size, size, dtype=dtype, device=device) for _ in range(2))
    best = 0.0
    for _ in range(5):
        start = time.monotonic()
        product: Any = left @ right
        float(product[0, 0])
        best = max(best, 2 * size**3 / max(1e-9, time.monotonic() - start))
    return best


def _words(example: Any) -> int:
    return len(example.text.split()) + len((example.text_b or "").split())
