"""A training step by several processes: each computes the gradient of its share of the batch, and they are added up.

One process leads: it alone has the optimiser, the schedule, the checkpoints and the scores. Before every step it sends
out which batch comes next and the parameters that train; after it the others send back their gradients and losses.
Where the frozen weights lie in shards (train/sharding.py) all go in step: as many passes of each, and when the leader
scores the others go along.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from clinpeft.data.batch import Batch

INTERFACE = "GLOO_SOCKET_IFNAME"
"""The environment variable that tells where to listen."""
JOIN_SECONDS = 120.0
"""In which the leader, who comes when all are there, must find the others."""
NEVER = timedelta(days=365)
"""One that has ended is noticed by itself; a long judgement is no reason to give up."""
WAIT_SHARE = 0.02
"""Between two looks at whether the others are done, of the time waited so far: neither late nor busy."""
MOST_WAIT_SECONDS = 5.0
END, STEP, PASS = range(3)
"""What the leader orders: to stop, to compute a share of a batch, to take a pass with it."""


class Shares:
    """Who takes which part of a batch. This one: everything is this process's."""

    rank, size = 0, 1
    is_in_step = False
    """Whether all processes take every pass together."""

    def begin(self, trained: Sequence[torch.nn.Parameter]) -> None:
        """Before the first step, with the parameters that train."""

    def hand_out(self, epoch: int, number: int, scale: float) -> None:
        """Before the step on batch `number` of an epoch; scale: what its loss is multiplied by before the backward."""

    def of(self, batch: Batch) -> Batch | None:
        """This process's examples; None where there are fewer examples than processes."""
        return batch.share(self.rank, self.size)

    def parts(self, batch: Batch, max_pieces: int) -> Iterator[tuple[Batch, float]]:
        """This process's examples, at most `max_pieces` word pieces at a time, each with the 1 that it counts.

        Who goes in step with others that have more parts goes along with the batch's first example, which counts 0.
        """
        own = self.of(batch)
        yield from ((part, 1.0) for part in (own.parts(max_pieces) if own else ()))
        if self.is_in_step:
            numbers = [_num_parts(batch.share(rank, self.size), max_pieces) for rank in range(self.size)]
            yield from ((next(batch.parts(1)), 0.0) for _ in range(max(numbers) - numbers[self.rank]))

    def gather(self, loss: float) -> float:
        """After the backward pass: the loss, and in the parameters the gradient, of the whole batch."""
        return loss


ALONE = Shares()


class Leading(Shares):
    """The leader's view. `listen` raises what has befallen another process, where anything has; asked while it waits,
    with the seconds that it may take."""

    def __init__(self, size: int, listen: Callable[[float], None], *, is_in_step: bool = False) -> None:
        self.size, self.listen, self.is_in_step = size, listen, is_in_step
        self._wire: _Wire | None = None

    def begin(self, trained: Sequence[torch.nn.Parameter]) -> None:
        self._wire = _Wire(trained)

    def hand_out(self, epoch: int, number: int, scale: float) -> None:
        assert self._wire is not None
        self.wait(self._wire.send_order(_Order(STEP, epoch, number, scale)))

    def call_along(self) -> None:
        """Before a pass that is not part of a step: the others take it too."""
        assert self._wire is not None
        self.wait(self._wire.send_order(_Order(PASS)))

    def gather(self, loss: float) -> float:
        assert self._wire is not None
        self._wire.put_gradients(loss)
        self.wait(self._wire.add_up())
        return self._wire.take_gradients()

    def end(self) -> distributed.Work | None:
        """No step comes any more: the others may go. Waited for by who hears that they went: here, one that is gone at
        once would be taken for lost."""
        return None if self._wire is None else self._wire.send_order(_Order(END))

    def wait(self, work: distributed.Work) -> None:
        """Until a message has passed. A signal, and what another process says, are noticed: the library's own wait
        hears neither."""
        start = time.monotonic()
        while not work.is_completed():
            waited = time.monotonic() - start
            self.listen(min(MOST_WAIT_SECONDS, WAIT_SHARE * waited + 5e-5))
        try:
            work.wait()
        except RuntimeError:
            self.listen(10.0)  # The connection is lost before the process has quite ended.
            raise


