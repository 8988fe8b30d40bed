"""A mask from clicks, by a server that speaks the protocol of nnInteractive on this machine."""

from __future__ import annotations

import numpy as np
import pytest
from tests.nninteractive_stub import stub_server

from nephrograde.errors import InputError

from .conftest import ORIGIN_MM, SIZE, SPACING_MM

pytestmark = [
    pytest.mark.needs("starlette", "uvicorn", "nnInteractive.inference.remote"),
    # The client leaves its socket to the garbage collector where a server refuses it a session.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
ASSIST = "/api/patients/0/phases/np/assist"


@pytest.fixture
def stub():
    with stub_server() as server:
        yield server


@pytest.fixture
def asking(reading, stub):
    """The application with the stub as its server: ask(method, address, body)."""
    from nephrograde.web.assist import Assistant

    assistant = Assistant(stub.address)
    yield reading("li", assistant=assistant)[1]
    assistant.close()


def in_mm(voxel):
    place = np.array(ORIGIN_MM["np"]) + np.array(voxel) * SPACING_MM
    return f"{','.join(f'{value:g}' for value in place)} mm"


def marked(reply):
    """The voxels of a mask, x y z."""
    from nephrograde.annotations.voxels import parse_voxels

    voxels = parse_voxels(reply["value"])
    assert voxels.is_whole
    return voxels.stack().T


def test_click_becomes_a_mask_on_the_grid_of_the_scan(asking, stub):
    status, reply = asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})
    assert status == 200
    assert reply["licence"] == "CC BY-NC-SA 4.0"
    expected = np.zeros(SIZE, bool)
    expected[18:23, 13:18, 4:9] = True
    assert np.array_equal(marked(reply), expected)
    (image,) = stub.images
    assert np.array_equal(image[0].T, np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE))


def test_scan_is_sent_once_and_further_clicks_correct_the_mask(asking, stub):
    asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})
    _, reply = asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))], "outside": [in_mm((22, 15, 6))]})
    assert len(stub.images) == 1
    assert marked(reply).sum() == 5**3 - 3 * 5 * 5
    asking("POST", ASSIST.replace("np", "up"), {"inside": ["0,0,-270 mm"]})
    assert len(stub.images) == 2


def test_nothing_that_identifies_a_patient_is_sent(asking, stub):
    asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})
    sent = repr(stub.requests)
    assert "P1" not in sent
    assert "cohort" not in sent


def test_expired_session_is_opened_again(asking, stub):
    stub.fault = "expired"
    assert asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})[0] == 200
    assert stub.leases == 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("full", 503),
        ("/claim", 503),
        ("/set_image", 503),
        ("/add_point_interaction", 503),
        ("rubbish", 503),
        ("empty", 422),
    ],
)
def test_server_that_fails_is_a_reason_and_not_500(asking, stub, fault, status):
    stub.fault = fault
    got, reply = asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})
    assert got == status
    assert reply["reason"]
    stub.fault = ""
    assert asking("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})[0] == 200


def test_server_that_is_gone(reading):
    from nephrograde.web.assist import Assistant

    _, ask = reading("li", assistant=Assistant("http://127.0.0.1:9"))
    assert ask("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})[0] == 503


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"inside": []},
        {"inside": "0,0,-280 mm"},
        {"inside": [7]},
        {"inside": ["0,0,-280"]},
        {"inside": ["1,2,3 vox"]},
        {"inside": ["500,0,-280 mm"]},
        {"inside": ["0,0,-280 mm"], "outside": ["nan,0,0 mm"]},
        {"inside": ["0,0,-280 mm"] * 101},
        {"inside": ["0,0,-280 mm"], "path": "/etc/passwd"},
    ],
)
def test_clicks_that_cannot_be_are_400_and_not_sent(asking, stub, given):
    status, reply = asking("POST", ASSIST, given)
    assert status == 400
    assert reply["reason"]
    assert stub.requests == []


def test_without_a_server_nothing_is_sent(reading):
    status, reply = reading("li")[1]("POST", ASSIST, {"inside": [in_mm((20, 15, 6))]})
    assert status == 400
    assert "--assist" in reply["reason"]


@pytest.mark.parametrize("address", ["", "gpu-box", "ftp://gpu", "http://", "file:///etc/passwd", "http://a:b@gpu"])
def test_address_that_is_none_is_refused(address):
    from nephrograde.web.assist import Assistant

    with pytest.raises(InputError) as refused:
        Assistant(address)
    assert [problem.place for problem in refused.value.problems] == ["--assist"]
