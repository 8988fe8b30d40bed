"""Addresses other than loopback, and their password."""

from __future__ import annotations

import base64

import pytest

from nephrograde.errors import InputError

pytestmark = pytest.mark.needs("starlette")


@pytest.fixture
def access_to():
    from nephrograde.web.security import Access

    return lambda host, **secrets: Access(host, 8000, token="token", **secrets)  # noqa: S106


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "radiology.example"])  # noqa: S104
def test_other_addresses_need_a_name_and_a_password(access_to, host):
    with pytest.raises(InputError) as refused:
        access_to(host, password="short")  # noqa: S106
    assert {problem.place for problem in refused.value.problems} == {"--host"}


def test_password_is_asked_for_besides_the_token(access_to):
    access = access_to("192.168.1.7", password="correct horse")  # noqa: S106
    host = {"host": "192.168.1.7:8000", "cookie": "nephrograde-8000=token"}
    given = base64.b64encode(b"li:correct horse").decode()
    assert access.fault("GET", host, {})[0] == 401
    assert access.fault("GET", {**host, "authorization": "Basic !!"}, {})[0] == 401
    assert access.fault("GET", {**host, "authorization": f"Basic {given}"}, {})[0] == 200
    assert access.fault("GET", {**host, "cookie": "", "authorization": f"Basic {given}"}, {})[0] == 403
    assert access.fault("GET", {**host, "host": "127.0.0.1:8000"}, {})[0] == 421
