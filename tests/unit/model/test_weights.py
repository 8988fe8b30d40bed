"""Synthetic initial weights in torchvision's and MedicalNet's layout, and our own files."""

from __future__ import annotations

import errno
import os
import pathlib
import resource
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nephrograde.errors import RunError, WeightsError, WriteError
from nephrograde.files import sha256_of
from nephrograde.model.initial import Initial
from nephrograde.model.kind import BackboneKind
from nephrograde.model.network import Network, build_hollow_network, build_network
from nephrograde.model.scoring import score
from nephrograde.model.weights import kind_of, load_initial, load_weights, read_initial, save_weights
from nephrograde.sample.dataset import Bags
from nephrograde.study import InitialWeights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def resnet_18(dimensions: Literal[2, 3], *, colours: int, shortcut: Literal["A", "B"]) -> dict[str, torch.Tensor]:
    """Names and shapes according to He 2016, table 1, and torchvision's module names; written out, not copied."""
    generator = torch.Generator().manual_seed(dimensions)
    weights: dict[str, torch.Tensor] = {}

    def convolution(name: str, outputs: int, inputs: int, size: int) -> None:
        weights[f"{name}.weight"] = torch.randn(outputs, inputs, *[size] * dimensions, generator=generator)

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            weights[f"{name}.{part}"] = torch.rand(channels, generator=generator)

    convolution("conv1", 64, colours, 7)
    norm("bn1", 64)
    for layer, (inputs, outputs) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], start=1):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            convolution(f"{name}.conv1", outputs, inputs if block == 0 else outputs, 3)
            norm(f"{name}.bn1", outputs)
            convolution(f"{name}.conv2", outputs, outputs, 3)
            norm(f"{name}.bn2", outputs)
            if layer > 1 and block == 0 and shortcut == "B":
                convolution(f"{name}.downsample.0", outputs, inputs, 1)
                norm(f"{name}.downsample.1", outputs)
    return weights


@pytest.fixture(scope="module")
def torchvision_like() -> dict[str, torch.Tensor]:
    head = {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}
    return resnet_18(2, colours=3, shortcut="B") | head


@pytest.fixture(scope="module")
def medicalnet_like() -> dict[str, torch.Tensor]:
    head = {"conv_seg.0.weight": torch.ones(2, 512, 1, 1, 1)}
    return {f"module.{name}": t for name, t in (resnet_18(3, colours=1, shortcut="A") | head).items()}


def stored(content: Any, path: Path) -> Initial:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return named(path)


def named(path: Path, sha256: str = "") -> Initial:
    return Initial(InitialWeights(path=path, sha256=sha256 or sha256_of(path)))


def load(network: Network, initial: Initial) -> None:
    load_initial(network, read_initial(initial), initial.source)


def shortcut_of(initial: Initial) -> str:
    return kind_of(initial, read_initial(initial)).shortcut


