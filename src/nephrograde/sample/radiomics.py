"""Radiomic features of the delineated tumours, for the baseline that the networks are compared with.

The features are computed by mirp, which follows the Image Biomarker Standardisation Initiative (IBSI), and cached under
a name derived from the content of the scan, so that an interrupted run continues with the next scan.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.errors import InputError, Problem, RunError, VolumeError
from nephrograde.files import finite, read_rows, write_rows
from nephrograde.run.stage import kept_name, kept_record, remove_stale
from nephrograde.sample.inputs import input_name
from nephrograde.volume.finding import Finding, as_fault, as_finding, in_column
from nephrograde.volume.masks.delineation import delineate
from nephrograde.volume.read import read_volume
from nephrograde.volume.roi import cut_box, measure_tumour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nephrograde.cohort.case import Cohort, Scan
    from nephrograde.run.folder import RunFolder
    from nephrograde.study import Study, Window
    from nephrograde.vocabulary import MaskArray, VolumeArray
    from nephrograde.volume.volume import Volume

LAYOUT = 2
"""Raised whenever the same scan would give other features, so that no old cache is read."""

VOXEL_MM = 1.0
"""Edge in mm of the cubic voxels on which features are computed; mirp assumes arrays to have voxels of 1 mm."""

MARGIN_MM = 2.0
"""Margin in mm around the tumour that is cut out with it."""

BINS = 20
"""Number of grey levels in the window: 25 HU each for the window of −200 to 300 HU."""

FAMILIES = ("statistical", "cm")
"""Intensity statistics and the grey level co-occurrence matrix, merged over all directions in 3D; shape is added."""

NOT_SHAPE = ("morph_com", "morph_integ_int", "morph_moran_i", "morph_geary_c")
"""The shape features of mirp that depend on intensities. The last two are estimated from randomly drawn points until
they are stable, which takes more than ten minutes if a few voxels are outliers."""

_PREFIXES = ("stat_", "morph_", "cm_")
_MIRP_FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def choose_phase(cohort: Cohort) -> str:
    """Choose the phase for radiomics before anything is computed: one phase for all patients.

    Features of two phases cannot be mixed, because contrast agent changes them more than grade does.

    Args:
        cohort: The patients with their scans.

    Returns:
        The phase in which the most patients have an image and a mask; if equal, the first in the study's order.

    Raises:
        InputError: If mirp is not installed, or no scan has a mask.
    """
    place = "evaluate.baselines"
    try:
        importlib.metadata.version("mirp")
    except importlib.metadata.PackageNotFoundError:
        remedy = 'Install it with `pip install "nephrograde[radiomics]"`, or remove radiomics.'
        problem = Problem(place, "radiomics needs the package mirp, which is not installed", remedy)
        raise InputError([problem]) from None
    counts = {phase: len(_delineated(cohort, phase)) for phase in cohort.phases}
    phase = max(counts, key=lambda name: counts[name])
    if not counts[phase]:
        what = "radiomics needs masks, and no scan of the cohort table has one"
        raise InputError([Problem(place, what, "Fill in <phase>_mask, or remove radiomics.")])
    return phase


def radiomics_features(
    cohort: Cohort,
    study: Study,
    *,
    inputs: Mapping[str, str],
    run: RunFolder,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Finding, ...]:
    """Compute the features of every delineated scan of one phase; scans already in the cache are not read again.

    Writes ``features.csv`` with one row per patient, and removes what no scan of this study refers to any more. A scan
    that cannot be read is skipped: the prepare stage has reported it.

    Args:
        cohort: The patients with their scans; :func:`choose_phase` selects the phase.
        study: Its window gives the grey levels.
        inputs: SHA-256 of every image and mask, as the prepare stage found them.
        run: The run folder.
        advance: Called once per scan.

    Returns:
        A warning for every scan whose features could not be computed.

    Raises:
        InputError: As for :func:`choose_phase`.
    """
    phase = choose_phase(cohort)
    records: list[dict[str, Any]] = []
    for patient_id, scan in _delineated(cohort, phase).items():
        digests = [inputs.get(input_name(f"{phase}_{kind}", patient_id)) for kind in ("image", "mask")]
        if None not in digests:
            records.append(_measure_scan(patient_id, scan, digests, study=study, radiomics_dir=run.radiomics_dir))
        advance()
    names = list(dict.fromkeys(name for record in records for name in record["features"]))
    rows = ({"patient_id": r["patient_id"], "phase": phase} | r["features"] for r in records if r["features"])
    write_rows(run.features_path, ["patient_id", "phase", *names], rows)
    remove_stale(run.radiomics_dir, {record["sidecar"] for record in records})
    return tuple(Finding(**record["finding"]) for record in records if record["finding"])


def read_features(features_path: Path) -> dict[str, dict[str, float]]:
    r"""Read the table written by :func:`radiomics_features`.

    Args:
        features_path: ``radiomics/features.csv`` of a run.

    Returns:
        Values by patient id, then by feature name; NaN if a feature is undefined.

    Raises:
        RunError: If the prepare stage has not run with radiomics among the baselines.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "f.csv").write_text("patient_id,phase,stat_mean,stat_cov\nP1,cmp,40.5,\n")
    ...     read_features(Path(folder, "f.csv"))
    {'P1': {'stat_mean': 40.5, 'stat_cov': nan}}
    """
    try:
        return {
            row["patient_id"]: {
                name: finite(text) if text else math.nan
                for name, text in row.items()
                if name not in {"patient_id", "phase"}
            }
            for row in read_rows(features_path, ("patient_id",))
        }
    except ValueError as error:
        raise RunError(f"{features_path} is damaged ({error}). Run `nephrograde prepare` again.") from None


def measure_features(volume: Volume, mask: MaskArray, *, window: Window) -> dict[str, float | None]:
    """Compute the features of one tumour.

    The tumour's box is sampled at cubic voxels of 1 mm. Tumour voxels outside the window are excluded
    (re-segmentation), and the grey levels are 20 bins over the window. If the window is given in percentiles, because
    the series has no fixed scale, the bins span the tumour's own values. Shape is that of the whole delineation.

    Args:
        volume: The scan.
        mask: The tumour on the scan's grid.
        window: The values mapped to the lowest and the highest grey level.

    Returns:
        Values by mirp's names; None if a feature is undefined.

    Raises:
        VolumeError: With code "radiomics" if mirp fails.

    Source:
        Zwanenburg 2020, Radiology 295:328 (IBSI) for the definitions; voxel size, bins and families are ours.
    """
    tumour = measure_tumour(mask, volume)
    low, high = (np.array(volume.to_index(corner)) for corner in (tumour.low_mm, tumour.high_mm))
    edges_mm = (high - low) * volume.spacing_mm + 2 * MARGIN_MM
    nx, ny, nz = (math.ceil(edge / VOXEL_MM) for edge in edges_mm)
    values, inside = cut_box(
        volume,
        mask,
        center_mm=tumour.center_mm,
        size_mm=(nx * VOXEL_MM, ny * VOXEL_MM, nz * VOXEL_MM),
        voxels=(nx, ny, nz),
        antialias=True,
    )
    grey = values[inside]
    if not window.percentiles:
        grey = grey[(grey >= window.low) & (grey <= window.high)]
    if not grey.size:
        raise _fault(f"no voxel of the tumour lies between {window.low:g} and {window.high:g}")
    try:
        found = _extract(values, inside, base_feature_families=list(FAMILIES), **_grey_levels(window))
        # Shape is computed on a constant image, so that nothing in NOT_SHAPE has to be estimated.
        shape = _extract(np.ones_like(values), inside, base_feature_families=["morphological"])
    except _MIRP_FAULTS as error:
        raise _fault(" ".join(str(error).split())[:200] or type(error).__name__) from None
    found |= {name: value for name, value in shape.items() if name not in NOT_SHAPE}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def _extract(values: VolumeArray, mask: MaskArray | None, **settings: Any) -> dict[str, float]:
    with _quiet():
        import mirp

        [table] = mirp.extract_features(
            image=np.ascontiguousarray(values.T),  # mirp's axes are z y x
            mask=np.ascontiguousarray(np.asarray(mask).T.astype(int)),
            **settings,
        )
    return {name: float(table[name].iloc[0]) for name in table if name.startswith(_PREFIXES)}


def _fault(reason: str) -> VolumeError:
    return VolumeError(
        "radiomics",
        f"the radiomic features could not be computed ({reason}).",
        "The radiomics baseline leaves the patient out; the networks do not. Check the mask and the window.",
    )


def _grey_levels(window: Window) -> dict[str, Any]:
    if window.percentiles:
        return {"base_discretisation_method": "fixed_bin_number", "base_discretisation_n_bins": BINS}
    return {
        "base_discretisation_method": "fixed_bin_size",
        "base_discretisation_bin_width": (window.high - window.low) / BINS,
        "resegmentation_intensity_range": [window.low, window.high],
    }


def _delineated(cohort: Cohort, phase: str) -> dict[str, Scan]:
    """Return the scans of a phase that have a mask, by patient id."""
    scans = {case.patient_id: case.scans[phase] for case in cohort.cases if phase in case.scans}
    return {patient_id: scan for patient_id, scan in scans.items() if scan.mask_path is not None}


def _measure_scan(
    patient_id: str, scan: Scan, digests: list[str | None], *, study: Study, radiomics_dir: Path
) -> dict[str, Any]:
    """Return one scan's record, from the sidecar if nothing has changed."""
    window = study.window_of(scan.phase)
    masks = study.masks.model_dump(mode="json")
    identity = [patient_id, scan.phase, digests, window.model_dump(mode="json"), masks]
    method = [LAYOUT, VOXEL_MM, MARGIN_MM, BINS, FAMILIES, NOT_SHAPE, importlib.metadata.version("mirp")]
    sidecar = kept_name(patient_id, scan.phase, [identity, method], ".json")

    def make() -> dict[str, Any]:
        record: dict[str, Any] = {"sidecar": sidecar, "patient_id": patient_id, "features": {}, "finding": None}
        try:
            volume = read_volume(scan.image_path)
            mask = delineate(scan.mask_path, volume, study.masks).mask if scan.mask_path else None
        except VolumeError:  # already a finding of the prepare stage
            mask = None
        if mask is not None:
            try:
                record["features"] = measure_features(volume, mask, window=window)
            except VolumeError as error:
                [fault] = in_column([as_fault(error, "warning")], f"{scan.phase}_image")
                record["finding"] = asdict(as_finding(fault, patient_id, scan.phase))
        return record

    return kept_record(radiomics_dir / sidecar, make)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep mirp from configuring the root logger, logging every step, and warning about intended settings."""
    stopper = logging.NullHandler()
    disabled_before = logging.root.manager.disable
    logging.root.addHandler(stopper)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled_before)
        logging.root.removeHandler(stopper)
