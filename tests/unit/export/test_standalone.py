"""The files that others take as they are do what the project does: regions of every kind, and every network."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.export.fold_networks import SCALE, network_of

from nephrograde.evaluation.scores.prevalence import EDGE, log_odds
from nephrograde.export.description import description_of
from nephrograde.export.standalone.ensemble import Ensemble
from nephrograde.export.standalone.region import CutRegiond
from nephrograde.model.kind import BackboneKind
from nephrograde.model.scoring import score
from nephrograde.predict.seeing import see
from nephrograde.predict.together import Annotated
from nephrograde.sample.dataset import Bags
from nephrograde.study.study import restore_study
from nephrograde.volume.roi import apply_window
from nephrograde.volume.volume import write_image

SPACING = (3.0, 0.8, 1.1)


class Image(np.ndarray):
    """A stub of MONAI's images: an array with an affine."""

    affine: object = None


def image_of(values, affine):
    found = values[None].view(Image)
    found.affine = affine
    return found


@pytest.fixture(scope="module", params=[False, True], ids=["air", "no air"])
def patient(request, tmp_path_factory):
    """A scan and mask on an oblique grid whose axes have an order and sense of their own, as files and as for MONAI."""
    folder = tmp_path_factory.mktemp("patient")
    a = np.deg2rad(14.0)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    axes = turn[:, [2, 0, 1]] * (-1, 1, -1)
    drawn = np.random.default_rng(0)
    values = drawn.normal(40, 50, (14, 60, 44)).astype(np.float32)
    values[5:9, 20:34, 3:12] += 120  # at the edge of the scan
    if not request.param:
        values[0, 0, 0] = -1000
    mask = np.zeros(values.shape, bool)
    for k in range(4, 9):  # a tumour that lies elsewhere on each slice
        mask[k, 12 + 2 * k : 25 + 2 * k, 2:11] = drawn.random((13, 9)) > 0.3
    kind: dict[str, Any] = {"spacing_mm": SPACING, "origin_mm": (12.0, -30.0, 200.0), "direction": axes}
    write_image(values, folder / "image.nrrd", **kind)
    write_image(mask, folder / "mask.nrrd", **kind)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * SPACING, (12.0, -30.0, 200.0)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return (
        Annotated(folder / "image.nrrd", folder / "mask.nrrd").as_scan("cmp"),
        values,
        mask.astype(np.float32),
        affine,
    )


@pytest.mark.parametrize("percentiles", [False, True])
@pytest.mark.parametrize(
    "arm",
    [
        {"supervision": "box", "slices": 3, "neighbours": 1},
        {"supervision": "mask", "slices": 1},
        {"supervision": "point", "slices": 3},
        {"supervision": "slice", "slices": 3, "neighbours": 1},
        {"supervision": "mask"},
        {"supervision": "box"},
        {"supervision": "point"},
    ],
    ids=str,
)
def test_the_script_of_a_bundle_cuts_what_the_project_cuts(patient, arm, percentiles):
    scan, values, mask, affine = patient
    window = {"low": 2.0, "high": 95.0, "percentiles": True} if percentiles else {"low": -100.0, "high": 200.0}
    study = restore_study(
        {
            "name": "s", "cohort": {"table": "c.csv", "phases": ["cmp"]}, "arm": [{"name": "a", **arm}],
            "image": {"slice_px": 24, "slice_mm": 50.0, "whole_mm": 70.0, "box_voxels": [20, 16, 12],
                      "box_mm": [60.0, 40.0, 50.0], "assumed_tumour_mm": 12.0},
            "window": {"cmp": window},
        }
    )  # fmt: skip
    own = study.models()[0]
    wanted = see(scan, own.arm, study).region.astype(np.float32)
    settings = {"preprocessing": asdict(description_of(study, own, "mean", ()))}
    found = CutRegiond(settings)({"image": image_of(values, affine), "mask": image_of(mask, affine)})
    image = found["image"] if percentiles else apply_window(found["image"], study.window_of("cmp"))
    assert ("mask" in found) == own.arm.has_mask
    shown = np.concatenate([image, found["mask"]], axis=1) if own.arm.has_mask else image
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).max() < 1e-3  # pictures are kept in half precision
    assert wanted.std() > 0.05


def test_a_mask_of_another_grid_or_of_nothing_is_refused(patient):
    _, values, mask, affine = patient
    cut = CutRegiond({"preprocessing": {}})
    for other, why in (
        (image_of(mask[1:], affine), "grid"),
        (image_of(mask, affine + 1), "grid"),
        (image_of(0 * mask, affine), "no tumour"),
    ):
        with pytest.raises(ValueError, match=why):
            cut({"image": image_of(values, affine), "mask": other})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "size", "shortcut"),
    [(("mean", "max", "log-sum-exp", "noisy-or"), (40, 33), "B"), (("attention",), (33, 20), "A")],
)
def test_plain_torch_pools_as_the_project_does(rules, size, shortcut):
    has_mask = shortcut == "A"
    kind = {"channels": 2, "has_mask": has_mask}
    built = {"dimensions": len(size), "kind": BackboneKind(shortcut=shortcut), "pooling": rules[0], **kind}
    networks = [network_of(fold, **built) for fold in range(2)]
    lines = [{name: getattr(one, name) for name in ("prior_shift", "slope", "intercept")} for one in SCALE.rows]
    settings = {
        **kind, "dimensions": len(size), "shortcut": shortcut, "centre": 0.5, "spread": 0.25, "folds": [0, 1],
        "largest_log_odds": log_odds(1 - EDGE), "scale": {"folds": lines[:-1], "ensemble": lines[-1]},
        "pooling": rules[0],
    }  # fmt: skip
    ensemble = Ensemble(settings).eval()
    weights = {f"fold-{k}.{name}": one for k, network in enumerate(networks) for name, one in network.weights().items()}
    ensemble.folds.load_state_dict(weights)
    answers = set()
    for rule in rules:
        settings["pooling"] = networks[0].pooling = networks[1].pooling = rule
        for rows in (1, 4):
            pictures = np.random.default_rng(rows).random((rows, 2, *size)).astype(np.float16)
            if has_mask:
                pictures[:, -1] = pictures[:, -1] > 0.5
            given = [float(score(one, Bags(pictures, np.array([rows]))).p_high[0]) for one in networks]
            with torch.inference_mode():
                found = ensemble(torch.from_numpy(pictures.astype(np.float32)))[0].tolist()
            assert found == pytest.approx([SCALE.of_ensemble(given), *SCALE.of_networks(given)], abs=1e-6)
        answers.add(found[0])
    assert len(answers) == len(rules)
