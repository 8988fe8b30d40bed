"""What the commands say where there is nothing, or nothing that they can use."""

from __future__ import annotations

import pytest

from nephrograde.errors import InputError
from nephrograde.exchange.destination import parse_web_service
from nephrograde.exchange.spool import STATES


def test_an_empty_spool_is_not_passed_over_in_silence(tmp_path, nephrograde):
    for state in STATES:
        (tmp_path / state).mkdir()
    code, out, err = nephrograde("queue", tmp_path, "--lang", "zh")
    assert (code, out, err) == (0, "", "接收目录中没有序列。\n")


def test_what_is_no_address_is_not_told_to_become_a_pacs_of_which_nothing_can_be_retrieved():
    with pytest.raises(InputError, match="is not an address: foo") as caught:
        parse_web_service("foo", place="url")
    assert "AET" not in str(caught.value)
