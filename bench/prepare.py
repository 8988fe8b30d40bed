"""Preparing one scan for a network: this package against MONAI, TorchIO and plain decompression, in one run.

One ``.nii.gz`` of 512 × 512 × 120 voxels (int16, 0.8 × 0.8 × 2.0 mm, CT-like noise) is brought to the region that the
strong arm sees, 128 × 128 × 32 voxels over 140 × 140 × 160 mm. In each of five fresh processes (a process is slow or
quick as a whole, MONAI's by a fifth) every side is warmed up and then timed in turns; the table gives the medians of
the processes' medians and how they compare. Each peer's chain cuts its region out of the grid it resamples to, and our
region is cut at that same place, so that the numbers can be compared as well. The exit code is 1 where a limit is
missed. Run ``python bench/prepare.py [--processes 5] [--repeats 5]``; peers that are not installed are
named and passed over.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nephrograde.volume.read import read_volume
from nephrograde.volume.roi import cut_box
from nephrograde.volume.volume import write_image

if TYPE_CHECKING:
    from collections.abc import Callable

Array = npt.NDArray[Any]

SHAPE, SPACING_MM = (512, 512, 120), (0.8, 0.8, 2.0)
VOXELS, SIZE_MM = (128, 128, 32), (140.0, 140.0, 160.0)
STEP_MM = tuple(size / n for size, n in zip(SIZE_MM, VOXELS, strict=True))
CENTER_MM = (60.0, 30.0, -420.0)
ORIGIN_MM = (-200.0, -190.0, -540.0)
NOISE_HU = 20.0
OF_DECOMPRESSION = 0.45
"""At most this of the time that one processor takes to decompress the file."""
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass
class Side:
    """One way to the region: its name, how to run it, and what it has to keep."""

    name: str
    run: Callable[[], Any]
    times_slower_than_ours: float | None = None
    tolerance_hu: float | None = None


@dataclass
class Region:
    """A peer's region on the axes x, y, z (LPS) and the place of its middle."""

    values: Array
    center_mm: tuple[float, float, float]


def write_scan(image_path: Path) -> None:
    """Write the scan: soft tissue with an organ, in air, with noise, and −1024 HU outside the round field of view.

    It compresses 2.3 : 1, as the abdominal CT of the project's test data does.
    """
    generator = np.random.default_rng(20260415)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij", sparse=True)
    values = np.where((x / 0.9) ** 2 + (y / 0.65) ** 2 < 1, 40.0, -1000.0) + 0 * z
    values += 80.0 * ((x - 0.3) ** 2 + (y - 0.15) ** 2 + (z * 0.4) ** 2 < 0.05)
    values += generator.normal(0.0, NOISE_HU, SHAPE)
    values[(x**2 + y**2)[:, :, 0] > 1] = -1024.0
    write_image(values.astype(np.int16), image_path, spacing_mm=SPACING_MM, origin_mm=ORIGIN_MM)


def ours(image_path: Path, center_mm: tuple[float, float, float] = CENTER_MM, *, antialias: bool) -> Array:
    """Read, check and cut with this package."""
    volume = read_volume(image_path)
    region, _ = cut_box(volume, None, center_mm=center_mm, size_mm=SIZE_MM, voxels=VOXELS, antialias=antialias)
    return region


