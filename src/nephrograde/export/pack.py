"""Pack a model of a finished run into one file, after comparing it with the networks that were evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nephrograde.arguments import PATH, TEXT, checked
from nephrograde.errors import GraderError, InputError, Problem
from nephrograde.export.agreement import FROZEN
from nephrograde.export.archive import read_archive, write_archive
from nephrograde.export.contents import CARD, COHORT_RANGE, DECISION, GRAPH, PREPROCESSING, written
from nephrograde.export.description import picture_size
from nephrograde.export.facts import card_of, decision_of, preprocessing_of
from nephrograde.export.grader_file import read_members
from nephrograde.export.onnx.scorer import OnnxScorer
from nephrograde.model.card import parse_card
from nephrograde.model.weights_file import parse_weights
from nephrograde.predict.learnt_range import missing_regions, range_of
from nephrograde.predict.loading import RUN, load_grader
from nephrograde.predict.networks import SealedNetworks
from nephrograde.replacement import check_replaceable
from nephrograde.results import Results
from nephrograde.sample.channels import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from nephrograde.cohort.clinical import Value
    from nephrograde.evaluation.scores.scale import ModelScale
    from nephrograde.export.contents import Card, Decision, Members, Preprocessing
    from nephrograde.model.encoders.described import DescribedEncoder
    from nephrograde.model.weights_file import Weights
    from nephrograde.predict.scored import Scored
    from nephrograde.run.folder import RunFolder
    from nephrograde.run.seal import Seal

CLOSE = 1e-4
"""The graph and the networks may differ by this much in any probability."""
MOST_BYTES = 2_000_000_000
"""No ONNX file can be larger than 2 GB."""
_ROWS = (1, 3)
"""Pictures of the patients on whom both are compared."""


@checked(run=RUN, model=TEXT, out=PATH)
def pack(run: Results | RunFolder | str | Path, model: str, out: str | Path) -> Path:
    """Pack a model of a finished run into one file that grades new patients without torch and without the run.

    The file holds the networks of all folds as one ONNX graph, what is done before and after it as data, and what the
    model is worth. It is written only if the graph gives the probabilities of the networks that were evaluated, on
    random pictures, within 10⁻⁴.

    Args:
        run: The folder of the run, or its results where they have been read.
        model: Like ``weak-1-cmp``.
        out: The file; an older grader file of that name is replaced.

    Returns:
        The path of the file.

    Raises:
        InputError: An argument is of another kind, or ``out`` is a file that is no grader file.
        RunError: The run has no such model, has not been evaluated, or was altered since; or ``out`` is a folder.
        GraderError: The model is of a kind that cannot be packed, or ``onnx`` is not installed.
        WriteError: The file cannot be written.
    """
    return pack_model(run, model, Path(out)).path


@dataclass(frozen=True, slots=True)
class Packed:
    """A grader file that was written.

    Attributes:
        path: The file.
        sha256: Of the whole file.
        warnings: What it lacks, and what to do about it.
    """

    path: Path
    sha256: str
    warnings: tuple[str, ...]


def pack_model(run: Results | RunFolder | str | Path, model: str, out_path: Path) -> Packed:
    """Pack a model as :func:`pack` does, and say what the file lacks.

    Args:
        run: The folder of the run, or its results.
        model: Like ``weak-1-cmp``.
        out_path: The file.

    Raises:
        NephrogradeError: As :func:`pack`.
    """
    _check_target(out_path)
    packing = Packing(run, model)
    members = packing.members()
    packing.compare(read_members(packing.path, members))
    sha256 = write_archive(out_path, members)
    return Packed(out_path, sha256, packing.warnings())


class Packing:
    """One model of a run that others can take.

    Attributes:
        study: The study of the run.
        own: The model.
        seal: Of the run.
        scale: How the log odds of its networks are rescaled.
        cards: Of its networks, by fold.
    """

    def __init__(self, run: Results | RunFolder | str | Path, model: str) -> None:
        results = run if isinstance(run, Results) else Results.read(run)
        grader = load_grader(results, model)
        networks, study = grader.scorer, grader.study
        self._results, self._grader, self.study = results, grader, study
        self.own = next(one for one in study.models() if one.id == model)
        if not isinstance(networks, SealedNetworks):
            raise GraderError(
                f"{model} joins the scores of other models and has no networks of its own, so it cannot be packed. "
                f"Pack one of {', '.join(self.own.parts.values())}, or a model of early or intermediate fusion."
            )
        self.seal: Seal = networks.seal
        self.scale: ModelScale = networks.scale
        self._folds = self.seal.folds(model)
        self.cards = [parse_card(self.seal.read(fold.card_path), fold.card_path) for fold in self._folds]
        self._check_kind()

    def _check_kind(self) -> None:
        """Refuse what has no graph, before anything is read or written."""
        encoders = [card.encoder for card in self.cards]
        if encoders == [None] * len(encoders) and all(card.kind.architecture == "resnet18" for card in self.cards):
            return
        frozen = encoders[0]
        is_one = encoders == encoders[:1] * len(encoders)
        if frozen is not None and is_one and frozen.encoder.architecture in FROZEN:
            return
        raise GraderError(
            f'{self.own.id} cannot be packed yet: its network is "{self.own.arm.network}". Pack a model whose '
            "network is a trained ResNet-18, or a frozen EfficientNet-Lite0."
        )

    @cached_property
    def weights(self) -> dict[Path, Weights]:
        """The weights of each fold by their file, verified; read once."""
        paths = [fold.weights_path for fold in self._folds]
        if sum(path.stat().st_size for path in paths if path.is_file()) > MOST_BYTES:
            raise GraderError(
                f"The {len(self._folds)} networks of {self.own.id} together are larger than an ONNX file can be "
                "(2 GB). Pack a model of fewer folds."
            )
        return {path: parse_weights(self.seal.read(path), path) for path in paths}

    @property
    def path(self) -> Path:
        """The folder of the model in the run, for messages."""
        return self._results.folder.models_dir / self.own.id

    def preprocessing(self) -> Preprocessing:
        """From scans to the inputs of the networks."""
        return preprocessing_of(self.study, self.own, self.cards)

    def decision(self) -> Decision:
        """From what the networks give to a call."""
        return decision_of(self._grader, self.scale)

    def card(self) -> Card:
        """What the model is, and what it is worth."""
        return card_of(self._results, self.seal, self.study, self.own.id, cards=self.cards)

    def members(self) -> dict[str, bytes]:
        """The content of each member of a grader file by name."""
        return {
            PREPROCESSING: written(self.preprocessing()),
            DECISION: written(self.decision()),
            CARD: written(self.card()),
            COHORT_RANGE: written(range_of(self._results, self.study, self.own)),
            GRAPH: self._graph(),
        }

    def warnings(self) -> tuple[str, ...]:
        """What the file lacks because it is no longer in the run folder."""
        missing = missing_regions(self._results, self.study, self.own)
        if missing is None:
            return ()
        lacks = "the file does not state the whole range of the patients that the model learnt from"
        return (f"{missing} is missing, so {lacks}. Run `nephrograde prepare` on the study, and pack the model again.",)

    def _graph(self) -> bytes:
        try:
            from nephrograde.export.onnx.ensemble import FoldNetwork, ensemble_graph
        except ImportError:
            raise GraderError(
                'Packing needs onnx, which is not installed. Run: pip install "nephrograde[pack]"'
            ) from None
        size, weights = picture_size(self.study, self.own), self.weights.values()
        used = self.cards[0].encoder
        if used is None:
            networks = [FoldNetwork(one, card) for one, card in zip(weights, self.cards, strict=True)]
            return ensemble_graph(networks, self.scale, size)
        from nephrograde.export.onnx.efficientnet import FrozenModel, frozen_graph

        return frozen_graph(FrozenModel(_weights_of(used), tuple(weights), self.cards[0]), self.scale, size)

    def compare(self, file: Members) -> None:
        """Compare the graph with the networks in torch on random pictures.

        Args:
            file: The members, as they are read.

        Raises:
            GraderError: They differ.
        """
        scorer = OnnxScorer(file)
        scorer.start()
        self.compare_with(scorer.score, what="The graph", remedy="Install other versions of onnx and onnxruntime.")

    def compare_with(self, score: Callable[..., Scored], *, what: str, remedy: str) -> None:
        """Compare what is to be written with the networks of the run in torch on random pictures.

        Args:
            score: Scores pictures, how many of them are of which phase, and clinical values.
            what: What is compared, for messages.
            remedy: What to do if it differs.

        Raises:
            GraderError: A probability differs.
        """
        from nephrograde.predict.ensemble import load_ensemble

        ensemble, scale = load_ensemble(self.seal, self.own.id, weights=self.weights.__getitem__), self.scale
        for rows in _ROWS:
            pictures, parts, values = self._patient(rows)
            given = ensemble.p_high_of_folds(pictures, parts, values)
            wanted = np.array([scale.of_ensemble(given), *scale.of_networks(given)])
            found = score(pictures, parts, values)
            difference = float(np.abs(wanted - np.array([found.p_high, *found.of_folds])).max())
            if not difference <= CLOSE:
                raise GraderError(
                    f"{what} of {self.own.id} differs from its networks by {difference:.2g} in a probability, so "
                    f"nothing is written. {remedy}"
                )

    def _patient(self, rows: int) -> tuple[npt.NDArray[np.float16], tuple[int, ...], dict[str, Value]]:
        """Random pictures, how many are of which phase, and clinical values."""
        card = self.cards[0]
        drawn = np.random.default_rng(rows)
        shape = (rows, card.channels, *picture_size(self.study, self.own))
        pictures = drawn.random(shape, np.float32).astype(np.float16)
        if card.has_mask:
            pictures[:, -1] = pictures[:, -1] > 0.5
        fusion = card.fusion
        if fusion is None:
            return pictures, (), {}
        values: dict[str, Value] = {term.column: term.center for term in fusion.values if term.kind == "number"}
        if fusion.kind == "early":
            images = card.channels - card.has_mask
            shown = fusion.channels(images)
            if rows > 1 and shown is not None and shown.phases > 1:
                pictures[:, np.flatnonzero(shown.lacking(np.arange(shown.phases)[None] > 0)[0])] = ABSENT
            return pictures, (), values
        parts = [0] * len(fusion.phases)
        for row in range(rows):
            parts[-1 - row % len(parts)] += 1
        return pictures, tuple(parts), values


def _weights_of(used: DescribedEncoder) -> Weights:
    """The weights of a frozen encoder, verified; torch reads the files of others."""
    from nephrograde.model.encoders.layout import weights_of
    from nephrograde.model.encoders.store import find_by_digest, store_dir
    from nephrograde.model.tensors import parse_tensors

    encoder = used.encoder
    file = find_by_digest(encoder.sha256, encoder.name, store_dir())
    source = f"The file of the encoder {encoder.name}"
    tensors = weights_of(parse_tensors(file.read(), source), encoder.architecture, source)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _check_target(out_path: Path) -> None:
    """Refuse to replace what is no grader file, before any work is done."""
    check_replaceable(out_path)
    if not out_path.is_file():
        return
    try:
        read_archive(out_path)
    except GraderError:
        what = f"{out_path} is there, and is no grader file of this version"
        raise InputError([Problem("--out", what, "Name another file, or move it away.")]) from None
