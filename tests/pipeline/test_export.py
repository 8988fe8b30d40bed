"""Others get the same numbers: from the ONNX graph alone, from plain torch, and from MONAI's own runner."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import nephrograde as ng
from nephrograde.errors import GraderError, InputError
from nephrograde.export.grader_file import read_grader_file
from nephrograde.export.standalone import ensemble as standalone
from nephrograde.files import read_rows
from nephrograde.predict.together import Annotated
from nephrograde.volume.read import read_volume
from nephrograde.volume.volume import write_image

pytestmark = [pytest.mark.slow, pytest.mark.needs("onnx", "onnxruntime")]
ALONE = """
import json, sys
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
from ensemble import load_ensemble
pictures = torch.from_numpy(np.load(sys.argv[3]))
print(json.dumps([load_ensemble(sys.argv[2])(pictures)[0].tolist(), "nephrograde" in sys.modules]))
"""
"""Grades pictures with a copy of the loader alone, where nephrograde cannot be found."""

MONAI = """
import json, os, sys
from monai import bundle
missing = []
for root, image, mask, out in zip(*[iter(sys.argv[1:])] * 4):
    for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
        del sys.modules[name]  # each bundle has its own
    sys.path.insert(0, root)
    files = {"config_file": f"{root}/configs/inference.json", "meta_file": f"{root}/configs/metadata.json"}
    given = {**files, "bundle_root": root}
    places = {"image": image, "mask": mask, "output_dir": out}
    workflow = bundle.ConfigWorkflow(**given, **places, workflow_type="inference", logging_file=False)
    workflow.initialize()
    missing.append(workflow.check_properties())
    bundle.run(**given, **places)
    bundle.verify_net_in_out("network_def", **given, device="cpu")
    sys.path.remove(root)
print(json.dumps({"missing": missing, "has_nephrograde": "nephrograde" in sys.modules}), flush=True)
os._exit(0)  # ITK and what else reads images in this process do not always end together
"""
"""Has MONAI's own runner grade with bundles, in a process without nephrograde."""


def patient_of(cohort_dir, phase="cmp"):
    """Image and mask of the first patient."""
    row = read_rows(cohort_dir / "cohort.csv")[0]
    return [cohort_dir / row[f"{phase}_{kind}"] for kind in ("image", "mask")]


def tilted(cohort_dir, folder, phase="cmp"):
    """The scan and mask of a patient in a position and order of axes that no scanner stores: oblique and flipped."""
    x, y = np.deg2rad((8.0, -12.0))
    turn = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]) @ np.array(
        [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    )
    found = []
    for kind, path in zip(("image", "mask"), patient_of(cohort_dir, phase), strict=True):
        volume = read_volume(path)
        values = np.asarray(volume.values)[:, ::-1, ::-1].transpose(2, 0, 1)
        x_mm, y_mm, z_mm = volume.spacing_mm
        axes = turn * (1, -1, -1)
        target = folder / f"{kind}.nrrd"
        write_image(
            values,
            target,
            spacing_mm=(z_mm, x_mm * 0.8, y_mm * 1.3),
            origin_mm=(10.0, -20.0, 300.0),
            direction=axes[:, [2, 0, 1]],
        )
        found.append(target)
    return found


@pytest.fixture(scope="module")
def exported(tiny_run_dir, make_once):
    """Both models of the tiny study for plain torch, and as MONAI bundles; one of them by the command."""

    def write(folder):
        from nephrograde import cli

        names = {"onnx": "weak-1-cmp.onnx", "torch": "weak-1-cmp.safetensors", "monai-bundle": "weak-1-cmp"}
        places = [word for option, name in names.items() for word in (f"--{option}", str(folder / name))]
        with pytest.raises(SystemExit) as ended:
            cli.main(["export", str(tiny_run_dir), "--model", "weak-1-cmp", *places])
        assert not ended.value.code
        ng.export_torch(tiny_run_dir, "strong-up", folder / "strong-up.safetensors")
        ng.export_monai_bundle(tiny_run_dir, "strong-up", folder / "strong-up")

    return make_once("exported", write)


def test_plain_torch_gives_the_same_without_nephrograde(exported, tiny_run_dir, tiny_cohort_dir, tmp_path):
    grader = ng.load_grader(tiny_run_dir, "strong-up")
    image, mask = patient_of(tiny_cohort_dir, "up")
    examined = grader.examine({"up": Annotated(image, mask).as_scan("up")})
    np.save(tmp_path / "pictures.npy", examined.seen["up"].region.astype(np.float32))
    shutil.copy(standalone.__file__, tmp_path)
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALONE, tmp_path, exported / "strong-up.safetensors", tmp_path / "pictures.npy"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": "", "OMP_NUM_THREADS": "1"},
    )
    (p_high, *of_folds), is_imported = json.loads(done.stdout)
    assert not is_imported
    grading = examined.grading
    assert [p_high, *of_folds] == pytest.approx([grading.p_high, *grading.p_high_of_folds], abs=1e-5)


