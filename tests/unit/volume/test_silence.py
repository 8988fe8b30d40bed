"""What C libraries print does not reach the terminal, and what follows does."""

import os
import threading

import pytest

from nephrograde.errors import VolumeError
from nephrograde.volume.read import read_volume
from nephrograde.volume.silence import silenced

HEADER = "ObjectType = Image\nNDims = 3\nDimSize = 3 3 3\nElementType = MET_SHORT\nElementSpacing = 1 1 1\n"


def test_several_threads_are_silent_together_and_stderr_comes_back(capfd):
    inside, outside = threading.Barrier(3), threading.Barrier(3)

    def work():
        with silenced():
            inside.wait(5)
            os.write(2, b"a remark")
            outside.wait(5)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(5)
    outside.wait(5)
    for thread in threads:
        thread.join()
    os.write(2, b"a message")
    assert capfd.readouterr().err == "a message"


def test_stderr_comes_back_after_a_failure(capfd):
    with pytest.raises(RuntimeError), silenced():
        os.write(2, b"a remark")
        raise RuntimeError
    os.write(2, b"a message")
    assert capfd.readouterr().err == "a message"


@pytest.mark.parametrize(
    "field",
    [
        "TransformMatrix = 1 0 0 0 1 0 1e308 0 1",  # on which ITK would not return
        "TransformMatrix = 1 0 0 0 nan 0 0 0 1",
        "Offset = 0 0 inf",
        "ElementSpacing = 1 1 -1e300",
        "",  # cut short
    ],
)
def test_a_header_with_an_impossible_geometry_is_refused_without_a_print(tmp_path, capfd, field):
    content = bytes(9 if not field else 54)
    (tmp_path / "a.mha").write_bytes(f"{HEADER}{field}\nElementDataFile = LOCAL\n".encode() + content)
    with pytest.raises(VolumeError) as caught:
        read_volume(tmp_path / "a.mha")
    assert caught.value.code == "file-unreadable"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("line", ["space directions: (1,0,0) (0,1,0) (0,0,1e300)", "space origin: (0,0,-1e300)"])
def test_an_nrrd_with_an_impossible_geometry_is_refused(tmp_path, line):
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 3 3 3\nspace: LPS\nencoding: raw\nendian: little\n"
    (tmp_path / "a.nrrd").write_bytes(f"{head}{line}\n\n".encode() + bytes(54))
    with pytest.raises(VolumeError) as caught:
        read_volume(tmp_path / "a.nrrd")
    assert caught.value.code == "file-unreadable"


@pytest.mark.parametrize("line", ["type: " + "[" * 3000, "[" * 3000, "labels: " + "[" * 3000])
def test_an_nrrd_field_longer_than_its_reader_can_take_is_refused(tmp_path, line):
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 3 3 3\nspace: LPS\nencoding: raw\nendian: little\n"
    (tmp_path / "a.nrrd").write_bytes(f"{head}{line}\n\n".encode() + bytes(54))
    with pytest.raises(VolumeError) as caught:
        read_volume(tmp_path / "a.nrrd")
    assert caught.value.code == "file-unreadable"


def test_long_keys_and_comments_of_an_nrrd_are_read(tmp_path):
    head = "NRRD0004\ntype: short\ndimension: 3\nsizes: 3 3 3\nspace: LPS\nencoding: raw\nendian: little\n"
    free = f"# {'c' * 3000}\ncontent: {'c' * 3000}\nkey:={'v' * 3000}\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n\n"
    (tmp_path / "a.nrrd").write_bytes(f"{head}{free}".encode() + bytes(range(54)))
    assert read_volume(tmp_path / "a.nrrd").grid.size == (3, 3, 3)


@pytest.mark.parametrize("field", ["Name", "Comment"])
def test_a_metaimage_text_longer_than_its_reader_can_take_is_refused(tmp_path, field):
    (tmp_path / "a.mha").write_bytes(f"{HEADER}{field} = {'a' * 300}\nElementDataFile = LOCAL\n".encode() + bytes(54))
    with pytest.raises(VolumeError) as caught:
        read_volume(tmp_path / "a.mha")
    assert caught.value.code == "file-unreadable"