@pytest.mark.parametrize("file_name", ["resnet18.pth", "resnet18.safetensors"])
def test_torchvision_layout(torchvision_like: dict[str, torch.Tensor], tmp_path: Path, file_name: str) -> None:
    initial = stored(torchvision_like, tmp_path / file_name)
    assert shortcut_of(initial) == "B"
    network = build_network(2, channels=1)
    head = network.backbone.get_parameter("fc.weight").clone()
    load(network, initial)
    taken = network.backbone.state_dict()
    assert torch.equal(taken["conv1.weight"], torchvision_like["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(taken["layer3.0.downsample.0.weight"], torchvision_like["layer3.0.downsample.0.weight"])
    assert torch.equal(taken["layer4.1.bn2.running_var"], torchvision_like["layer4.1.bn2.running_var"])
    assert torch.equal(taken["fc.weight"], head)


def test_folded_stem_answers_a_grey_picture_as_the_colour_stem_does(
    torchvision_like: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    network = build_network(2, channels=1)
    load(network, stored(torchvision_like, tmp_path / "resnet18.pth"))
    grey = torch.rand(1, 1, 32, 32)
    folded = torch.nn.functional.conv2d(grey, network.backbone.get_parameter("conv1.weight"))
    colour = torch.nn.functional.conv2d(grey.repeat(1, 3, 1, 1), torchvision_like["conv1.weight"])
    torch.testing.assert_close(folded, colour, rtol=1e-4, atol=1e-4)


def test_a_stem_for_neighbouring_slices_answers_equal_slices_as_one(
    torchvision_like: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    initial = stored(torchvision_like, tmp_path / "resnet18.pth")
    one, five = build_network(2, channels=1), build_network(2, channels=5, pooling="attention")
    load(one, initial)
    load(five, initial)
    grey = torch.rand(1, 1, 32, 32)
    alone = torch.nn.functional.conv2d(grey, one.backbone.get_parameter("conv1.weight"))
    together = torch.nn.functional.conv2d(grey.repeat(1, 5, 1, 1), five.backbone.get_parameter("conv1.weight"))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("nested", [False, True])
def test_medicalnet_layout(medicalnet_like: dict[str, torch.Tensor], tmp_path: Path, nested: bool) -> None:
    content = {"state_dict": medicalnet_like} if nested else medicalnet_like
    initial = stored(content, tmp_path / "resnet_18.pth")
    assert shortcut_of(initial) == "A"
    network = build_network(3, channels=2, has_mask=True, kind=BackboneKind(shortcut="A"))
    load(network, initial)
    stem = network.backbone.get_parameter("conv1.weight")
    given = medicalnet_like["module.conv1.weight"]
    assert stem[5, 0, 1, 2, 3] == given[5, 0, 3, 2, 1]  # x y z here, z y x there
    assert (stem[:, 1] == 0).all()
    kernel = network.backbone.get_parameter("layer2.0.conv1.weight")
    assert torch.equal(kernel, medicalnet_like["module.layer2.0.conv1.weight"].transpose(2, 4))


@pytest.mark.slow
def test_file_of_the_other_make_is_listed_part_by_part(
    torchvision_like: dict[str, torch.Tensor], medicalnet_like: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    medicalnet = stored(medicalnet_like, tmp_path / "resnet_18.pth")
    with pytest.raises(WeightsError) as caught:
        load(build_hollow_network(3, channels=1), medicalnet)
    assert "layer2.0.downsample.0.weight: is missing" in str(caught.value)
    assert "shortcut B" in str(caught.value)
    with pytest.raises(WeightsError) as caught:
        load(build_hollow_network(2, channels=1), medicalnet)
    assert "conv1.weight: shape (64, 1, 7, 7, 7), not (64, 1, 7, 7)" in str(caught.value)
    deeper = torchvision_like | {"layer1.2.conv1.weight": torch.zeros(64, 64, 3, 3)}
    with pytest.raises(WeightsError, match=r"layer1\.2\.conv1\.weight: has no place in the network"):
        load(build_hollow_network(2, channels=1), stored(deeper, tmp_path / "resnet34.pth"))


def test_nothing_is_changed_where_something_does_not_fit(
    torchvision_like: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    network = build_network(2, channels=1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    short = {name: tensor for name, tensor in torchvision_like.items() if name != "layer4.1.conv2.weight"}
    with pytest.raises(WeightsError):
        load(network, stored(short, tmp_path / "short.pth"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_sha256_is_compared_before_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=r"has the SHA-256 .*, the study names ff"):
        read_initial(named(path, "f" * 64))


def test_nobody_is_advised_to_run_the_code_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": {}, "settings": pathlib.PurePosixPath("a")}, path)
    with pytest.raises(WeightsError, match="holds more than tensors") as caught:
        read_initial(named(path))
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("file_name", ["weights.pth", "weights.safetensors"])
def test_file_that_is_no_weights(tmp_path: Path, file_name: str) -> None:
    path = tmp_path / file_name
    path.write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_initial(named(path))


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {}, {"state_dict": 5}])
def test_file_without_named_weights(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WeightsError, match="does not hold named weights"):
        read_initial(stored(content, tmp_path / "weights.pth"))


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(torch.nn.Linear(1, 1), path)
    with pytest.raises(WeightsError, match="nothing but tensors"):
        read_initial(named(path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not exist"):
        read_initial(named(tmp_path / "absent.pth", "0" * 64))


@pytest.mark.slow
@pytest.mark.parametrize("build", [build_network, build_hollow_network])
@pytest.mark.parametrize(("dimensions", "shape"), [(2, (32, 32)), (3, (16, 16, 16))])
def test_own_weights_round_trip(
    build: Callable[..., Network], dimensions: Literal[2, 3], shape: tuple[int, ...], tmp_path: Path
) -> None:
    kind: dict[str, Any] = {"channels": 3, "has_mask": True, "pooling": "attention"}
    network, other = build_network(dimensions, **kind), build(dimensions, **kind)
    save_weights(network.weights(), tmp_path / "weights.safetensors")
    load_weights(other, tmp_path / "weights.safetensors")
    given = network.state_dict()
    assert all(torch.equal(tensor, given[name]) for name, tensor in other.state_dict().items())
    arranged = torch.channels_last if dimensions == 2 else torch.contiguous_format
    assert other.backbone.get_parameter("conv1.weight").is_contiguous(memory_format=arranged)
    images = np.random.default_rng(0).random((3, 3, *shape)).astype(np.float16)
    answers = [score(one, Bags(images, np.array([1, 2]))) for one in (other, network)]
    assert answers[0].p_high.tolist() == answers[1].p_high.tolist()
    assert answers[0].weights.tolist() == answers[1].weights.tolist()


def test_weights_that_cannot_be_written_say_why(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(WriteError) as caught:
            save_weights({"a": torch.zeros(100_000)}, tmp_path / "weights.safetensors")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.reason == os.strerror(errno.EFBIG)
    assert not list(tmp_path.iterdir())


def test_a_hollow_network_draws_nothing() -> None:
    before = torch.get_rng_state()
    build_hollow_network(3, channels=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_own_weights_of_another_network_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    network = build_network(2, channels=3)
    save_weights(network.weights(), path)
    with pytest.raises(RunError, match="belongs to another network"):
        load_weights(build_network(2, channels=1), path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RunError, match="cannot be read"):
        load_weights(network, path)
    with pytest.raises(RunError, match="cannot be read"):
        load_weights(network, tmp_path / "absent.safetensors")
