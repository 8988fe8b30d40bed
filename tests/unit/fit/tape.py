"""What a CUDA graph does, on a CPU: the operations that a work consists of, recorded and done again on the same memory.

As with a graph, numbers that Python passed to an operation are fixed when it is recorded, tensors are read again, and
recording leaves everything as it was. Operations that cannot be captured are refused: those that make the processor
wait for the device, whose output has a shape that depends on values, or that draw random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], object]

REFUSED = (
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
    torch.Tag.nondeterministic_seeded,
)


class Recorder:
    """Takes the place of a CUDA graph; counts what is captured and replayed."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed = 0

    def __call__(self, work: Work) -> Work:
        """Record a work without doing it, and return what does it."""
        tape = _Tape()
        try:
            with tape:
                work()
        finally:
            tape.undo()
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            tape.run()

        return replay


class _Tape(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Any]]] = []
        self.before: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _is_refused(func, args):
            raise RuntimeError(f"{func}: operation not permitted when stream is capturing")
        for tensor in _written(func, args, kwargs):
            self.before.append((tensor, tensor.clone()))
        given = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, tree_leaves(given)))
        return given

    def undo(self) -> None:
        """Bring all tensors back to what they were before the recording."""
        with torch.no_grad():
            for tensor, value in reversed(self.before):
                tensor.copy_(value)
        self.before.clear()

    def run(self) -> None:
        """Do the recorded operations; their results go where they went in the recording."""
        with torch.no_grad():
            for func, args, kwargs, results in self.operations:
                for result, again in zip(results, tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(result, torch.Tensor) and result.data_ptr() != again.data_ptr():
                        result.copy_(again)


def _is_refused(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation cannot be captured; one that collects by numbers can, one that collects by a mask cannot."""
    if func.overloadpacket is torch.ops.aten.index:
        return any(isinstance(one, torch.Tensor) and one.dtype is torch.bool for one in tree_leaves(args[1]))
    return any(tag in func.tags for tag in REFUSED)


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors that an operation changes."""
    found = []
    is_norm = "batch_norm" in str(func) and "backward" not in str(func)  # its schema does not tell
    for position, argument in enumerate(func._schema.arguments):
        value = args[position] if position < len(args) else kwargs.get(argument.name)
        writes = argument.alias_info is not None and argument.alias_info.is_write
        if writes or (is_norm and argument.name.startswith("running")):
            found += [one for one in tree_leaves(value) if isinstance(one, torch.Tensor)]
    return found
