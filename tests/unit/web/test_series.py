"""The choice of series on the server: what is shown, what is saved, and what is refused and why."""

from __future__ import annotations

import json
import os
import uuid

import pytest

from nephrograde.files import read_json, read_rows, write_json
from nephrograde.sources.scan.scan import ScanSettings, scan_folder
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.web.start import open_session

pytestmark = pytest.mark.needs("starlette", "uvicorn")
SETTINGS = ScanSettings(look="never", workers=1)


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    """Two patients with two phases each, as DICOM."""
    made = tmp_path_factory.mktemp("made")
    write_cohort(made, PhantomSettings(patients=2, phases=("up", "cmp"), dicom=True, matrix_px=64))
    return made / "images"


@pytest.fixture(scope="module")
def cohort_path(export_dir, tmp_path_factory):
    return scan_folder(export_dir, tmp_path_factory.mktemp("work") / "cohort.csv", settings=SETTINGS).table_path


@pytest.fixture(autouse=True)
def fresh(cohort_path, export_dir):
    yield
    for path in cohort_path.parent.glob("*.corrections.*"):
        path.unlink()
    scan_folder(export_dir, cohort_path, settings=SETTINGS)


def corrections(cohort_path):
    return {row["series_uid"]: row["phase"] for row in read_rows(cohort_path.with_name("cohort.corrections.csv"))}


@pytest.fixture
def choose(ask):
    """Say something of a series: (status, reply)."""

    def send(number, k, phase, **known):
        seen = ask("GET", f"/api/series/{number}")[1]["seen"]
        body = {"id": uuid.uuid4().hex, "phase": phase, "seen": seen, "session": "tab", **known}
        return ask("POST", f"/api/series/{number}/{k}", body)[:2]

    return send


def test_every_series_is_listed_with_its_size_reason_and_picture(ask):
    status, about, _ = ask("GET", "/api/series?lang=zh")
    assert (status, about["reader"], about["language"], about["corrections"]) == (
        200,
        "li",
        "zh",
        "cohort.corrections.csv",
    )
    assert [one["code"] for one in about["phases"]] == ["up", "cmp", "np", "ep"]
    assert [(one["patient_id"], one["n_series"]) for one in about["patients"]] == [("SYN-0001", 2), ("SYN-0002", 2)]
    _, patient, _ = ask("GET", "/api/series/0?lang=zh")
    first = patient["series"][0]
    assert (first["phase"], first["slices"], first["step_mm"], first["is_chosen"]) == ("up", 70, 3.0, True)
    assert first["reason"] == "该期相唯一序列"
    assert (first["correction"], first["is_applied"], first["fixed"]) == (None, True, "")
    status, png, headers = ask("GET", "/api/series/1/1/picture")
    assert (status, headers["content-type"], png[1:4]) == (200, "image/png", b"PNG")


def test_choice_is_taken_by_the_next_scan(ask, choose, cohort_path, export_dir):
    status, reply = choose(0, 0, "ep")
    assert (status, reply["patient"]["series"][0]["correction"]["reader"]) == (200, "li")
    assert not reply["patient"]["series"][0]["is_applied"]
    assert choose(0, 1, "")[0] == 200
    scan_folder(export_dir, cohort_path, settings=SETTINGS)
    row = read_rows(cohort_path)[0]
    assert (bool(row["up_image"]), bool(row["cmp_image"]), bool(row["ep_image"])) == (False, False, True)
    _, patient, _ = ask("GET", "/api/series/0")
    assert [one["is_applied"] for one in patient["series"]] == [True, True]
    assert [one["is_chosen"] for one in patient["series"]] == [True, False]
    assert choose(0, 1, None)[1]["patient"]["series"][1]["is_applied"] is False


def test_another_series_takes_over_a_phase(choose, cohort_path):
    choose(0, 0, "np")
    _, reply = choose(0, 1, "np")
    assert [one["correction"] and one["correction"]["phase"] for one in reply["patient"]["series"]] == [None, "np"]
    assert list(corrections(cohort_path).values()) == ["np"]


def test_edit_by_hand_since_the_page_was_opened_is_not_overwritten(ask, cohort_path):
    seen = ask("GET", "/api/series/0")[1]["seen"]
    path = cohort_path.with_name("cohort.corrections.csv")
    path.write_text("series_uid,phase\n1.2.3,np\n", encoding="utf-8")
    body = {"id": uuid.uuid4().hex, "phase": "np", "seen": seen, "session": "tab"}
    status, reply, _ = ask("POST", "/api/series/0/0", body)
    assert (status, "was changed" in reply["reason"]) == (409, True)
    assert corrections(cohort_path) == {"1.2.3": "np"}
    again = {**body, "seen": ask("GET", "/api/series/0")[1]["seen"]}
    assert ask("POST", "/api/series/0/0", again)[0] == 200
    assert len(corrections(cohort_path)) == 2


