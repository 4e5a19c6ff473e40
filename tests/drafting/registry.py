# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A stand-in for a Consul server: it serves answers of the form that Consul documents, and remembers who asked."""

from __future__ import annotations

import contextlib
import json
import pathlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NODE = {
    "ID": "40e4a748-2192-161a-0510-9bf59fe950b5",
    "Node": "web1",
    "Address": "10.1.10.12",
    "Datacenter": "dc1",
    "TaggedAddresses": {"lan": "10.1.10.12", "wan": "198.51.100.7"},
    "Meta": {"consul-network-segment": ""},
    "CreateIndex": 13,
    "ModifyIndex": 15,
}


def service(name: str, port: Any, address: str = "", **more: Any) -> dict[str, Any]:
    """Return a service as an agent and a node's catalog have it; keys of Meta may be given with underscores."""
    identity, kind = more.pop("identity", name), more.pop("kind", None)
    meta = {key.replace("_", "-"): value for key, value in more.items()}
    said = {"ID": identity, "Service": name, "Tags": [], "Meta": meta, "Port": port, "Address": address}
    said |= {"Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": False}
    return {**said, **({"Kind": kind} if kind else {})}


def catalog_node(*services: dict[str, Any], node: dict[str, Any] = NODE) -> dict[str, Any]:
    """Return the answer of /v1/catalog/node."""
    return {"Node": node, "Services": {one["ID"]: one for one in services}}


def instance(said: dict[str, Any], node: dict[str, Any] = NODE) -> dict[str, Any]:
    """Return a service as /v1/catalog/service has it."""
    own = {f"Service{key}": value for key, value in said.items() if key != "Service"}
    about = {key: value for key, value in node.items() if key != "Meta"}
    return {**about, "NodeMeta": node["Meta"], **own, "ServiceName": said["Service"]}


class Registry:
    """``answers`` by path, (status, text) where it is not JSON; every other path answers null, as of a node that is not
    there. ``asked`` are the paths and tokens of all questions. With ``leaves_out`` it says that its answers are parts.
    """

    def __init__(self, url: str, answers: dict[str, Any]) -> None:
        self.url = url
        self.answers = answers
        self.leaves_out = False
        self.asked: list[tuple[str, str | None]] = []


@contextlib.contextmanager
def registry(
    answers: dict[str, Any], certificate: pathlib.Path | None = None, key: pathlib.Path | None = None
) -> Iterator[Registry]:
    """Be within the life of a registry on loopback, with TLS where it has a certificate."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("X-Consul-Token")))
            found = state.answers.get(self.path.partition("?")[0])
            code, text = found if isinstance(found, tuple) else (200, json.dumps(found))
            self.send_response(code)
            if code == 301:
                self.send_header("Location", text)
            self.send_header("Content-Length", str(len(text)))
            if state.leaves_out:
                self.send_header("X-Consul-Results-Filtered-By-ACLs", "true")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state = Registry(f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}", answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
