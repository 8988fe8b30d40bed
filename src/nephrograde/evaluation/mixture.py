"""Networks that must not be compared, because they were fitted in different ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.errors import RunError
from nephrograde.model.card import read_card

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nephrograde.run.fold_folder import FoldFolder


def refuse_mixture(folds: Iterable[FoldFolder]) -> None:
    """Refuse networks that different numbers of processes have fitted together.

    Where several processes share a batch, each of them takes the batch norm of its own share: networks differ by their
    number, as by a smaller batch, and a difference between models could be nothing else.

    Args:
        folds: The fitted networks of one comparison, those of repeats among them.

    Raises:
        RunError: The numbers differ; one network of each is named.
    """
    found: dict[int, str] = {}
    for fold in folds:
        processes = read_card(fold.card_path).processes
        if processes is not None:
            found.setdefault(processes, fold.name)
    if len(found) > 1:
        told = ", ".join(f"{name} by {number}" for number, name in sorted(found.items()))
        raise RunError(
            f"The networks were not fitted by the same number of processes each ({told}), and are not compared. "
            "Fit them with the same fit.devices and fit.nodes, on machines with the same number of GPUs if fit.devices "
            "is -1."
        )
