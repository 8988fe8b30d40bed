import gzip
import json
import resource
import shutil
from collections import namedtuple

import pytest
from tests.pipeline.renames import killed_states

from nephrograde.cohort.origin import read_origin
from nephrograde.errors import InputError, RunError, WriteError
from nephrograde.files import read_rows
from nephrograde.sources.public.cohorts import KITS_IMAGES, KITS_REVISION, Part
from nephrograde.sources.public.download import download_cohort, open_plan, write_plan
from nephrograde.sources.public.plan import CohortPlan

DICOM = bytes(128) + b"DICM"


def series(name, n_files, folder="images"):
    path = f"{folder}/{name}" if n_files > 1 else f"{folder}/{name}.dcm"
    known = {"licence": "CC BY 4.0", "doi": "10.1/x", "size_bytes": 140 * n_files}
    return Part(host="idc", source=f"bucket/uuid-{name}", path=path, n_files=n_files, **known)


@pytest.fixture
def plan(public):
    """A patient with two series and a mask, on the server."""
    parts = (series("1.1", 3), series("1.2", 4), series("1.9", 1, "masks"))
    for part in parts:
        files = {f"/{part.source}/{n}.dcm": DICOM + bytes([n]) * 8 for n in range(part.n_files)}
        public.files |= files
    row = {"patient_id": "A", "isup_grade": "3", "up_image": "images/1.1", "cmp_image": "images/1.2"}
    return CohortPlan(
        names=("c4kc-kits",),
        rows=(row | {"cmp_mask": "masks/1.9.dcm"},),
        series=(),
        parts=parts,
        index_version="25.0",
        grade_sources=("a table",),
        notes=("A note.",),
    )


def asked_files(public):
    return [path for path, _ in public.asked if path.endswith((".dcm", ".gz"))]


def test_a_cohort_is_downloaded_with_its_tables_and_sources(plan, public, tmp_path):
    steps = []
    done = download_cohort(plan, tmp_path, hosts=public.hosts, progress=lambda *step: steps.append(step))
    assert (done.n_whole, done.failed) == (3, ())
    (row,) = read_rows(done.table_path)
    assert row["isup_grade"] == "3"
    assert sorted(path.name for path in (tmp_path / row["cmp_image"]).iterdir()) == [f"{n}.dcm" for n in range(4)]
    assert (tmp_path / row["cmp_mask"]).read_bytes().startswith(DICOM)
    assert steps[-1][0] == sum(len(content) for content in public.files.values())
    text = (tmp_path / "SOURCES.md").read_text(encoding="utf-8")
    for words in ("CC BY 4.0", "https://doi.org/10.1/x", "25.0", "a table", "A note.", "Research use only"):
        assert words in text


def test_a_plan_can_be_looked_over_before_the_download(plan, public, tmp_path):
    written = write_plan(plan, tmp_path)
    assert (written.n_whole, public.asked) == (0, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "SOURCES.md",
        "cohort.csv",
        "cohort.scan.json",
        "series.csv",
        "sources.json",
    ]
    origin = read_origin(tmp_path / "sources.json")
    assert [source.doi for source in origin.sources] == list(dict.fromkeys(part.doi for part in plan.parts))
    assert {one.series_uid for one in origin.series} <= {entry.series_uid for entry in plan.series}
    assert download_cohort(plan, tmp_path, hosts=public.hosts).n_whole == 3


def test_what_is_whole_is_not_asked_for_again(plan, public, tmp_path):
    download_cohort(plan, tmp_path, hosts=public.hosts)
    public.asked.clear()
    assert download_cohort(plan, tmp_path, hosts=public.hosts).n_whole == 3
    assert public.asked == []
    (tmp_path / "images" / "1.2" / "2.dcm").unlink()
    assert download_cohort(plan, tmp_path, hosts=public.hosts).failed == ()
    assert asked_files(public) == ["/bucket/uuid-1.2/2.dcm"]


def test_files_of_others_in_a_series_are_set_aside(plan, public, tmp_path):
    download_cohort(plan, tmp_path, hosts=public.hosts)
    (tmp_path / "images" / "1.2.part").mkdir()
    for folder in ("1.2", "1.2.part"):
        (tmp_path / "images" / folder / "notes.txt").write_text(folder)
    (tmp_path / "images" / "1.2.part" / "2.dcm.part").write_bytes(b"half")
    assert download_cohort(plan, tmp_path, hosts=public.hosts).failed == ()
    names = {path.relative_to(tmp_path / "images").as_posix() for path in (tmp_path / "images").rglob("*.txt*")}
    assert names == {"1.2.others/notes.txt", "1.2.others/notes.txt.1"}
    assert sorted(path.name for path in (tmp_path / "images" / "1.2").iterdir()) == [f"{n}.dcm" for n in range(4)]
    assert not (tmp_path / "images" / "1.2.part").exists()


def test_a_broken_series_stays_unnamed_and_goes_on_the_next_time(plan, public, tmp_path):
    public.answers["/bucket/uuid-1.2/2.dcm"] = [404]
    done = download_cohort(plan, tmp_path, hosts=public.hosts, workers=1)
    assert [error.code for error in done.failed] == ["download-missing"]
    assert done.n_whole == 2
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["1.1", "1.2.part"]
    public.asked.clear()
    assert download_cohort(plan, tmp_path, hosts=public.hosts).failed == ()
    assert asked_files(public) == ["/bucket/uuid-1.2/2.dcm", "/bucket/uuid-1.2/3.dcm"]
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["1.1", "1.2"]


