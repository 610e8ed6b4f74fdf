#!/usr/bin/env python3
"""Record what `docker stack deploy` asks an engine for.

usage: tests/data/stack/record.py SOCKET

SOCKET is a swarm manager's engine that is used for nothing else (it is left as it was).  For
each row of STACKS the docker CLI is run against a proxy in front of it; the bodies of its create
requests go to NAME.requests.json, the specs that the engine then has to NAME.services.json.
Recorded with docker.io 20.10.24 of Debian 12, CLI and engine.
"""
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CLI = "/usr/bin/docker"
STACKS = {
    "readers": ["stacks/readers.yml"],
    "devchain": ["stacks/readers.yml", "stacks/devchain.yml"],
    "archivist": ["stacks/archivist.yml"],
    "full": ["tests/data/stack/full.yml"],
}
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root", "FULL_FROM_US": "from us"}


class Engine(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask(path, method, url, body=None):
    c = Engine(path)
    c.request(method, url, body=json.dumps(body) if body is not None else None,
              headers={"Content-Type": "application/json"})
    r = c.getresponse()
    data = r.read()
    if r.status >= 400:
        raise SystemExit(f"{method} {url}: {r.status} {data}")
    return json.loads(data) if data else None


def proxy(listen, upstream, seen):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self):
            return "-"

        def log_message(self, *args):
            pass

        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            where = self.path.split("?")[0]
            if where.endswith("/create"):
                seen.append({"path": "/" + where.split("/", 2)[2], "body": json.loads(body)})
            c = Engine(upstream)
            c.request(self.command, self.path, body=body or None,
                      headers={"Content-Type": "application/json"})
            r = c.getresponse()
            data = r.read()
            self.send_response(r.status)
            for k, v in r.getheaders():
                if k.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(k, v)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_DELETE = forward

    class Server(ThreadingUnixStreamServer):
        daemon_threads = True

    server = Server(listen, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def save(name, value):
    text = json.dumps(value, indent=1, sort_keys=True).replace(TOP, "@TOP@")
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        f.write(text + "\n")


def record(upstream, tmp, name, files):
    seen = []
    listen = os.path.join(tmp, name)
    server = proxy(listen, upstream, seen)
    args = [CLI, "-H", "unix://" + listen, "stack", "deploy", "--resolve-image", "never"]
    for f in files:
        args += ["-c", f]
    subprocess.run(args + ["st"], check=True, env=ENVIRONMENT, cwd=TOP)
    server.shutdown()
    services = ask(upstream, "GET", "/v1.41/services")
    save(name + ".requests.json", sorted(seen, key=lambda s: (s["path"], s["body"]["Name"])))
    save(name + ".services.json", {s["Spec"]["Name"]: s["Spec"] for s in services})
    remove(upstream)


def remove(upstream):
    """`stack rm` returns before the networks are gone, and a deploy then takes them for there."""
    subprocess.run([CLI, "-H", "unix://" + upstream, "stack", "rm", "st"], check=True)
    while any((n["Labels"] or {}).get("com.docker.stack.namespace") == "st"
              for n in ask(upstream, "GET", "/v1.41/networks")):
        time.sleep(0.2)


def main():
    upstream = sys.argv[1]
    net = ask(upstream, "POST", "/v1.41/networks/create",
              {"Name": "full-outside", "Driver": "overlay"})["Id"]
    conf = ask(upstream, "POST", "/v1.41/configs/create",
               {"Name": "full-outer-config", "Data": "eA=="})["ID"]
    secret = ask(upstream, "POST", "/v1.41/secrets/create",
                 {"Name": "full-outer-secret", "Data": "eA=="})["ID"]
    try:
        with tempfile.TemporaryDirectory() as tmp:
            for name, files in STACKS.items():
                record(upstream, tmp, name, files)
    finally:
        remove(upstream)
        ask(upstream, "DELETE", "/v1.41/networks/" + net)
        ask(upstream, "DELETE", "/v1.41/configs/" + conf)
        ask(upstream, "DELETE", "/v1.41/secrets/" + secret)


if __name__ == "__main__":
    main()