def monai_chain(image_path: Path) -> Region:
    """Load, add the channel, orient, resample and crop with MONAI's dictionary transforms."""
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd, Spacingd, SpatialCropd

    start = [round((c - o) / s) - n // 2 for c, o, s, n in zip(CENTER_MM, ORIGIN_MM, STEP_MM, VOXELS, strict=True)]
    chain = Compose(
        [
            LoadImaged(keys="image"),
            EnsureChannelFirstd(keys="image"),
            Orientationd(keys="image", axcodes="LPS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            Spacingd(keys="image", pixdim=STEP_MM, mode="bilinear"),
            SpatialCropd(keys="image", roi_start=start, roi_end=[a + n for a, n in zip(start, VOXELS, strict=True)]),
        ]
    )
    image = chain({"image": str(image_path)})["image"]
    return _as_region(image[0].numpy(), np.asarray(image.affine))


def torchio_chain(image_path: Path) -> Region:
    """Load, orient, resample and crop with TorchIO's transforms."""
    import torchio

    image = torchio.Resample(STEP_MM)(torchio.ToCanonical()(torchio.ScalarImage(image_path)))
    center = np.linalg.solve(image.affine, [*(RAS_TO_LPS @ CENTER_MM), 1.0])[:3]
    start = [round(float(c)) - n // 2 for c, n in zip(center, VOXELS, strict=True)]
    ends = [m - a - n for a, n, m in zip(start, VOXELS, image.spatial_shape, strict=True)]
    image = torchio.Crop([side for pair in zip(start, ends, strict=True) for side in pair])(image)
    return _as_region(image.data[0].numpy(), image.affine)


def _as_region(values: Array, affine_ras: Array) -> Region:
    to_lps = RAS_TO_LPS @ affine_ras[:3]
    center = to_lps @ [*((n - 1) / 2 for n in values.shape), 1.0]
    flips = tuple(slice(None, None, -1 if to_lps[axis, axis] < 0 else 1) for axis in range(3))
    return Region(values[flips], (float(center[0]), float(center[1]), float(center[2])))


def sides_of(image_path: Path) -> tuple[list[Side], list[str]]:
    """All sides that can run here, and a line for each that cannot."""
    sides = [
        Side("this package, same result", lambda: ours(image_path, antialias=False)),
        Side("this package, antialiased (default)", lambda: ours(image_path, antialias=True)),
        Side("gzip.decompress of the file alone", lambda: len(gzip.decompress(image_path.read_bytes()))),
    ]
    missing = []
    # MONAI resamples in float32. TorchIO keeps the type of the file, int16, and so rounds to whole HU.
    for name, needs, chain, limit, tolerance_hu in (
        ("MONAI Load-Orient-Spacing-Crop", ("monai", "nibabel"), monai_chain, 15.0, 0.1),
        ("TorchIO ToCanonical-Resample-Crop", ("torchio",), torchio_chain, 10.0, 1.0),
    ):
        absent = [module for module in needs if importlib.util.find_spec(module) is None]
        if absent:
            missing.append(f"{name}: not installed ({', '.join(absent)}; pip install nephrograde[bench])")
        else:
            sides.append(Side(name, lambda chain=chain: chain(image_path), limit, tolerance_hu))  # type: ignore[misc]
    return sides, missing


def measure(sides: list[Side], repeats: int) -> dict[str, list[float]]:
    """Seconds of each side, all sides in turns so that a busy machine slows all of them."""
    for side in sides:
        side.run()
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(repeats):
        for side in sides:
            begin = time.perf_counter()
            side.run()
            seconds[side.name].append(time.perf_counter() - begin)
    return seconds


def main() -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)  # one process: time this scan, print JSON
    arguments = parser.parse_args()
    repeats, processes = arguments.repeats, arguments.processes
    warnings.simplefilter("ignore")
    if arguments.scan is not None:
        times = measure(sides_of(arguments.scan)[0], repeats)
        print(json.dumps({name: median(seconds) for name, seconds in times.items()}))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        image_path = Path(folder) / "scan.nii.gz"
        write_scan(image_path)
        sides, missing = sides_of(image_path)
        command = [sys.executable, __file__, "--repeats", str(repeats), "--scan", str(image_path)]
        runs = [json.loads(subprocess.check_output(command).splitlines()[-1]) for _ in range(processes)]
        seconds = {side.name: median(run[side.name] for run in runs) for side in sides}
        differences = {
            side.name: _difference(image_path, side.run()) for side in sides if side.tolerance_hu is not None
        }
        megabytes = image_path.stat().st_size / 1e6
    print(f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"medians of {processes} processes × {repeats} turns")
    print(f"{' × '.join(map(str, SHAPE))} int16 .nii.gz ({megabytes:.0f} MB),")
    print(f"to {' × '.join(map(str, VOXELS))} voxels over {' × '.join(f'{edge:g}' for edge in SIZE_MM)} mm\n")
    return _print_table(sides, missing, seconds, differences)


def _difference(image_path: Path, region: Region) -> float:
    own = ours(image_path, region.center_mm, antialias=False)
    return float(np.abs(own - region.values.astype(np.float32)).max())


def _print_table(
    sides: list[Side], missing: list[str], seconds: dict[str, float], differences: dict[str, float]
) -> int:
    plain, smooth, unpacking = (seconds[side.name] for side in sides[:3])
    print(f"{'side':<38}{'seconds':>9}{'÷ same':>9}{'÷ default':>11}{'limit':>8}  largest difference")
    failed = [
        f"preparing takes {mine / unpacking:.2f} times the decompression alone, ≤ {OF_DECOMPRESSION} was asked"
        for mine in (plain, smooth)
        if mine > OF_DECOMPRESSION * unpacking
    ]
    for side in sides:
        ratios = seconds[side.name] / plain, seconds[side.name] / smooth
        limit, difference = f"≥ {1 / OF_DECOMPRESSION:.2f}" if side is sides[2] else "", ""
        if side.times_slower_than_ours is not None and side.tolerance_hu is not None:
            limit = f"≥ {side.times_slower_than_ours:g}"
            difference = f"{differences[side.name]:.3f} HU (≤ {side.tolerance_hu:g})"
            if ratios[0] < side.times_slower_than_ours:  # like with like: the peers do not antialias
                failed.append(f"{side.name} takes only {ratios[0]:.1f} times as long, {limit} was asked")
            if differences[side.name] > side.tolerance_hu:
                failed.append(f"{side.name} gives another result: {difference}")
        print(f"{side.name:<38}{seconds[side.name]:>9.3f}{ratios[0]:>9.2f}{ratios[1]:>11.2f}{limit:>8}  {difference}")
    print(
        f"\nTimes the decompression alone: {plain / unpacking:.2f} (same result), {smooth / unpacking:.2f} (default), "
        f"where at most {OF_DECOMPRESSION} was asked."
    )
    for line in [*missing, *(f"MISSED: {line}" for line in failed)]:
        print(line)
    return 1 if failed else 0


def _processor() -> str:
    info_path = Path("/proc/cpuinfo")
    if info_path.exists():
        for line in info_path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
