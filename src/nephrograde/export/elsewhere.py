"""A model for other programs: its ONNX graph alone, its weights for plain torch, or a MONAI bundle."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.arguments import PATH, TEXT, checked, either
from nephrograde.errors import GraderError, InputError, Problem
from nephrograde.evaluation.scores.prevalence import EDGE, log_odds
from nephrograde.export.archive import as_json
from nephrograde.export.grader_file import read_grader_file, read_members
from nephrograde.export.loading import check_model, named
from nephrograde.export.onnx.metadata import with_metadata
from nephrograde.export.pack import Packing
from nephrograde.predict.loading import RUN
from nephrograde.predict.scored import Scored
from nephrograde.replacement import check_replaceable, replaced
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.export.contents import Card, Decision, Members, Preprocessing

TORCH_FORMAT = "nephrograde-torch-1"
_REINSTALL = "Install another version of torch."


@checked(
    source=either(PATH, Results, RunFolder, remedy="Give a grader file or the folder of a run, as a str or Path."),
    out=PATH,
    model=either(TEXT, type(None), remedy="Give the id of a model, or None."),
)
def export_onnx(source: Results | RunFolder | str | Path, out: str | Path, *, model: str | None = None) -> Path:
    """Write the ONNX graph of a model alone, and beside it a JSON file of what is done before and after it.

    The header of the ONNX file holds the same JSON. What is not in the graph (cutting and windowing the region, the
    call) is left to whoever uses it. A grader file needs neither onnx nor torch here.

    Args:
        source: A grader file, or the folder of a run.
        out: The file, which ends in ``.onnx``; the JSON has the same name and ends in ``.json``. Older ones are
            replaced.
        model: Like ``weak-1-cmp``; a grader file holds one model, which need not be named.

    Returns:
        The path of the ONNX file.

    Raises:
        InputError: The file does not end in ``.onnx``, or the model is missing or another one.
        RunError: The run has no such model, has not been evaluated, or was altered since.
        GraderError: The grader file cannot be used, or the model is of a kind that has no graph.
        WriteError: A file cannot be written.
    """
    path = _target(out, ".onnx", "--onnx")
    check_replaceable(path.with_suffix(".json"))
    file = _members(source, model)
    described = _described(file.preprocessing, file.decision, file.card)
    entries = {name: one if isinstance(one, str) else json.dumps(one) for name, one in described.items()}
    with replaced(path) as temporary_path:
        temporary_path.write_bytes(with_metadata(file.graph, entries))
    with replaced(path.with_suffix(".json")) as temporary_path:
        temporary_path.write_bytes(as_json(described))
    return path


@checked(run=RUN, model=TEXT, out=PATH)
def export_torch(run: Results | RunFolder | str | Path, model: str, out: str | Path) -> Path:
    """Write the networks of a model as one safetensors file, for plain torch.

    The names of the weights are torchvision's, after ``fold-0.`` and so on; settings and scale are JSON in the header.
    A safetensors file holds no code and nothing that is run when it is loaded, unlike pickles and, because loading one
    may fall back to a pickle, the ``.pt2`` files of ``torch.export``. The file is written only if it gives the
    probabilities of the networks that were evaluated, on random pictures, within 10⁻⁴.

    Args:
        run: The folder of the run, or its results where they have been read.
        model: Like ``weak-1-cmp``.
        out: The file, which ends in ``.safetensors``; an older one is replaced.

    Returns:
        The path of the file.

    Raises:
        InputError: The file does not end in ``.safetensors``.
        RunError: The run has no such model, has not been evaluated, or was altered since.
        GraderError: The model joins phases or values, or is not a trained ResNet-18.
        WriteError: The file cannot be written.
    """
    from safetensors.numpy import save

    from nephrograde.export.standalone.ensemble import KEY

    path = _target(out, ".safetensors", "--torch")
    packing = Packing(run, model)
    check_single(packing, "--torch")
    settings = torch_settings(packing)
    packing.compare_with(torch_score(packing, settings), what="The torch file", remedy=_REINSTALL)
    raw = save(arrays_of(packing), metadata={KEY: json.dumps(settings, sort_keys=True)})
    with replaced(path) as temporary_path:
        temporary_path.write_bytes(raw)
    return path


def check_single(packing: Packing, option: str) -> None:
    """Refuse what the network in plain torch is not.

    Args:
        packing: The model.
        option: What is asked for, for messages.

    Raises:
        GraderError: The model joins phases or values, or has a frozen encoder.
    """
    if packing.own.fusion is None and packing.cards[0].encoder is None:
        return
    raise GraderError(
        f"{packing.own.id} cannot be exported with {option}, which holds trained networks of one phase alone. Export "
        "it with --onnx."
    )


def torch_settings(packing: Packing) -> dict[str, Any]:
    """Return what the network in plain torch needs beside its weights, and what is done before and after it.

    Args:
        packing: A model that joins nothing.
    """
    card, scale = packing.cards[0], packing.scale
    lines = [{name: getattr(one, name) for name in ("prior_shift", "slope", "intercept")} for one in scale.rows]
    return {
        **_described(packing.preprocessing(), packing.decision(), packing.card()),
        "format": TORCH_FORMAT,
        "dimensions": card.dimensions,
        "channels": card.channels,
        "has_mask": card.has_mask,
        "shortcut": card.kind.shortcut,
        "pooling": card.pooling,
        "centre": card.kind.centre,
        "spread": card.kind.spread,
        "folds": [one.fold for one in packing.cards],
        "largest_log_odds": log_odds(1.0 - EDGE),
        "scale": {"folds": lines[:-1], "ensemble": lines[-1]},
    }


def arrays_of(packing: Packing) -> dict[str, Any]:
    """Return the weights of all folds by name, in the order of memory.

    Args:
        packing: The model.
    """
    folds = zip(packing.cards, packing.weights.values(), strict=True)
    return {
        f"fold-{card.fold}.{name}": np.ascontiguousarray(array)
        for card, weights in folds
        for name, array in weights.items()
    }


def torch_score(packing: Packing, settings: dict[str, Any]) -> Callable[..., Scored]:
    """Return what scores pictures with the network in plain torch.

    Args:
        packing: The model.
        settings: Of the network.
    """
    import torch

    from nephrograde.export.standalone.ensemble import Ensemble

    ensemble = Ensemble(settings)
    ensemble.folds.load_state_dict({name: torch.from_numpy(one) for name, one in arrays_of(packing).items()})
    ensemble.eval()

    def score(pictures: Any, *_: object) -> Scored:
        with torch.inference_mode():
            p_high, *of_folds = ensemble(torch.from_numpy(np.asarray(pictures, np.float32)))[0].tolist()
        return Scored(p_high, tuple(of_folds))

    return score


def _described(preprocessing: Preprocessing, decision: Decision, card: Card) -> dict[str, Any]:
    """What is done before and after the network, and what the model is."""
    return {
        "model": preprocessing.model,
        "research_use_only": RESEARCH_USE_ONLY,
        "preprocessing": asdict(preprocessing),
        "decision": asdict(decision),
        "card": asdict(card),
    }


def _members(source: Results | RunFolder | str | Path, model: str | None) -> Members:
    """The members of a grader file, or of a run as they would be packed, compared with its networks."""
    if isinstance(source, str | Path) and Path(source).is_file():
        file = read_grader_file(source)
        check_model(model, file, place="--model")
        return file
    packing = Packing(source, named(model, place="--model"))
    found = read_members(packing.path, packing.members())
    packing.compare(found)
    return found


def _target(out: str | Path, suffix: str, option: str) -> Path:
    """The file to write, before any work is done."""
    path = Path(out)
    if path.suffix.lower() != suffix:
        what = f"{path} does not end in {suffix}"
        raise InputError([Problem(option, what, "Name the file with this ending.")])
    check_replaceable(path)
    return path
