"""A model as a bundle that MONAI's own runner runs, from scan and mask to a probability; writing it needs no MONAI."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nephrograde.arguments import PATH, TEXT, checked
from nephrograde.errors import GraderError, InputError, Problem
from nephrograde.export.archive import as_json
from nephrograde.export.elsewhere import arrays_of, check_single, torch_score, torch_settings
from nephrograde.export.pack import Packing
from nephrograde.predict.loading import RUN
from nephrograde.replacement import check_replaceable, replaced_folder
from nephrograde.version import __version__
from nephrograde.vocabulary import RESEARCH_USE_ONLY, Supervision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.results import Results
    from nephrograde.run.folder import RunFolder

_SCRIPTS = ("ensemble.py", "grading.py", "region.py")
_MONAI, _ITK = "1.4.0", "5.4.0"
"""The versions of MONAI and ITK that the bundle needs at least."""
_LINE = "\n"
_ROOM = "nephrograde.export.standalone"


@checked(run=RUN, model=TEXT, out_dir=PATH)
def export_monai_bundle(run: Results | RunFolder | str | Path, model: str, out_dir: str | Path) -> Path:
    """Write a model as a MONAI bundle: from a scan and a mask of the tumour to the probability of high grade.

    Reading, windowing and inference are MONAI's own components; the region is cut by a script of the bundle, as MONAI
    has no transform that cuts in mm without resampling the scan. The bundle needs nothing of nephrograde. It is written
    only if its network gives the probabilities of those that were evaluated, on random pictures, within 10⁻⁴.

    Args:
        run: The folder of the run, or its results where they have been read.
        model: Like ``weak-1-cmp``.
        out_dir: A folder that is new or empty.

    Returns:
        The folder.

    Raises:
        InputError: The folder holds files.
        RunError: The run has no such model, has not been evaluated, or was altered since.
        GraderError: The model joins phases or values, is not a trained ResNet-18, or is given no place of the tumour.
        WriteError: The folder cannot be written.
    """
    folder = Path(out_dir)
    _check_folder(folder)
    packing = Packing(run, model)
    check_single(packing, "--monai-bundle")
    if packing.own.arm.supervision is Supervision.NONE:
        raise GraderError(
            f"{model} searches for the kidneys by itself, which a MONAI bundle does not do. Export it with --onnx."
        )
    settings = torch_settings(packing)
    packing.compare_with(
        torch_score(packing, settings), what="The MONAI bundle", remedy="Install another version of torch."
    )
    files = _files(settings, arrays_of(packing))
    with replaced_folder(folder, is_ours=lambda _: False) as temporary_dir:
        for name, content in files.items():
            path = temporary_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def _check_folder(folder: Path) -> None:
    """Refuse a folder with files, before any work is done."""
    if not folder.is_dir():
        check_replaceable(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError([Problem("--monai-bundle", f"{folder} is there, and is not empty", "Name a new folder.")])


def _files(settings: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, bytes]:
    """The content of every file of the bundle by its path."""
    scripts = resources.files(_ROOM)
    return {
        "LICENSE": _licence().encode(),
        "configs/metadata.json": as_json(_metadata(settings)),
        "configs/inference.json": as_json(_inference(settings)),
        "configs/model.json": as_json(dict(settings)),
        "docs/README.md": _readme(settings).encode(),
        "models/model.pt": _checkpoint(arrays),
        "scripts/__init__.py": b'"""Scripts of this bundle; they need torch and numpy alone."""\n',
        **{f"scripts/{name}": scripts.joinpath(name).read_bytes() for name in _SCRIPTS},
    }


def _checkpoint(arrays: Mapping[str, Any]) -> bytes:
    """Named tensors alone, which torch reads with ``weights_only=True``."""
    import torch

    stream = io.BytesIO()
    torch.save({f"folds.{name}": torch.from_numpy(one) for name, one in arrays.items()}, stream)
    return stream.getvalue()


def _metadata(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What MONAI asks for, and the card of the model."""
    import torch

    card, given = settings["card"], settings["preprocessing"]
    synthetic = " Trained on SYNTHETIC data." if card["synthetic"] else ""
    size = list(given["size"])
    columns = {"0": "p_high", **{str(k): f"p_high of fold {fold}" for k, fold in enumerate(settings["folds"], 1)}}
    picture = {
        "type": "image",
        "format": "hounsfield units, windowed",
        "modality": "CT",
        "num_channels": settings["channels"],
        "spatial_shape": size,
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {str(k): name for k, name in enumerate(given["channels"])},
    }
    return {
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by nephrograde {__version__}"},
        "monai_version": _MONAI,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"itk": _ITK},
        "name": settings["model"],
        "task": "Grade of clear cell renal cell carcinoma from CT",
        "description": f"Probability of high grade (WHO/ISUP). {RESEARCH_USE_ONLY}{synthetic}",
        "authorship": "The authors of the run",
        "copyright": "The authors of the run",
        "data_source": card["study"],
        "data_type": "image and mask, in any format that ITK reads",
        "intended_use": RESEARCH_USE_ONLY,
        "not_for": card["not_for"],
        "network_data_format": {
            "inputs": {"image": picture},
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "classification",
                    "num_channels": len(columns),
                    "spatial_shape": [],
                    "dtype": "float64",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": columns,
                }
            },
        },
    }


