"""The templates that `nephrograde init` writes: a study file, a cohort table and a description of its columns."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Literal

from nephrograde.errors import RunError, WeightsError
from nephrograde.lock import only_writer_of
from nephrograde.model.encoders.store import find_encoder, store_dir
from nephrograde.replacement import remove_leftovers, replaced
from nephrograde.sources.choices import ENCODER, choose
from nephrograde.sources.found_table import find_table, tables_without_images
from nephrograde.sources.study_text import study_of
from nephrograde.staging import staged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nephrograde.sources.choices import Choices
    from nephrograde.sources.found_table import FoundTable

_COHORT_ROWS = (
    {
        "patient_id": "P001",
        "isup_grade": "2",
        "age_years": "58",
        "sex": "male",
        "size_cm": "3.4",
        "centre": "A",
        "cmp_image": "images/P001_cmp.nii.gz",
        "cmp_mask": "masks/P001_cmp.nii.gz",
        "cmp_box": "",
        "np_image": "images/P001_np.nii.gz",
        "np_mask": "masks/P001_np.nii.gz",
        "up_image": "images/P001_up.nii.gz",
        "up_mask": "masks/P001_up.nii.gz",
    },
    {
        "patient_id": "P002",
        "isup_grade": "3",
        "age_years": "66",
        "sex": "female",
        "size_cm": "6.1",
        "centre": "A",
        "cmp_image": "dicom/P002/cmp",
        "cmp_mask": "",
        "cmp_box": "200,210,41;260,275,41 vox",
        "np_image": "dicom/P002/np",
        "np_mask": "masks/P002_np.nii.gz",
        "up_image": "",
        "up_mask": "",
    },
)

_COLUMNS = """\
# The columns of the cohort table

One row per patient, in one sheet of an XLSX file or in a CSV or TSV file in any encoding. Replace the two
example rows. You can keep your own headings: map them in the study file, for example
`columns = { patient_id = "病案号" }`. An empty cell, `NA`, `null` or `-` means that the value is missing. So do `none`
and `无` in a cell for a file, a position or a number; in other clinical columns, they are answers.

每行一名患者；可用 XLSX、CSV 或 TSV。自己的表头可以保留，在 study.toml 的 columns 中注明对应关系即可。

## Required

- `patient_id`: any text that is unique to the patient. Use a pseudonym, not the name or the hospital number.
  患者编号，不得重复；请使用脱敏编号，不要用姓名或病案号。
- `isup_grade`: the WHO/ISUP grade from pathology, 1 to 4 (`3`, `3.0`, `G3`, `III`, `ISUP 3` and `3级` are
  equivalent); 3 and 4 are high. To use another column, of grades or of 0 and 1, name it in `cohort.outcome`.
  病理 WHO/ISUP 核分级 1–4，3–4 级为高级别；也可在 cohort.outcome 中指定其他分级列或 0/1 列。
- `<phase>_image`, for each of `cohort.phases` (`cmp_image`, `np_image`, `up_image`): the scan, as NIfTI, NRRD, MHA, a
  folder with one DICOM series, or a list written by `nephrograde scan`; for weak arms also exported pictures, separated
  by `;`. Relative paths start from the table's folder. A patient who lacks a phase still takes part in the others.
  各期相图像：NIfTI、NRRD、MHA 文件、只含一个序列的 DICOM 文件夹或 scan 生成的列表；弱监督也可用导出的图片，以分号隔开；
  相对路径以表格所在文件夹为准；缺某一期可留空。

## Annotations, as far as the arms of the study need them

- `<phase>_mask`: the delineated tumour as NIfTI, NRRD, MHA, DICOM SEG or RTSTRUCT; its grid may differ from that of the
  image. `[masks]` in the study file says which label is the tumour.
  肿瘤三维勾画：NIfTI、NRRD、MHA、DICOM SEG 或 RTSTRUCT；网格可与图像不同；标签在研究文件 [masks] 中指定。
- `<phase>_box`: two opposite corners of a rectangle on one slice or of a box, `200,210,41;260,275,41 vox`.
  肿瘤外接框的两个对角点，用分号隔开，并注明单位。
- `<phase>_point`: one click in the tumour, `-62.5,48.0,-312.5 mm` or `230,242,41 vox`.
  肿瘤内任意一点，并注明单位。
- `<phase>_slice`: one axial slice through the tumour, `-312.5 mm` or `41 vox`.
  经过肿瘤的一个横断层面，并注明单位。

- `<phase>_kidneys`: a mask of both kidneys with their tumours, for arms of the level "none"; without it, the program
  searches for them.
  两侧肾脏及其肿瘤的掩膜，用于 "none" 级别；没有时由程序寻找肾脏。

- `<phase>_pixel_mm`: the pixel size of exported pictures in mm, if known.
  导出图片的像素大小（毫米），可留空。

Every position needs a unit: `mm` is the DICOM patient coordinate system (LPS); `vox` counts the voxels of that
phase's image from 0 (columns, rows, slices from feet to head for DICOM; array order for other files). In a CSV file,
a cell that contains commas must be quoted, as Excel does.