def test_numbers_of_an_earlier_scan_are_refused(ask, cohort_path, export_dir):
    seen = ask("GET", "/api/series/0")[1]["seen"]
    path = cohort_path.with_name("cohort.corrections.csv")
    uid = read_rows(cohort_path.with_name("series.csv"))[0]["series_uid"]
    path.write_text(f"series_uid,phase\n{uid},\n", encoding="utf-8")
    scan_folder(export_dir, cohort_path, settings=SETTINGS)
    body = {"id": uuid.uuid4().hex, "phase": "np", "seen": seen, "session": "tab"}
    assert ask("POST", "/api/series/0/0?lang=zh", body)[0] == 409


def test_corrections_go_into_the_table_that_the_scan_was_told_to_read(choose, cohort_path, export_dir, tmp_path):
    named = tmp_path / "mine.csv"
    named.write_text("series_uid,phase\n1.2.3,np\n", encoding="utf-8")
    settings = ScanSettings(look="never", workers=1, corrections_path=named)
    scan_folder(export_dir, cohort_path, settings=settings)
    assert choose(1, 0, "")[0] == 200
    assert [row["phase"] for row in read_rows(named)] == ["np", ""]
    assert not cohort_path.with_name("cohort.corrections.csv").exists()


def test_journal_names_the_reader(choose, cohort_path):
    choose(0, 0, "np")
    (line,) = cohort_path.with_name("cohort.corrections.jsonl").read_text(encoding="utf-8").splitlines()
    assert {key: json.loads(line)[key] for key in ("reader", "patient_id", "phase", "was", "session")} == {
        "reader": "li", "patient_id": "SYN-0001", "phase": "np", "was": None, "session": "tab"
    }  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "/api/series/2",
        "/api/series/-1",
        "/api/series/0/2/picture",
        "/api/series/0/..%2f..%2fx/picture",
        "/api/series/%00",
    ],
)
def test_what_the_scan_did_not_find_is_404_with_a_reason(ask, address):
    status, reply, _ = ask("GET", address)
    assert status == 404
    assert reply["reason"]


@pytest.mark.parametrize(
    "wrong", [{"phase": "arterial"}, {"phase": 3}, {"id": "7"}, {"id": None}, {"seen": []}, {"session": {}}]
)
def test_what_makes_no_sense_is_refused(choose, cohort_path, wrong):
    status, reply = choose(0, 0, wrong.pop("phase", "np"), **wrong)
    assert status == 400
    assert reply["reason"]
    assert not cohort_path.with_name("cohort.corrections.csv").exists()


def test_another_page_cannot_choose(ask, cohort_path):
    body = json.dumps({"id": uuid.uuid4().hex, "phase": "np", "seen": " ", "session": ""})
    kind = {"Content-Type": "application/json"}
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask("POST", "/api/series/0/0", body, headers={**kind, **headers})[0] in {403, 421}
    assert ask("POST", "/api/series/0/0", body, headers={"Content-Type": "text/plain"})[0] == 415
    for address in ("/series", "/api/series", "/api/series/0", "/api/series/0/0/picture"):
        assert ask("GET", address, token="wrong")[0] == 403  # noqa: S106
    assert not cohort_path.with_name("cohort.corrections.csv").exists()


def test_series_of_several_patients_with_one_uid_is_not_corrected(ask, choose, cohort_path):
    series_path = cohort_path.with_name("series.csv")
    rows = read_rows(series_path)
    series_path.write_text(
        series_path.read_text(encoding="utf-8").replace(rows[2]["series_uid"], rows[0]["series_uid"]), encoding="utf-8"
    )
    assert ask("GET", "/api/series/0")[1]["series"][0]["fixed"]
    assert choose(0, 0, "np")[0] == 400
    write_json(cohort_path.with_name("cohort.scan.json"), _digests(cohort_path))


def _digests(cohort_path):
    from nephrograde.files import sha256_of

    paths = [cohort_path, cohort_path.with_name("series.csv")]
    return read_json(cohort_path.with_name("cohort.scan.json")) | {path.name: sha256_of(path) for path in paths}


def test_picture_without_its_files_is_refused_without_a_path(ask, cohort_path, export_dir):
    hidden = export_dir.with_name("elsewhere")
    os.utime(cohort_path.with_name("series.csv"))  # so that no picture is kept
    export_dir.rename(hidden)
    try:
        status, reply, _ = ask("GET", "/api/series/0/0/picture")
    finally:
        hidden.rename(export_dir)
    assert (status, str(export_dir.parent) in reply["reason"]) == (422, False)


def test_folder_of_a_scan_that_chose_nothing_opens_with_its_series(choose, cohort_path, export_dir, tmp_path):
    table_path = tmp_path / "cohort.csv"
    uids = [row["series_uid"] for row in read_rows(cohort_path.with_name("series.csv"))]
    lines = "\n".join(["series_uid,phase", *(f"{uid}," for uid in uids)])
    table_path.with_name("cohort.corrections.csv").write_text(lines, encoding="utf-8")
    scan_folder(export_dir, table_path, settings=SETTINGS)
    assert not read_rows(table_path)
    session = open_session(tmp_path, tmp_path / "annotations", "li")
    assert list(session.patients) == []
    assert session.series is not None
    assert [one["state"] for one in session.series.overview()["patients"]] == ["unsure", "unsure"]
