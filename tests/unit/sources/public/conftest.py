"""A local server with the layout of the public ones."""

import hashlib
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from nephrograde.sources.public.cohorts import KITS_IMAGES, KITS_REVISION, Hosts


class PublicServer:
    """Files by path, and the faults to simulate. ``asked`` lists every request."""

    def __init__(self):
        self.files = {}
        self.listed_size = {}
        self.broken_after = {}  # path: bytes until the connection is cut, once
        self.answers = {}  # path: list of codes to answer with first
        self.asked = []
        self.page = 1000
        self.ignores_range = False
        self.lies = {}  # path: content sent instead of the file

    def keys(self, prefix):
        return sorted(key for key in self.files if key.startswith(prefix))

    def listing(self, bucket, query):
        prefix = query["prefix"][0]
        keys = self.keys(f"/{bucket}/{prefix}")
        start = int(query.get("continuation-token", ["0"])[0])
        entries = "".join(
            f"<Contents><Key>{key.removeprefix(f'/{bucket}/')}</Key>"
            f"<Size>{self.listed_size.get(key, len(self.files[key]))}</Size>"
            f"<ETag>&quot;{hashlib.md5(self.files[key]).hexdigest()}&quot;</ETag></Contents>"  # noqa: S324
            for key in keys[start : start + self.page]
        )
        is_cut = start + self.page < len(keys)
        more = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>" if is_cut else ""
        name = "http://s3.amazonaws.com/doc/2006-03-01/"
        cut = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        return f'<?xml version="1.0"?><ListBucketResult xmlns="{name}">{cut}{entries}{more}</ListBucketResult>'.encode()

    def tree(self):
        start = f"/{KITS_IMAGES}/resolve/{KITS_REVISION}/"
        return json.dumps(
            [
                {
                    "type": "file",
                    "path": key.removeprefix(start),
                    "size": len(self.files[key]),
                    "lfs": {"oid": hashlib.sha256(self.files[key]).hexdigest(), "size": len(self.files[key])},
                }
                for key in self.keys(start)
            ]
        ).encode()

    def content(self, target):
        parts = urlsplit(target)
        if "list-type" in parts.query:
            return self.listing(parts.path.strip("/"), parse_qs(parts.query))
        if parts.path == f"/api/{KITS_IMAGES}/tree/{KITS_REVISION}/images":
            return self.tree()
        return self.lies.get(parts.path, self.files.get(parts.path))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, public):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.public = public


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self):
        public = self.server.public
        path = urlsplit(self.path).path
        public.asked.append((path, self.headers.get("Range")))
        content = public.content(self.path)
        if codes := public.answers.get(path):
            return self.send_error(codes.pop(0))
        if content is None:
            return self.send_error(404)
        start = 0
        if (asked := self.headers.get("Range")) and not public.ignores_range:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = public.broken_after.pop(path, None)
        with suppress(ConnectionError):  # the client has disconnected
            self.wfile.write(content[start : None if end is None else start + end])
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def public():
    """The server and hosts that point to it; requests are tried twice, without waiting."""
    server = _Server(PublicServer())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    hosts = Hosts(idc=address, hugging_face=address, github=address, gdc=address, tries=2, wait_s=0.0, timeout_s=5.0)
    server.public.hosts = hosts
    yield server.public
    server.shutdown()
    thread.join()
    server.server_close()
