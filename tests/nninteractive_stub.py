"""A server that speaks the protocol of nnInteractive on this machine, as far as its client uses it here."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

RADIUS = 2


class Stub(ThreadingHTTPServer):
    """Marks a cube around the last click inside, without the voxels around clicks outside."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Replies)
        self.images, self.requests, self.clicks = [], [], []
        self.leases, self.shape, self.fault = 0, None, ""
        self.address = f"http://127.0.0.1:{self.server_port}"


class Replies(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        self.answer(CAPABILITIES)

    def do_POST(self):
        from nnInteractive.inference.remote.serialization import pack_array, unpack_array

        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.requests.append((self.path, dict(self.headers), b"" if self.path == "/set_image" else body))
        if status := self.refused():
            self.answer({"detail": "no"}, status=status)
        elif self.path == "/claim":
            server.leases += 1
            self.answer({"lease_token": str(server.leases), "idle_timeout_seconds": 600})
        elif self.path == "/set_image":
            server.images.append(unpack_array(body))
            self.answer({"original_image_shape": list(server.images[-1].shape)})
        elif self.path == "/add_point_interaction":
            given = json.loads(body)
            server.clicks.append((given["coordinates"], given["include_interaction"]))
            self.predict(pack_array) if given["run_prediction"] else self.answer({})
        else:
            if self.path == "/set_target_buffer":
                server.shape = json.loads(body)["shape"]
            elif self.path == "/reset_interactions":
                server.clicks = []
            self.answer({})

    def refused(self):
        server = self.server
        if server.fault == self.path:
            return 500
        if self.path == "/claim":
            return 503 if server.fault == "full" else 0
        return 410 if server.fault == "expired" and self.headers["X-Lease-Token"] == "1" else 0

    def predict(self, pack_array):
        mask = np.zeros(self.server.shape, np.uint8)
        for voxel, is_inside in self.server.clicks:
            if self.server.fault != "empty":
                mask[tuple(slice(max(at - RADIUS, 0), at + RADIUS + 1) for at in voxel)] = is_inside
        bbox = [[0, count] for count in mask.shape]
        body = b"rubbish" if self.server.fault == "rubbish" else pack_array(mask)
        self.reply(200, body, {"X-Meta": json.dumps({"ran_prediction": True, "bbox": bbox})})

    def answer(self, content, *, status=200):
        self.reply(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def reply(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


CAPABILITIES = {
    "supported_interactions": {"points": True},
    "channel_mapping": {},
    "num_interaction_channels": 7,
    "supports_initial_label": True,
    "supports_zero_shot_label_refinement": False,
    "preferred_scribble_thickness": [1, 1, 1],
    "interaction_decay": 0.98,
    "inference_session_version": 2,
    "license": "CC BY-NC-SA 4.0",
}


@contextlib.contextmanager
def stub_server():
    """Serve on this machine, and stop in the end."""
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