def test_a_list_that_differs_from_the_index_is_named(plan, public, tmp_path):
    del public.files["/bucket/uuid-1.1/0.dcm"]
    done = download_cohort(plan, tmp_path, hosts=public.hosts)
    assert "the server lists 2 files, the index counts 3" in str(done.failed[0])
    assert not (tmp_path / "images" / "1.1").exists()


def test_a_call_to_stop_leaves_only_whole_things_under_their_names(plan, public, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_cohort(plan, tmp_path, hosts=public.hosts, workers=1, progress=interrupt)
    left = [path for folder in ("images", "masks") for path in (tmp_path / folder).glob("*")]
    assert all(path.suffix == ".part" for path in left)
    assert download_cohort(plan, tmp_path, hosts=public.hosts).failed == ()


def test_an_edited_table_is_not_overwritten(plan, public, tmp_path):
    download_cohort(plan, tmp_path, hosts=public.hosts)
    (tmp_path / "cohort.csv").write_text("patient_id\nmine\n")
    with pytest.raises(RunError, match="was edited"):
        download_cohort(plan, tmp_path, hosts=public.hosts)


def test_a_disk_that_is_too_small_is_named_before_anything_comes(plan, public, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("nephrograde.sources.public.download.shutil.disk_usage", lambda _: usage(1, 1, 5_000_000))
    with pytest.raises(InputError, match=r"has 0\.0 GB free"):
        download_cohort(plan, tmp_path, hosts=public.hosts)
    assert public.asked == []
    assert not (tmp_path / "cohort.csv").exists()


def test_kits_comes_from_two_hosts(public, tmp_path):
    case = {"tumor_histologic_subtype": "clear_cell_rcc", "tumor_isup_grade": "4", "gender": "female"}
    cases = [case | {"case_id": f"case_{n:05d}"} for n in (7, 500, 9)]
    public.files["/neheller/kits23/main/dataset/kits23.json"] = json.dumps(cases).encode()
    for n in (7, 500):
        public.files[f"/{KITS_IMAGES}/resolve/{KITS_REVISION}/images/case_{n:05d}.nii.gz"] = gzip.compress(bytes(50))
        public.files[f"/neheller/kits23/main/dataset/case_{n:05d}/segmentation.nii.gz"] = gzip.compress(bytes(9))
    public.files["/neheller/kits23/main/dataset/case_00009/segmentation.nii.gz"] = gzip.compress(bytes(9))
    plan = open_plan(["kits23"], tmp_path, hosts=public.hosts)
    done = download_cohort(plan, tmp_path, hosts=public.hosts)
    assert [error.code for error in done.failed] == ["download-missing"]
    rows = read_rows(done.table_path)
    assert [(row["patient_id"], row["cmp_image"], row["np_mask"]) for row in rows] == [
        ("KiTS-00007", "images/case_00007.nii.gz", ""),
        ("KiTS-00009", "images/case_00009.nii.gz", ""),
        ("KiTS-00500", "", "masks/case_00500.nii.gz"),
    ]
    assert gzip.decompress((tmp_path / "images" / "case_00500.nii.gz").read_bytes()) == bytes(50)
    assert {row["chosen"] for row in read_rows(done.series_path)} == {"yes", "no"}
    shutil.rmtree(tmp_path / "masks")
    assert len(download_cohort(plan, tmp_path, hosts=public.hosts).failed) == 1


@pytest.mark.slow
@pytest.mark.needs("duckdb", "idc_index_data")
def test_two_cohorts_are_opened_as_one_with_one_grade_table(public, tmp_path):
    case = {"tumor_histologic_subtype": "clear_cell_rcc", "tumor_isup_grade": "2", "gender": "male"}
    cases = [case | {"case_id": f"case_{n:05d}"} for n in (0, 450)]
    public.files["/neheller/kits23/main/dataset/kits23.json"] = json.dumps(cases).encode()
    plan = open_plan(["c4kc-kits", "kits23"], tmp_path, hosts=public.hosts)
    assert [row["patient_id"] for row in plan.rows] == ["KiTS-00000", "KiTS-00450"]
    assert plan.rows[0]["np_image"].startswith("images/1.3.6")
    assert len(public.asked) == 1
    with pytest.raises(InputError, match="'kits19' is not known"):
        open_plan(["kits23", "kits19"], tmp_path, hosts=public.hosts)


@pytest.mark.slow
def test_a_download_killed_around_any_renaming_goes_on(plan, public, tmp_path, monkeypatch):
    def go(out_dir):
        assert download_cohort(plan, out_dir, hosts=public.hosts, workers=1).failed == ()

    (tmp_path / "start").mkdir()
    states = list(killed_states(monkeypatch, go, tmp_path / "start", tmp_path / "kills"))
    assert [state for state in states if state[1]] == []
    assert len(states) > 20


def test_a_full_disk_is_no_broken_connection(plan, public, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write_plan(plan, tmp_path)
    public.files = {path: content.ljust(9_000, b"0") for path, content in public.files.items()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, limits[1]))
    try:
        with pytest.raises(WriteError) as refused:
            download_cohort(plan, tmp_path, hosts=public.hosts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path) in str(refused.value.path)
    assert download_cohort(plan, tmp_path, hosts=public.hosts).failed == ()
