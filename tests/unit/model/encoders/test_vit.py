"""Vision transformers equal those of DINOv2 and DINOv3, whoever named their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.unit.model.encoders import formula

from nephrograde.errors import WeightsError
from nephrograde.model.encoders.known import INPUTS
from nephrograde.model.encoders.layout import build_encoder, recognise
from nephrograde.model.encoders.vit import VisionTransformer, ViTPlan
from nephrograde.model.encoders.vit_names import named_as_ours, plan_of

if TYPE_CHECKING:
    from nephrograde.model.encoders.known import Architecture

SMALL = ViTPlan(384, 12, 6, 14, 0, 1536, is_gated=False, grid=37)
ROTARY = ViTPlan(384, 12, 6, 16, 4, 1536, is_gated=False, grid=0)


def shapes(plan: ViTPlan) -> dict[str, torch.Tensor]:
    """The weights of a network, without numbers."""
    with torch.device("meta"):
        return VisionTransformer(plan).state_dict()


def dinov2_file(plan: ViTPlan) -> dict[str, torch.Tensor]:
    """Weights of the formula in a file of facebookresearch/dinov2."""
    return formula.weights(shapes(plan) | {"mask_token": torch.empty(1, plan.width)})


def dinov3_file(plan: ViTPlan) -> dict[str, torch.Tensor]:
    """Weights of the formula in a file of facebookresearch/dinov3."""
    wanted: dict[str, torch.Tensor] = {"mask_token": torch.empty(1, plan.width)}
    for name, tensor in shapes(plan).items():
        if ".w12." in name:
            wanted[name.replace("w12", "w1")], wanted[name.replace("w12", "w2")] = tensor.chunk(2)
        elif name != "periods":
            wanted[name.replace("register_tokens", "storage_tokens")] = tensor
    file = formula.weights(wanted)
    masked = torch.ones(3, plan.width)
    masked[1] = 0
    file |= {f"blocks.{block}.attn.qkv.bias_mask": masked.flatten() for block in range(plan.depth)}
    return file | {"rope_embed.periods": 100 ** (torch.arange(16) / 16)}


def transformers_file(ours: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights in a file of the library transformers."""
    names = {
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "register_tokens": "embeddings.register_tokens",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    }
    file = {}
    for name, tensor in ours.items():
        theirs = names.get(name, name).replace("blocks.", "encoder.layer.")
        theirs = theirs.replace("attn.proj", "attention.output.dense")
        theirs = theirs.replace("ls1.gamma", "layer_scale1.lambda1").replace("ls2.gamma", "layer_scale2.lambda1")
        if ".attn.qkv." in theirs:
            for part, numbers in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                file[theirs.replace("attn.qkv", f"attention.attention.{part}")] = numbers
        else:
            file[theirs.replace("w12", "weights_in").replace("w3", "weights_out")] = tensor
    return file


def features(file: dict[str, torch.Tensor], architecture: Architecture, shape: tuple[int, int]) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = build_encoder(file, architecture, "FILE")(formula.image(1, 3, *shape))[0]
        return found


# Computed by dinov2/models/vision_transformer.py of facebookresearch/dinov2 (commit b8931f7) and
# dinov3/models/vision_transformer.py of facebookresearch/dinov3 (commit 6876159), built as in their hubs, with the same
# weights and image: the norm of the class token, and some of its numbers. Networks of the library transformers 5.24.0
# with weights from the formula gave features equal to ours, too, to 1e-6.
PUBLISHED: list[tuple[Architecture, ViTPlan, tuple[int, int], float, dict[int, float]]] = [
    ("dinov2-vits14", SMALL, (70, 56), 19.878080368041992, {0: -0.39562514424, 7: 2.79477262497, 383: 0.08368146420}),
    (
        "dinov2-vits14",
        SMALL._replace(registers=4),
        (70, 56),
        19.791820526123047,
        {0: 0.02449028193950653, 7: 2.324582815170288, 383: 0.13963614404201508},
    ),
    ("dinov3-vits16", ROTARY, (64, 48), 19.598726272583008, {0: -1.06597018242, 7: 0.76950234175, 383: -1.57055902481}),
    (
        "dinov3-vits16plus",
        ROTARY._replace(hidden=1536, is_gated=True),
        (64, 48),
        19.624696731567383,
        {0: -2.279935598373413, 7: 1.3877826929092407, 383: -0.8234754800796509},
    ),
]


@pytest.mark.parametrize(("architecture", "plan", "shape", "norm", "some"), PUBLISHED)
def test_equals_the_published_network(
    architecture: Architecture, plan: ViTPlan, shape: tuple[int, int], norm: float, some: dict[int, float]
) -> None:
    file = dinov3_file(plan) if plan.is_rotary else dinov2_file(plan)
    assert recognise(file, "FILE") == (architecture,)
    found = features(file, architecture, shape)
    assert float(found.norm()) == pytest.approx(norm, rel=1e-5)
    assert {place: float(found[place]) for place in some} == pytest.approx(some, abs=1e-4)


def test_a_gated_network_equals_the_published_one() -> None:
    plan = ViTPlan(128, 2, 2, 14, 0, 344, is_gated=True, grid=5)
    file = named_as_ours(dinov2_file(plan))
    assert plan_of(file) == plan
    network = VisionTransformer(plan).eval()
    network.load_state_dict(file)
    with torch.inference_mode():
        found = network(formula.image(1, 3, 70, 56))[0]
    # As above; DinoVisionTransformer with img_size=70, embed_dim=128, depth=2, num_heads=2, ffn_layer="swiglufused".
    assert float(found.norm()) == pytest.approx(11.240880012512207, rel=1e-5)
    assert found[[0, 7, 127]].tolist() == pytest.approx([2.36288285255, -1.28997242451, 2.05248379707], abs=1e-4)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("is_gated", [False, True])