坐标必须注明单位：mm 为 DICOM 患者坐标（LPS），vox 为该期图像从 0 开始的体素序号（列、行、层；DICOM 由足至头）。

## Clinical columns, all optional

- `age_years`: age at the scan, in years. 检查时年龄（岁）。
- `sex`: for the patient characteristics in the report. 性别。
- `size_cm`: the largest diameter of the tumour in cm; the size-only baseline uses it, or measures the mask without it.
  肿瘤最大径（厘米）；“仅大小”基线模型使用此列，缺失时由掩膜测量。
- `volume_ml`: the volume of the tumour in ml. 肿瘤体积（毫升）。
- `centre`: the hospital; name it in `split.stratify` to balance the hospitals across train and test. 医院或中心。
- `split`: `train` or `test`, if the test patients are predefined; name it in `split.column`.
  若已指定训练集与测试集，填 train 或 test，并在 split.column 中注明列名。
- Any further column is kept as clinical data. 其他列均作为临床资料保留。
"""


@dataclass(frozen=True, slots=True)
class Template:
    """What was written.

    Attributes:
        study_path: The study file.
        table_path: The cohort table that it names.
        columns_path: The description of the columns.
        found: The cohort table that was in the folder already; None if an example was written.
        choices: What the study file chooses for that table, and why; None likewise.
        passed_over: Tables of the folder beside the example, none of which names images.
    """

    study_path: Path
    table_path: Path
    columns_path: Path
    found: FoundTable | None
    choices: Choices | None
    passed_over: tuple[Path, ...] = ()


def write_template(target_dir: Path, *, language: Literal["en", "zh"] = "en") -> Template:
    """Write ``study.toml`` with every key explained, ``columns.md``, and ``cohort.csv`` with two example patients.

    Use them to start a study of your own. A cohort table that is in the folder already, such as that of a scan, stays
    as it is, and the study names its phases, headings and grades; its arms are those that the annotations of the table
    allow, and the study file says at its top, in one line per choice, why (:mod:`nephrograde.sources.choices`). The
    example has a byte order mark, so that Excel reads it as UTF-8, and the arms of the paper, with every key at its
    default.

    Args:
        target_dir: The folder to write to; created if missing.
        language: The language of the comments in the study file.

    Raises:
        RunError: If one of the files already exists; nothing is written then. What an interrupted call has written is
            completed.
        InputError: If there is a cohort table that cannot be used; nothing is written then.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_template(pathlib.Path(folder, "mine"))
    >>> written.study_path.name, written.table_path.name, written.found
    ('study.toml', 'cohort.csv', None)
    """
    if target_dir.exists() and not target_dir.is_dir():
        raise RunError(f"{target_dir} is a file. Name a folder to write the templates to.")
    with only_writer_of(target_dir / "study.toml"):
        return _write_missing(target_dir, language)


def _write_missing(target_dir: Path, language: Literal["en", "zh"]) -> Template:
    """Write the files; those that an interrupted call has written are no obstacle."""
    remove_leftovers(target_dir, is_ours={"columns.md", "study.toml", "cohort.csv"}.__contains__)
    present = [name for name in ("study.toml", "columns.md") if (target_dir / name).exists()]
    if "study.toml" in present and (target_dir / "cohort.csv").exists():  # the table is written last
        raise _refused(target_dir, present)
    found = find_table(target_dir)
    passed_over = tables_without_images(target_dir) if found is None else ()
    name = "template.toml" if language == "en" else f"template.{language}.toml"
    template = resources.files("nephrograde.sources").joinpath(name).read_text(encoding="utf-8")
    choices = None if found is None else choose(found, _has_encoder)
    study = template if found is None or choices is None else study_of(found, choices, template, language)
    contents = {"columns.md": _COLUMNS.encode(), "study.toml": study.encode()}
    if found is None:
        contents["cohort.csv"] = _example_table()
    is_finished = "study.toml" in present and found is not None
    if is_finished or any((target_dir / name).read_bytes() != contents[name] for name in present):
        raise _refused(target_dir, present)
    with staged():
        for name, content in contents.items():
            with replaced(target_dir / name) as temporary_path:
                temporary_path.write_bytes(content)
    table_path = target_dir / "cohort.csv" if found is None else found.table_path
    return Template(target_dir / "study.toml", table_path, target_dir / "columns.md", found, choices, passed_over)


def _refused(target_dir: Path, present: Sequence[str]) -> RunError:
    return RunError(f"{target_dir} already contains {', '.join(present)}. Name another folder or move the files.")


def _example_table() -> bytes:
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(_COHORT_ROWS[0]))
    writer.writeheader()
    writer.writerows(_COHORT_ROWS)
    return table.getvalue().encode("utf-8-sig")


def _has_encoder() -> bool:
    try:
        find_encoder(ENCODER, store_dir())
    except WeightsError:
        return False
    return True
