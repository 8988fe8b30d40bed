"""The weights of vision transformers under the names of :mod:`nephrograde.model.encoders.vit`, whoever named them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from nephrograde.model.encoders.vit import ViTPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LONG = {"q": "query", "k": "key", "v": "value"}
_OF_TRANSFORMERS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"^(?:dinov2|dinov2_with_registers|backbone)\.(?=embeddings|encoder|layernorm)", ""),
    (r"^embeddings\.(cls_token|register_tokens|mask_token)$", r"\1"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.(?:projection\.)?", "patch_embed.proj."),
    (r"^(?:encoder\.|model\.)?layer\.", "blocks."),
    (r"\.attention\.(?:attention\.)?(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", lambda found: f".attn.{_LONG[found[1]]}."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.weights_out\.", ".mlp.w3."),
    (r"\.mlp\.gate_proj\.", ".mlp.w1."),
    (r"^layernorm\.", "norm."),
)
"""The names of the library transformers, in files of its versions 4 and 5, and what they become."""
_UNUSED = ("mask_token", "local_cls_norm.", "head.")
_HEAD_NUMBERS = 64
_HEAD_NUMBERS_OF_WIDEST = 128
_WIDEST = 4096


def named_as_ours(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name the weights of a vision transformer as :class:`~nephrograde.model.encoders.vit.VisionTransformer` does.

    Reads the files of facebookresearch/dinov2, facebookresearch/dinov3 and the library transformers. What only training
    needs is left out, and what is split in some files is joined: queries, keys and values, and the two inner layers of
    a gated network. The bias of keys, which is masked in files of DINOv3, becomes zero.

    Args:
        weights: By name; of another network, they are returned as they are, but for some names.
    """
    if "cls_token" not in weights and not any(name.endswith("embeddings.cls_token") for name in weights):
        return dict(weights)
    named: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        ours = name
        for pattern, replacement in _OF_TRANSFORMERS:
            ours = re.sub(pattern, replacement, ours)
        if not ours.startswith(_UNUSED):
            named[ours] = tensor
    _rename(named, "storage_tokens", "register_tokens")
    _rename(named, "rope_embed.periods", "periods")
    for name in [name for name in named if name.endswith(".attn.qkv.bias_mask")]:
        bias = name.removesuffix("_mask")
        named[bias] = torch.where(named.pop(name) == 0, torch.zeros_like(named[bias]), named[bias])
    for name in [name for name in named if name.endswith(".attn.query.weight")]:
        _join_attention(named, name.removesuffix("query.weight"))
    _join_gated(named)
    return named


def plan_of(weights: Mapping[str, torch.Tensor]) -> ViTPlan | None:
    """Read the size of a vision transformer from its weights; None if it is no such network.

    Args:
        weights: Under our names.
    """
    patch = weights.get("patch_embed.proj.weight")
    scale = weights.get("blocks.0.ls1.gamma")
    gate, inner = weights.get("blocks.0.mlp.w12.weight"), weights.get("blocks.0.mlp.fc1.weight")
    hidden = gate if gate is not None else inner
    if patch is None or patch.ndim != 4 or patch.shape[1] != 3 or scale is None or scale.ndim != 1 or not len(scale):
        return None
    if hidden is None or not hidden.ndim:
        return None
    table, registers = weights.get("pos_embed"), weights.get("register_tokens")
    grid = 0 if table is None or table.ndim != 3 else round((table.shape[1] - 1) ** 0.5)
    width = len(scale)
    return ViTPlan(
        width=width,
        depth=1 + max(int(found[1]) for name in weights if (found := re.match(r"blocks\.(\d{1,3})\.", name))),
        heads=max(1, width // (_HEAD_NUMBERS_OF_WIDEST if width == _WIDEST else _HEAD_NUMBERS)),
        patch_px=patch.shape[2],
        registers=0 if registers is None or registers.ndim != 3 else registers.shape[1],
        hidden=hidden.shape[0] // 2 if gate is not None else hidden.shape[0],
        is_gated=gate is not None,
        grid=grid,
        has_bias="blocks.0.attn.qkv.bias" in weights,
    )


def _rename(named: dict[str, torch.Tensor], name: str, ours: str) -> None:
    if name in named:
        named[ours] = named.pop(name)


def _join_attention(named: dict[str, torch.Tensor], before: str) -> None:
    """Join queries, keys and values; a bias that only some of them have is zero for the others."""
    parts = ("query", "key", "value")
    kernels = [named.pop(f"{before}{part}.weight", None) for part in parts]
    found = [kernel for kernel in kernels if kernel is not None]
    named[f"{before}qkv.weight"] = torch.cat(found)
    biases = [named.pop(f"{before}{part}.bias", None) for part in parts]
    if any(bias is not None for bias in biases):
        zeros = torch.zeros_like(found[0][:, 0])
        named[f"{before}qkv.bias"] = torch.cat([zeros if bias is None else bias for bias in biases])


def _join_gated(named: dict[str, torch.Tensor]) -> None:
    """Join the two inner layers of gated networks, which DINOv3 and newer files of transformers keep apart."""
    for name in [name for name in named if re.search(r"\.mlp\.w1\.(?:weight|bias)$", name)]:
        before, _, kind = name.rpartition("w1.")
        other = f"{before}w2.{kind}" if f"{before}w2.{kind}" in named else f"{before}up_proj.{kind}"
        if other in named:
            named[f"{before}w12.{kind}"] = torch.cat([named.pop(name), named.pop(other)])
        _rename(named, f"{before}down_proj.{kind}", f"{before}w3.{kind}")
    for name in [name for name in named if re.search(r"\.mlp\.(?:up|down)_proj\.", name)]:
        _rename(named, name, name.replace("up_proj", "fc1").replace("down_proj", "fc2"))
