"""Vision transformers without their last layer, as DINOv2 and DINOv3 train them, with the parameter names of DINOv2.

Read it from the bottom: patches become tokens, a class token and registers are put before them, blocks of attention
follow, and the class token, normalised, holds the features. DINOv2 adds a table of positions to the patches; DINOv3
rotates queries and keys by the position of their patch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn

ROTARY_BASE = 100.0
"""The longest period of rotations, in half widths of the image."""
_OFFSET = 0.1
"""Added to the patches of each side where the positions of a DINOv2 without registers are interpolated."""


class ViTPlan(NamedTuple):
    """What distinguishes vision transformers.

    Attributes:
        width: Numbers of a token.
        depth: Blocks.
        heads: Of attention.
        patch_px: Pixels along each side of a patch.
        registers: Tokens besides the class and the patches.
        hidden: Inner width of the layers after attention.
        is_gated: Whether these are gated (SwiGLU).
        grid: Patches along each side of the image that the table of positions was learnt on; 0 for rotations.
        has_bias: Whether queries, keys and values have one.
    """

    width: int
    depth: int
    heads: int
    patch_px: int
    registers: int
    hidden: int
    is_gated: bool
    grid: int
    has_bias: bool = True

    @property
    def is_rotary(self) -> bool:
        """Whether positions are rotations, as in DINOv3."""
        return self.grid == 0


class _Attention(nn.Module):
    def __init__(self, plan: ViTPlan) -> None:
        super().__init__()
        self.heads = plan.heads
        self.qkv = nn.Linear(plan.width, 3 * plan.width, bias=plan.has_bias)
        self.proj = nn.Linear(plan.width, plan.width)

    def forward(self, tokens: torch.Tensor, angles: torch.Tensor | None) -> torch.Tensor:
        split = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        queries, keys, values = split.unbind(0)  # (n, head, token, number)
        if angles is not None:
            queries, keys = _rotated(queries, angles), _rotated(keys, angles)
        seen = nn.functional.scaled_dot_product_attention(queries, keys, values)
        projected: torch.Tensor = self.proj(seen.transpose(1, 2).flatten(2))
        return projected


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens * self.gamma


class _Mlp(nn.Module):
    def __init__(self, plan: ViTPlan) -> None:
        super().__init__()
        self.fc1 = nn.Linear(plan.width, plan.hidden)
        self.fc2 = nn.Linear(plan.hidden, plan.width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        inner: torch.Tensor = self.fc2(nn.functional.gelu(self.fc1(tokens)))
        return inner


class _GatedMlp(nn.Module):
    def __init__(self, plan: ViTPlan) -> None:
        super().__init__()
        self.w12 = nn.Linear(plan.width, 2 * plan.hidden)
        self.w3 = nn.Linear(plan.hidden, plan.width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        inner: torch.Tensor = self.w3(nn.functional.silu(gate) * value)
        return inner


class _Block(nn.Module):
    def __init__(self, plan: ViTPlan, epsilon: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(plan.width, eps=epsilon)
        self.attn = _Attention(plan)
        self.ls1 = _Scale(plan.width)
        self.norm2 = nn.LayerNorm(plan.width, eps=epsilon)
        self.mlp = (_GatedMlp if plan.is_gated else _Mlp)(plan)
        self.ls2 = _Scale(plan.width)

    def forward(self, tokens: torch.Tensor, angles: torch.Tensor | None) -> torch.Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens), angles))
        changed: torch.Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return changed


class VisionTransformer(nn.Module):
    """A vision transformer without its last layer: ``(n, 3, y, x)`` to ``(n, width)``.

    Height and width have to be multiples of a patch.

    Args:
        plan: Its size and kind.

    Source:
        Oquab 2024, arXiv:2304.07193, and Darcet 2024, arXiv:2309.16588 (DINOv2; positions are interpolated as in
        ``dinov2/models/vision_transformer.py`` of facebookresearch/dinov2); Siméoni 2025, arXiv:2508.10104 (DINOv3).

    >>> plan = ViTPlan(
    ...     width=64, depth=1, heads=1, patch_px=14, registers=4, hidden=128, is_gated=False, grid=3
    ... )
    >>> VisionTransformer(plan).eval()(torch.zeros(2, 3, 28, 42)).shape
    torch.Size([2, 64])
    """

    def __init__(self, plan: ViTPlan) -> None:
        super().__init__()
        self.plan = plan
        epsilon = 1e-5 if plan.is_rotary else 1e-6
        self.cls_token = nn.Parameter(torch.zeros(1, 1, plan.width))
        self.register_tokens = nn.Parameter(torch.zeros(1, plan.registers, plan.width)) if plan.registers else None
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, plan.width, plan.patch_px, plan.patch_px)})
        self.pos_embed: nn.Parameter | None = None
        if plan.is_rotary:
            quarter = plan.width // plan.heads // 4
            self.register_buffer("periods", ROTARY_BASE ** (torch.arange(quarter, device="cpu") / quarter))
        else:
            self.pos_embed = nn.Parameter(torch.zeros(1, 1 + plan.grid**2, plan.width))
        self.blocks = nn.ModuleList(_Block(plan, epsilon) for _ in range(plan.depth))
        self.norm = nn.LayerNorm(plan.width, eps=epsilon)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the normalised class token of each image."""
        patches = self.patch_embed["proj"](images)
        height, width = patches.shape[2:]
        first = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1)
        if self.pos_embed is not None:
            tokens = tokens + self._positions(self.pos_embed, height, width)
        if self.register_tokens is not None:
            registers = self.register_tokens.expand(len(images), -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
        angles = self._angles(height, width) if self.plan.is_rotary else None
        for block in self.blocks:
            tokens = block(tokens, angles)
        features: torch.Tensor = self.norm(tokens[:, 0])
        return features

    def _positions(self, table: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """The table of positions for an image of so many patches."""
        grid = self.plan.grid
        if height == width == grid:
            return table
        square = table[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        if self.plan.registers:
            resized = nn.functional.interpolate(square, (height, width), mode="bicubic", antialias=True)
        else:
            scale = ((height + _OFFSET) / grid, (width + _OFFSET) / grid)
            resized = nn.functional.interpolate(square, scale_factor=scale, mode="bicubic")
        return torch.cat([table[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)

    def _angles(self, height: int, width: int) -> torch.Tensor:
        """The rotation of each patch, ``(patch, number)``: the first quarter by its row, the second by its column."""
        periods = self.get_buffer("periods")
        rows = (torch.arange(height, device=periods.device) + 0.5) / height * 2 - 1
        columns = (torch.arange(width, device=periods.device) + 0.5) / width * 2 - 1
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).flatten(0, 1)
        angles = 2 * math.pi * places[:, :, None] / periods
        return angles.flatten(1).repeat(1, 2)


def _rotated(numbers: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """Rotate the numbers of the patches, which come last, in pairs of a number and the one half a head further."""
    before = numbers.shape[-2] - len(angles)
    still, patches = numbers[..., :before, :], numbers[..., before:, :]
    one, other = patches.chunk(2, dim=-1)
    turned = patches * angles.cos() + torch.cat([-other, one], dim=-1) * angles.sin()
    return torch.cat([still, turned], dim=-2)