def _inference(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What MONAI's runner runs."""
    root = "@bundle_root + "
    return {
        "imports": ["$import json", "$import pathlib", "$import torch"],
        "bundle_root": ".",
        "output_dir": f"${root}'/eval'",
        "dataset_dir": f"${root}'/data'",
        "image": "$@dataset_dir + '/image.nii.gz'",
        "mask": "$@dataset_dir + '/mask.nii.gz'",
        "data": [{"image": "@image", "mask": "@mask"}],
        "device": "$torch.device('cpu')",
        "settings": f"$json.loads(pathlib.Path({root}'/configs/model.json').read_text('utf-8'))",
        "network_def": {"_target_": "scripts.ensemble.Ensemble", "settings": "@settings"},
        "checkpoint": f"$torch.load({root}'/models/model.pt', map_location=@device, weights_only=True)",
        "preprocessing": {"_target_": "Compose", "transforms": _transforms(settings)},
        "dataset": {"_target_": "Dataset", "data": "@data", "transform": "@preprocessing"},
        "inferer": {"_target_": "SimpleInferer"},
        "evaluator": {
            "_target_": "scripts.grading.Grading",
            "dataset": "@dataset",
            "network": "$@network_def.eval()",
            "inferer": "@inferer",
            "settings": "@settings",
            "output_dir": "@output_dir",
        },
        "run": ["$@network_def.load_state_dict(@checkpoint)", "$@evaluator.run()"],
    }


def _transforms(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From the files of a patient to the pictures of the network."""
    given = settings["preprocessing"]
    [window] = given["window"].values()
    found: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": ["image", "mask"], "reader": "ITKReader", "ensure_channel_first": True},
        {"_target_": "scripts.region.CutRegiond", "settings": "@settings"},
    ]
    if not window["percentiles"]:
        ends = {"a_min": window["low"], "a_max": window["high"], "b_min": 0.0, "b_max": 1.0}
        found.append({"_target_": "ScaleIntensityRanged", "keys": ["image"], **ends, "clip": True})
    if settings["has_mask"]:
        found.append({"_target_": "ToTensord", "keys": ["image", "mask"], "track_meta": False})
        found.append({"_target_": "ConcatItemsd", "keys": ["image", "mask"], "name": "image", "dim": 1})
    # The networks have learnt from pictures of half precision.
    return [*found, {"_target_": "CastToTyped", "keys": ["image"], "dtype": "$torch.float16"}]


def _readme(settings: Mapping[str, Any]) -> str:
    card, given = settings["card"], settings["preprocessing"]
    level = given["arm"]["supervision"]
    aucs = [
        f"- {one['split']}: AUC {one['auc']:.3f} on {one['n']} patients, {one['n_high']} of them high grade"
        for one in card["aucs"]
        if one["auc"] is not None
    ]
    synthetic = "\n\n**Trained on SYNTHETIC data.**" if card["synthetic"] else ""
    cohort = f"{card['n_train']} patients to learn from, {card['n_test']} held out ({card['study']})."
    return f"""# {settings["model"]}

Probability that a clear cell renal cell carcinoma is of high grade. **{RESEARCH_USE_ONLY}**{synthetic}

Phase: {", ".join(given["phases"])}. Annotation: {level}, derived from a mask of the tumour on the grid of the scan, in
which every voxel above 0.5 is the tumour.

```
python -m monai.bundle run --config_file configs/inference.json --bundle_root . --image SCAN --mask MASK
```

The answer is printed and written to `eval/gradings.json`. What is read is not checked: neither the phase, nor whether
values are HU, nor whether the tumour is on a kidney.

## In its study
{cohort}
{_LINE.join(aucs)}

## Not for
{_LINE.join(f"- {one}" for one in card["not_for"])}
"""


def _licence() -> str:
    return (
        "The scripts of this bundle are part of nephrograde and licensed under the Apache License, Version 2.0\n"
        "(https://www.apache.org/licenses/LICENSE-2.0). The weights belong to those who trained them, who have to\n"
        "state here under which licence they may be used.\n"
    )
