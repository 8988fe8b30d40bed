"""The address of a Ray cluster is asked before Ray is: what cannot be one is refused within seconds."""

import socket
import threading
from contextlib import contextmanager

import pytest

from nephrograde.errors import InputError
from nephrograde.placing import ray_address
from nephrograde.placing.ray_address import check_answers

SETTINGS = bytes((0, 0, 6, 4, 0, 0, 0, 0, 0)) + bytes((0, 4, 0, 0, 255, 255))


@contextmanager
def answering(answer):
    """A server on this machine that answers the first bytes with others; None keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                if answer is None:
                    connection.recv(100)  # until the other side gives up
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"SSH"])
def test_what_does_not_answer_as_ray_does_is_refused(monkeypatch, scheme, answer):
    monkeypatch.setattr(ray_address, "_WAIT_S", 0.2)
    with answering(answer) as address, pytest.raises(InputError) as refused:
        check_answers(scheme + address)
    assert refused.value.problems[0].place == scheme + address
    assert refused.value.problems[0].what == "what listens there does not answer as Ray does"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_server_of_http2_is_left_to_ray(scheme):
    with answering(SETTINGS) as address:
        check_answers(scheme + address)


@pytest.mark.parametrize("variable", ["1", "True"])
def test_with_tls_a_connection_is_enough(monkeypatch, variable):
    monkeypatch.setenv("RAY_USE_TLS", variable)
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_answers(f"127.0.0.1:{server.getsockname()[1]}")


def test_where_nothing_listens_the_reason_is_told():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "nowhere.invalid:6379", "a..b:1", f"{'a' * 70}:1"):
        with pytest.raises(InputError, match="nothing answers there") as refused:
            check_answers(address)
        assert refused.value.problems[0].place == address


def test_forms_that_only_ray_knows_are_left_to_it():
    for address in ("auto", "local", "ray://", "head", "head:port", "http://head:8265", "head:0", "head:99999"):
        check_answers(address)
