#!/usr/bin/env python3
"""
producer_watch.py - collects the evidence of producer_oracle.py while a cluster runs

usage: producer_watch.py --pool HOST=DIR... [--engine SOCKET --lease NAME] [--log NODE=FILE] --seconds N FILE

Everything is read from outside and asks no process of ours but chain nodes for their blocks: rings of
signed slots as files, leases from the engines' API, logs as files.  Chain nodes listen inside their
container; a thread each enters that network and asks ten times a second.

A chain node is (host, service, slot), written "n4/producer/1"; all processes must be visible in /proc.
"""

import argparse
import calendar
import ctypes
import glob
import http.client
import json
import os
import re
import socket
import threading
import time

from producer_oracle import Evidence

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
EPOCH_2000 = 946684800
SIGNED_LINE = 384


def boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def enter_network(pid):
    """This thread alone."""
    fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if LIBC.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


def in_network(pid, work):
    """What work() returns in the network of that process; None if it fails."""
    result = []

    def run():
        try:
            enter_network(pid)
            result.append(work())
        except (OSError, ValueError, http.client.HTTPException):
            pass
    t = threading.Thread(target=run)
    t.start()
    t.join()
    return result[0] if result else None


def get_json(port, path, body=None, seconds=1.0, connection=None):
    c = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        c.request("POST" if body is not None else "GET", path, json.dumps(body) if body is not None else None)
        return json.loads(c.getresponse().read())
    finally:
        if not connection:
            c.close()


def slot_of(timestamp):
    """The slot of a block's "2026-11-21T22:00:00.500"."""
    whole, _, part = timestamp.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return (seconds - EPOCH_2000) * 2 + (1 if part[:1] >= "5" else 0)