@pytest.mark.needs("monai", "itk")
def test_monai_runs_the_bundles_and_gives_the_same_of_an_oblique_scan(
    exported, tiny_run_dir, tiny_cohort_dir, tmp_path
):
    scans = {}
    for model in ("weak-1-cmp", "strong-up"):
        (tmp_path / model).mkdir()
        scans[model] = tilted(tiny_cohort_dir, tmp_path / model, model.rpartition("-")[2])
    words = [word for model, paths in scans.items() for word in (exported / model, *paths, tmp_path / model)]
    done = subprocess.run([sys.executable, "-c", MONAI, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"missing": [[], []], "has_nephrograde": False}
    for model, (image, mask) in scans.items():
        wanted = ng.load_grader(tiny_run_dir, model).grade(image, mask=mask)
        [found] = json.loads((tmp_path / model / "gradings.json").read_text(encoding="utf-8"))
        assert found["p_high"] == pytest.approx(wanted.p_high, abs=1e-4)
        assert found["p_high_of_folds"] == pytest.approx(wanted.p_high_of_folds, abs=1e-4)
        assert (found["call"], found["threshold"]) == (wanted.call, wanted.threshold)
        assert found["synthetic"]
        assert "Research use only" in found["research_use_only"]


def test_the_graph_alone_is_that_of_the_grader_file(exported, tiny_run_dir, tmp_path):
    import onnx
    import onnxruntime

    file = read_grader_file(ng.pack(tiny_run_dir, "weak-1-cmp", tmp_path / "grader.zip"))
    of_file = ng.export_onnx(tmp_path / "grader.zip", tmp_path / "file.onnx")
    of_run = exported / "weak-1-cmp.onnx"
    assert of_run.read_bytes() == of_file.read_bytes()
    onnx.checker.check_model(str(of_file))
    entries = {one.key: one.value for one in onnx.load(of_file).metadata_props}
    beside = json.loads((tmp_path / "file.json").read_text(encoding="utf-8"))
    assert entries["model"] == beside["model"] == "weak-1-cmp"
    assert json.loads(entries["preprocessing"]) == beside["preprocessing"]
    assert beside["preprocessing"]["window"]["cmp"]["low"] == -200.0
    assert beside["decision"]["threshold"]["value"] == file.decision.threshold.value
    pictures = np.random.default_rng(0).random((1, 1, 32, 32), np.float32)
    graphs = [onnxruntime.InferenceSession(one).run(["p_high"], {"pictures": pictures})
              for one in (bytes(file.graph), of_file.read_bytes())]  # fmt: skip
    assert graphs[0] == graphs[1]


def test_two_exports_are_equal_and_hold_no_path_and_no_pickled_code(exported, tiny_run_dir, tiny_cohort_dir, tmp_path):
    again = ng.export_torch(tiny_run_dir, "weak-1-cmp", tmp_path / "again.safetensors")
    assert again.read_bytes() == (exported / "weak-1-cmp.safetensors").read_bytes()
    bundle = ng.export_monai_bundle(tiny_run_dir, "weak-1-cmp", tmp_path / "bundle")
    for path in (one for one in bundle.rglob("*") if one.is_file()):
        raw = path.read_bytes()
        assert raw == (exported / "weak-1-cmp" / path.relative_to(bundle)).read_bytes(), path
        assert not any(str(place).encode() in raw for place in (tiny_run_dir, tiny_cohort_dir, tmp_path)), path
    for path in bundle.glob("scripts/*.py"):
        assert not re.search(r"^\s*(from|import) nephrograde", path.read_text(encoding="utf-8"), re.MULTILINE), path


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    frozen_dir, tiny_run_dir, tmp_path, nephrograde, monkeypatch
):
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(frozen_dir / "store"))
    with pytest.raises(GraderError, match="--onnx"):
        ng.export_torch(frozen_dir / "run", "frozen-1-cmp", tmp_path / "a.safetensors")
    with pytest.raises(GraderError, match="--onnx"):
        ng.export_monai_bundle(frozen_dir / "run", "frozen-1-cmp", tmp_path / "bundle")
    with pytest.raises(InputError, match=r"\.safetensors"):
        ng.export_torch(tiny_run_dir, "weak-1-cmp", tmp_path / "a.pt")
    monkeypatch.setattr(standalone.ResNet18, "forward", lambda _, x: (x[:, 0, 0, 0] + 9, x[:, 0, 0, 0]))
    with pytest.raises(GraderError, match="differs from its networks"):
        ng.export_torch(tiny_run_dir, "weak-1-cmp", tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    for words, said in (
        (["--monai-bundle", tmp_path / "full", "--model", "weak-1-cmp"], "not empty"),
        (["--torch", tmp_path / "a.safetensors"], "--model"),
        (["--onnx", tmp_path / "a.zip", "--model", "weak-1-cmp"], ".onnx"),
        ([], "--monai-bundle"),
    ):
        for language in ("en", "zh"):
            code, out, err = nephrograde("export", tiny_run_dir, *words, "--lang", language)
            assert (code, out) == (2, "")
            assert said in err or language == "zh"
            assert (re.search("[\u4e00-\u9fff]", err) is not None) == (language == "zh"), err
    assert [one.name for one in tmp_path.rglob("*")] == ["full", "thesis.txt"]


def test_the_command_writes_all_three(exported):
    files = {"onnx", "json", "safetensors"}
    assert {one.name for one in exported.glob("weak-1-cmp.*")} == {f"weak-1-cmp.{one}" for one in files}
    bundle = exported / "weak-1-cmp"
    names = {one.relative_to(bundle).as_posix() for one in bundle.rglob("*") if one.is_file()}
    assert {"LICENSE", "configs/metadata.json", "configs/inference.json", "docs/README.md", "models/model.pt"} <= names