class Following(Shares):
    """Another process's view: it does what the leader says until that says that it is enough."""

    def __init__(
        self, rank: int, size: int, trained: Sequence[torch.nn.Parameter], go_along: Callable[[], None] | None = None
    ) -> None:
        """go_along: takes a pass with the leader; None where the processes do not go in step."""
        self.rank, self.size, self.is_in_step = rank, size, go_along is not None
        self._go_along = go_along or (lambda: None)
        self._wire = _Wire(trained)

    def steps(self, stream: Callable[[int], Iterator[Batch]], seed: int) -> Iterator[tuple[Batch, float]]:
        """The batches to compute a share of, and what their loss is multiplied by; parameters are the leader's then.

        A step's random numbers (dropout) follow from the seed, this process and the step, so that a run that is gone
        on with draws the same.
        """
        epoch, number = -1, 0
        batches: Iterator[Batch] = iter(())
        while (order := self._wire.receive_order()).kind != END:
            if order.kind == PASS:
                self._go_along()
                continue
            if (epoch, number) != (order.epoch, order.number):
                epoch, number = order.epoch, order.number
                batches = itertools.islice(stream(epoch), number, None)
            torch.manual_seed(int(np.random.SeedSequence([seed, self.rank, epoch, number]).generate_state(1)[0]))
            yield next(batches), order.scale
            number += 1

    def gather(self, loss: float) -> float:
        self._wire.put_gradients(loss)
        self._wire.add_up().wait()
        return loss


def join(meeting: Path, rank: int, size: int) -> None:
    """Meet the other processes of a run, which are all on this machine, by a file that none has used before.

    Over the loopback, by the processor: a GPU's gradients pass through its memory (docs/decisions/0027).
    """
    store = distributed.FileStore(str(meeting), size)  # type: ignore[attr-defined]
    store.set_timeout(timedelta(seconds=JOIN_SECONDS) if rank == 0 else NEVER)
    before = os.environ.get(INTERFACE)
    os.environ[INTERFACE] = "lo"
    try:
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=NEVER)
    finally:
        os.environ.pop(INTERFACE)
        if before is not None:
            os.environ[INTERFACE] = before


def leave() -> None:
    """Part from the others, if this process is with any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


@dataclass(frozen=True)
class _Order:
    kind: int
    epoch: int = 0
    number: int = 0
    scale: float = 1.0


class _Wire:
    """What travels: all parameters that train and an order in one piece, and their gradients and the loss in another.

    Beside the gradients stands how many processes have one for each parameter: where none has, the optimiser must
    not be given zeros.
    """

    def __init__(self, trained: Sequence[torch.nn.Parameter]) -> None:
        self.trained = trained
        self.sizes = [parameter.numel() for parameter in trained]
        self.values = torch.empty(sum(self.sizes) + 4)
        self.gradients = torch.empty(sum(self.sizes) + len(trained) + 1)

    def send_order(self, order: _Order) -> distributed.Work:
        numbers = torch.tensor([order.kind, order.epoch, order.number, order.scale], dtype=torch.float32)
        flat = [parameter.detach().reshape(-1) for parameter in self.trained]
        self.values[:-4].copy_(torch.cat(flat))
        self.values[-4:] = numbers
        return _under_way(distributed.broadcast(self.values, 0, async_op=True))

    def receive_order(self) -> _Order:
        distributed.broadcast(self.values, 0)
        with torch.no_grad():
            for parameter, value in zip(self.trained, torch.split(self.values[:-4], self.sizes), strict=True):
                parameter.copy_(value.view_as(parameter))
        kind, epoch, number, scale = self.values[-4:].tolist()
        return _Order(int(kind), int(epoch), int(number), scale)

    def put_gradients(self, loss: float) -> None:
        *parts, counts, total = self._parts()
        for parameter, part, count in zip(self.trained, parts, counts.unbind(), strict=True):
            gradient = parameter.grad
            part.zero_() if gradient is None else part.copy_(gradient.reshape(-1))
            count.fill_(gradient is not None)
            parameter.grad = None
        total.fill_(loss)

    def add_up(self) -> distributed.Work:
        return _under_way(distributed.reduce(self.gradients, 0, async_op=True))

    def take_gradients(self) -> float:
        *parts, counts, total = self._parts()
        for parameter, part, count in zip(self.trained, parts, counts.tolist(), strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.device, copy=True) if count else None
        return float(total)

    def _parts(self) -> tuple[torch.Tensor, ...]:
        return torch.split(self.gradients, [*self.sizes, len(self.sizes), 1])


def _num_parts(share: Batch | None, max_pieces: int) -> int:
    return sum(1 for _ in share.parts(max_pieces)) if share else 0


def _under_way(work: distributed.Work | None) -> distributed.Work:
    assert work is not None, "this process is not with the others"
    return work
