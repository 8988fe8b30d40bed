"""The key file: continued, private, and the only way to re-identify."""

import re
import resource
import stat

import pytest

from nephrograde.errors import InputError, WriteError
from nephrograde.sources.deidentify.key import Key


def test_a_key_is_continued(tmp_path):
    first = Key(tmp_path / "sub" / "key.csv")
    people = [first.subject(original) for original in ("b", 'a,\n"c', "王小明")]
    again = Key(tmp_path / "sub" / "key.csv")
    assert [again.subject(original) for original in ("b", 'a,\n"c', "王小明")] == people
    assert [one.patient_id for one in people] == ["P0001", "P0002", "P0003"]
    assert again.subject("d").patient_id == "P0004"
    assert (again.uid("1.2.3"), again.digest("x")) == (first.uid("1.2.3"), first.digest("x"))
    assert stat.S_IMODE((tmp_path / "sub" / "key.csv").stat().st_mode) == 0o600


def test_the_key_of_a_scan_gets_days_and_a_secret(tmp_path):
    path = tmp_path / "cohort.key.csv"
    path.write_text("patient_id,original_id\nP0007,77\n", encoding="utf-8-sig")
    subject = Key(path).subject("77")
    assert subject.patient_id == "P0007"
    assert Key(path).subject("77") == subject
    assert Key(path).subject("78").patient_id == "P0008"


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path):
    path = tmp_path / "key.csv"
    Key(path).subject("a")
    with path.open("a", encoding="utf-8") as stream:
        stream.write("P0002,b")
    assert Key(path).subject("c").patient_id == "P0002"
    assert Key(path).subject("b").patient_id == "P0003"


def test_new_uids_are_valid_and_need_the_secret(tmp_path):
    one, other = Key(tmp_path / "1.csv"), Key(tmp_path / "2.csv")
    assert re.fullmatch(r"2\.25\.[1-9]\d{30,38}", one.uid("1.2.3"))
    assert one.uid("1.2.3") != other.uid("1.2.3")
    assert one.uid("1.2.3") != one.uid("1.2.4")
    assert one.uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"
    assert one.uid("1.2.840.10008.5.Kowalska").startswith("2.25.")
    assert one.uid("1.2.840.10008.5.1.4.1.1.2.44051401").startswith("2.25.")  # under the root, but not registered
    assert one.uid("1.2.840.10008.1.4.1.1") == "1.2.840.10008.1.4.1.1"  # a well-known frame of reference
    assert one.uid("") == ""


@pytest.mark.parametrize(
    "content",
    [
        "id,name\n1,2\n",
        "patient_id,original_id,days_shifted\nP0001,a,soon\n",
        "patient_id,original_id\nP0001,a\nP0002,a\n",
        "patient_id,original_id\n,a\n",
        "patient_id,original_id\n(secret),zz\n",
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_key_is_refused_and_left_as_it_is(tmp_path, content):
    path = tmp_path / "key.csv"
    written = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(written)
    with pytest.raises(InputError, match="the key file"):
        Key(path)
    assert path.read_bytes() == written


@pytest.mark.parametrize("second", ["P0001", "p0001", " P0001"])
def test_a_key_with_two_people_under_one_pseudonym_is_refused(tmp_path, second):
    path = tmp_path / "key.csv"
    content = f"patient_id,original_id\nP0001,a\n{second},b\n"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="two patients one pseudonym"):
        Key(path)
    assert path.read_text(encoding="utf-8") == content


def test_ids_that_a_spreadsheet_would_run_are_text_in_the_key(tmp_path):
    path = tmp_path / "key.csv"
    people = {original: Key(path).subject(original) for original in ("=1+1", "-7", "'@a", "+48 601")}
    assert {original: Key(path).subject(original) for original in people} == people
    assert "'=1+1" in path.read_text(encoding="utf-8")


def test_a_row_that_does_not_fit_on_the_disk_leaves_no_half(tmp_path):
    path = tmp_path / "key.csv"
    key = Key(path)
    key.subject("a")
    before = path.read_bytes()
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5, most))
    try:
        with pytest.raises(WriteError) as refused:
            key.subject("b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert refused.value.path == path
    assert path.read_bytes() == before
    assert Key(path).subject("b").patient_id == "P0002"


def test_a_pseudonym_of_thousands_of_digits_is_none_of_ours(tmp_path):
    key = Key(tmp_path / "key.csv")
    key.subject("KH-1")
    text = (tmp_path / "key.csv").read_text(encoding="utf-8")
    (tmp_path / "key.csv").write_text(text.replace("P0001", f"P{'9' * 5000}"), encoding="utf-8")
    assert Key(tmp_path / "key.csv").subject("KH-2").patient_id == "P0001"