# --- processes ---------------------------------------------------------------------------------------


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def is_alive(pid):
    stat = read(f"/proc/{pid}/stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


class Node:
    """A supervisor that runs now, and the chain node below it."""

    def __init__(self, pid, host, service, slot, port, signs):
        self.pid, self.host, self.service, self.slot, self.port, self.signs = pid, host, service, slot, port, signs
        self.name = f"{host}/{service}/{slot}"

    def __str__(self):
        return self.name

    def nodeos(self):
        """Its chain node's pid; 0: none."""
        for child in read(f"/proc/{self.pid}/task/{self.pid}/children").split():
            if os.path.basename(read(f"/proc/{child.decode()}/cmdline").split(b"\0")[0]) in (b"nodesim", b"nodeos"):
                return int(child)
        return 0

    def state(self):
        """Its supervisor's word, {} if it says nothing."""
        return in_network(self.pid, lambda: get_json(self.port, "/state")) or {}

    def producer(self):
        return self.state().get("producer") or {}

    def is_alive(self):
        return is_alive(self.pid)

    def pids(self):
        return [p for p in (self.pid, self.nodeos()) if p]


def options_of(args):
    found, name = {}, None
    for a in args:
        if a == "--":
            break
        if a.startswith("--"):
            name, _, value = a[2:].partition("=")
            found[name] = value
        elif name:
            found[name], name = a, None
    return found


def nodes():
    """All supervisors that are seen from here."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        args = [a.decode(errors="replace") for a in read(path).split(b"\0")[:-1]]
        if "supervise" not in args or os.path.basename(args[0]) != "nodeswarm":
            continue
        pid = int(path.split("/")[2])
        # A supervisor's short-lived child still has its command line.
        parent = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1:2]
        if parent and b"supervise" in read(f"/proc/{parent[0].decode()}/cmdline").split(b"\0"):
            continue
        env = dict(v.decode(errors="replace").split("=", 1) for v in read(f"/proc/{pid}/environ").split(b"\0") if b"=" in v)
        o = options_of(args[args.index("supervise") + 1:])
        service = o.get("service") or env.get("NODESWARM_SERVICE", "")
        slot = o.get("slot") or env.get("NODESWARM_SLOT", "")
        host = o.get("node") or env.get("NODESWARM_NODE", "")
        if service and slot:
            found.append(Node(pid, host.replace("node", "n"), service.replace("nodeswarm_", ""), slot,
                              int(o.get("port") or env.get("NODESWARM_PORT") or 8880),
                              bool(o.get("sign-key") or env.get("NODESWARM_SIGN_KEY"))))
    return sorted(found, key=str)


def api_port(nodeos):
    """Where a chain node listens, by the config.ini that it was started with."""
    args = [a.decode(errors="replace") for a in read(f"/proc/{nodeos}/cmdline").split(b"\0")]
    where = options_of(args[1:]).get("config-dir")
    text = read(f"/proc/{nodeos}/root{where}/config.ini").decode(errors="replace") if where else ""
    found = re.search(r"^\s*http-server-address\s*=\s*\S*:(\d+)", text, re.M)
    return int(found[1]) if found else 8888


# --- watching ----------------------------------------------------------------------------------------


class BlocksOf(threading.Thread):
    """What one chain node has as its chain, from its first look on, until it ends."""

    def __init__(self, watch, node, nodeos, third):
        super().__init__(daemon=True)
        self.watch, self.node, self.nodeos, self.third = watch, node, nodeos, third
        # What this slot was known to have; a restarted node goes on from there.
        self.chain = watch.chains.setdefault(node.name, {})
        self.head = None

    def run(self):
        try:
            enter_network(self.node.pid)
            port = api_port(self.nodeos)
        except OSError:
            return
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        while not self.watch.stopping and is_alive(self.nodeos):
            try:
                info = get_json(port, "/v1/chain/get_info", connection=c)
                if info.get("head_block_id") and info["head_block_id"] != self.head:
                    self.learn(c, port, info["head_block_num"], info["head_block_id"])
                    self.head = info["head_block_id"]
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                c.close()
            time.sleep(0.1)
        c.close()

    def learn(self, c, port, num, wanted):
        """The head and what is below it, down to what is known: all of it or nothing, so that no hole
        is taken for known later."""
        begin, new, now = min(self.chain, default=num), [], boot_ns()
        while num >= begin and self.chain.get(num) != wanted:
            b = get_json(port, "/v1/chain/get_block_info", {"block_num": num}, connection=c)
            if b.get("id") != wanted:
                return  # it has changed meanwhile; the next look sees it
            new.append({
                "k": "block", "by": self.node.name, "third": self.third, "boot_ns": now, "num": num, "id": wanted,
                "previous": b["previous"], "slot": slot_of(b["timestamp"])})
            num, wanted = num - 1, b["previous"]
        for block in reversed(new):
            self.chain[block["num"]] = block["id"]
            if block["slot"] >= self.watch.begin_slot:
                self.watch.add(block)


class Watch:
    """pools: host -> its pool's directory.  engines: sockets of managers, for the leases.  logs: what
    finds logs, (whose, path) each.  A third node is one without a gate."""

    def __init__(self, pools, engines=(), leases=("producer",), logs=lambda: (), file=None):
        self.pools, self.engines, self.leases, self.logs = pools, list(engines), leases, logs
        self.watched, self.signers = set(), set()
        self.evidence, self.lock, self.chains = Evidence(), threading.Lock(), {}
        self.file = open(file, "a") if file else None
        self.stopping = False
        # Of what was before, the leases no longer say how it ended.
        self.begin_ns = boot_ns() - 5_000_000_000
        # A node that replays its chain has all of it once more.
        self.begin_slot = int((time.time() - 4 - EPOCH_2000) * 2)
        self.lines, self.read_to = {}, {}
        self.threads = [threading.Thread(target=self.loop, args=a, daemon=True) for a in (
            (self.find, 0.3), (self.rings, 0.5), (self.changes, 0.4), (self.switches, 1.0))]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        # What the last blocks' gates noted, and the others' last words.
        time.sleep(1)
        self.stopping = True
        for t in self.threads:
            t.join()
        for look in (self.rings, self.changes, self.switches):
            look()
        if self.file:
            self.file.close()

    def add(self, record):
        with self.lock:
            if self.evidence.add(record) and self.file:
                self.file.write(json.dumps(record) + "\n")
                self.file.flush()

    def snapshot(self, blocks_until=1 << 63):
        """Evidence as it is now, which does not change under who reads it; of blocks only those that
        were seen before that time."""
        with self.lock:
            e = Evidence()
            for name in ("signed", "blocks", "switches", "changes", "faults"):
                setattr(e, name, dict(getattr(self.evidence, name)))
        e.blocks = {k: b for k, b in e.blocks.items() if b["boot_ns"] < blocks_until}
        return e

    def loop(self, look, seconds):
        while not self.stopping:
            try:
                look()
            except OSError:
                pass  # somebody has just removed it
            time.sleep(seconds)

    def find(self):
        for node in nodes():
            nodeos = node.nodeos()
            if node.signs:
                self.signers.add(node.name)
            if nodeos and nodeos not in self.watched:
                self.watched.add(nodeos)
                BlocksOf(self, node, nodeos, not node.signs).start()

    def rings(self):
        for host, pool in self.pools.items():
            for path in glob.glob(f"{pool}/services/*/*/signed"):
                service, slot = path.split("/")[-3:-1]
                ring, seen = f"{host}/{service.replace('nodeswarm_', '')}/{slot}", self.lines.setdefault(path, {})
                data = read(path)
                for at in range(0, len(data), SIGNED_LINE):
                    line = data[at:at + SIGNED_LINE]
                    if seen.get(at) != line:
                        seen[at] = line
                        self.ring_line(ring, line)

    def ring_line(self, ring, line):
        try:
            r = json.loads(line)
            if r["boot_ns"] < self.begin_ns:
                return
            self.add({"k": "signed", "ring": ring, "slot": r["slot"], "height": r.get("height", 0),
                      "digest": r["digest"], "epoch": r["epoch"], "boot_ns": r["boot_ns"], "until_ns": r["until_ns"],
                      "real_ns": r["real_ns"]})
        except (ValueError, KeyError, TypeError):
            pass  # half of it; the next look has it all

    def changes(self):
        for name in self.leases:
            for labels in self.labels_of(name):
                for change in history(labels):
                    self.add({"k": "change", "lease": name, **change})

    def labels_of(self, name):
        """By any engine that answers."""
        for path in self.engines:
            c = UnixConnection(path, 1.5)
            try:
                c.request("GET", "/configs/nodeswarm-lease-" + name)
                found = json.loads(c.getresponse().read())
                return [found["Spec"]["Labels"]]
            except (OSError, ValueError, KeyError, http.client.HTTPException):
                pass
            finally:
                c.close()
        return []

    def switches(self):
        for whose, path in self.logs():
            with open(path, "rb") as f:
                f.seek(self.read_to.get(path, 0))
                data = f.read()
            whole = data[:data.rfind(b"\n") + 1]
            self.read_to[path] = self.read_to.get(path, 0) + len(whole)
            for line in whole.decode(errors="replace").splitlines():
                found = re.search(r"switching forks from .*?\(block number \d+\) to .*?\(block number \d+\)", line)
                if found:
                    self.add({"k": "switch", "by": whose, "third": whose not in self.signers, "text": found[0],
                              "boot_ns": boot_ns()})


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, seconds):
        super().__init__("docker", timeout=seconds)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def history(labels):
    """Changes of hands in a lease's labels: "REAL_NS EPOCH HOLDER REASON" each."""
    for key, text in labels.items():
        words = text.split(" ", 3)
        if key.startswith("nodeswarm.lease.history.") and len(words) == 4:
            yield {"real_ns": int(words[0]), "epoch": int(words[1]), "holder": "" if words[2] == "-" else words[2],
                   "reason": words[3]}


def container_logs(nodes_dir):
    """(whose, path) of all containers of a swarm's nodes."""
    whose = {}

    def find():
        for path in glob.glob(f"{nodes_dir}/n*/docker/containers/*/*-json.log"):
            if path not in whose:
                try:
                    labels = json.loads(read(os.path.dirname(path) + "/config.v2.json"))["Config"]["Labels"]
                    service = labels["com.docker.swarm.service.name"].replace("nodeswarm_", "")
                    slot = labels["com.docker.swarm.task.name"].split(".")[1]
                except (ValueError, KeyError, IndexError, TypeError):
                    continue
                whose[path] = f"{path[len(nodes_dir) + 1:].split('/')[0]}/{service}/{slot}"
            yield whose[path], path
    return find


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pool", action="append", required=True, metavar="HOST=DIR")
    p.add_argument("--engine", action="append", default=[], metavar="SOCKET")
    p.add_argument("--lease", action="append", default=[])
    p.add_argument("--log", action="append", default=[], metavar="NODE=FILE")
    p.add_argument("--seconds", type=float, required=True)
    p.add_argument("file")
    a = p.parse_args()
    logs = [log.split("=", 1) for log in a.log]
    with Watch(dict(pool.split("=", 1) for pool in a.pool), a.engine, a.lease, lambda: logs, a.file):
        time.sleep(a.seconds)


if __name__ == "__main__":
    main()