def test_files_of_transformers_hold_the_same_network(is_gated: bool) -> None:
    file = dinov2_file(ViTPlan(128, 2, 2, 14, 4, 344, is_gated, grid=5))
    theirs = transformers_file(file)
    assert_same(named_as_ours(theirs), named_as_ours(file))
    prefixed = {f"dinov2.{name}": tensor for name, tensor in theirs.items()}
    assert_same(named_as_ours(prefixed), named_as_ours(file))


def test_the_head_of_a_classifier_is_left_out() -> None:
    file = {f"dinov2.{name}": tensor for name, tensor in transformers_file(dinov2_file(SMALL)).items()}
    file["classifier.weight"] = torch.ones(2, 768)
    assert recognise(file, "FILE") == ("dinov2-vits14",)
    build_encoder(file, "dinov2-vits14", "FILE")


@pytest.mark.parametrize("is_gated", [False, True])
def test_files_of_transformers_of_dinov3_have_no_periods_and_no_bias_of_keys(is_gated: bool) -> None:
    ours = named_as_ours(dinov3_file(ViTPlan(128, 2, 2, 16, 4, 344, is_gated, grid=0)))
    assert not ours["blocks.0.attn.qkv.bias"].reshape(3, -1)[1].any()
    theirs = {
        name.replace("encoder.layer", "layer").replace("layernorm", "norm").replace("projection.", ""): tensor
        for name, tensor in transformers_file(ours).items()
        if name != "periods" and not name.endswith("key.bias")
    }
    for part in ("query", "key", "value"):
        before, after = f"attention.attention.{part}", f"attention.{part[0]}_proj"
        theirs = {name.replace(before, after): tensor for name, tensor in theirs.items()}
    theirs = {name.replace("attention.output.dense", "attention.o_proj"): t for name, t in theirs.items()}
    for name in [name for name in theirs if "weights_in" in name]:
        gate, up = theirs.pop(name).chunk(2)
        theirs |= {name.replace("weights_in", "gate_proj"): gate, name.replace("weights_in", "up_proj"): up}
    theirs = {name.replace("weights_out", "down_proj"): tensor for name, tensor in theirs.items()}
    theirs = {name.replace("fc1", "up_proj").replace("fc2", "down_proj"): tensor for name, tensor in theirs.items()}
    del ours["periods"]
    assert_same(named_as_ours(theirs), ours)
    newer = {name.replace("layer.", "model.layer."): tensor for name, tensor in theirs.items()}
    assert_same(named_as_ours(newer), ours)


def test_a_file_without_periods_has_the_published_ones() -> None:
    file = dinov3_file(ROTARY)
    periods = file.pop("rope_embed.periods")
    network = build_encoder(file, "dinov3-vits16", "FILE")
    assert torch.allclose(network.get_buffer("periods"), periods)


@pytest.mark.parametrize(
    ("architecture", "plan"),
    [
        ("dinov2-vitb14", ViTPlan(768, 12, 12, 14, 0, 3072, is_gated=False, grid=37)),
        ("dinov2-vitl14", ViTPlan(1024, 24, 16, 14, 4, 4096, is_gated=False, grid=37)),
        ("dinov2-vitg14", ViTPlan(1536, 40, 24, 14, 0, 4096, is_gated=True, grid=37)),
        ("dinov3-vitb16", ViTPlan(768, 12, 12, 16, 4, 3072, is_gated=False, grid=0)),
        ("dinov3-vitl16", ViTPlan(1024, 24, 16, 16, 4, 4096, is_gated=False, grid=0)),
        ("dinov3-vith16plus", ViTPlan(1280, 32, 20, 16, 4, 5120, is_gated=True, grid=0)),
        ("dinov3-vit7b16", ViTPlan(4096, 40, 32, 16, 4, 8192, is_gated=True, grid=0, has_bias=False)),
    ],
)
def test_every_size_is_recognised(architecture: Architecture, plan: ViTPlan) -> None:
    file = shapes(plan)
    assert recognise(file, "FILE") == (architecture,)
    assert plan_of(named_as_ours(file)) == plan
    assert INPUTS[architecture].features == plan.width
    assert (INPUTS[architecture].size_px or 0) % plan.patch_px == 0


def test_files_of_other_transformers_are_refused() -> None:
    file = shapes(SMALL)
    for other in (SMALL._replace(depth=11), SMALL._replace(patch_px=16), SMALL._replace(width=192, heads=3)):
        with pytest.raises(WeightsError, match="of a network that is not known"):
            recognise(shapes(other), "FILE")
    unscaled = {name: tensor for name, tensor in file.items() if "ls1" not in name}
    with pytest.raises(WeightsError, match="of a network that is not known"):
        recognise(unscaled, "FILE")
    for name in ("blocks.0.ls1.gamma", "blocks.0.mlp.fc1.weight", "patch_embed.proj.weight", "pos_embed"):
        with pytest.raises(WeightsError):
            build_encoder(file | {name: torch.tensor(1.0)}, "dinov2-vits14", "FILE")
    apart = {"cls_token": torch.ones(1, 1, 8), "blocks.0.mlp.w1.weight": torch.ones(2, 8)}
    with pytest.raises(WeightsError, match="of a network that is not known"):
        recognise(apart | {"blocks.0.mlp.w2.weight": torch.ones(2, 7)}, "FILE")
    with pytest.raises(WeightsError, match="does not hold the weights of dinov2-vitb14"):
        build_encoder(file, "dinov2-vitb14", "FILE")
    del file["blocks.3.norm2.bias"]
    with pytest.raises(WeightsError, match=r"blocks\.3\.norm2\.bias: is missing"):
        build_encoder(file, "dinov2-vits14", "FILE")
