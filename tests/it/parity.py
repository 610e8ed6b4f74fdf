#!/usr/bin/env python3
"""
parity.py - what a stack is made of, and whether two tools made the same of one file

usage: parity.py read SOCKET STACK >FILE.json
       parity.py compare DOCKER.json NODESWARM.json TABLE.md MET
       parity.py unmet TABLE.md MET

read      asks the engine for all that carries the stack's label or is used by its services: what was
          asked for, without what the engine chose (ids, times, versions, subnets).  References by id
          must fit those by name, and are left out.
compare   prints each difference that no row of TABLE.md allows, and exits with 1 if there is one;
          the numbers of the rows that were needed are appended to the file MET.
unmet     prints each row that no comparison needed, and exits with 1 if there is one.

A row of TABLE.md is `| object | where | docker | nodeswarm | why |`, the first four in backquotes.
Of "docker" and "nodeswarm" a lone - is "not there", "" the empty text; NAME is any text, the same in
both; DIGITS are 12 hex digits, SHA256 64, NUMBER decimal ones, STACK the stack's name.
"""

import base64
import hashlib
import http.client
import json
import re
import socket
import sys
import time

LABEL = "com.docker.stack.namespace"
KINDS = ("service", "network", "config", "secret")
# Of a network the engine chooses these, of a swarm object everything beside its Spec.
CHOSEN = ("Id", "Created", "Containers", "Peers")
VXLAN = "com.docker.network.driver.overlay.vxlanid_list"
NOTHING = "-"
NEWEST_MINOR = 44  # ENGINE_API_MAX_MINOR


class Engine(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=30)
        self.path = path
        newest = self.ask("/version")["ApiVersion"]
        # As src/engine/engine.c chooses it.
        self.api = f"/v1.{min(int(newest.split('.')[1]), NEWEST_MINOR)}"

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def get(self, url):
        return self.ask(self.api + url)

    def ask(self, url):
        self.request("GET", url)
        r = self.getresponse()
        data = r.read()
        if r.status != 200:
            raise SystemExit(f"GET {url}: {r.status} {data.decode()}")
        return json.loads(data)


# --- read --------------------------------------------------------------------------------------


def spec_of(j):
    return j.get("Spec", j)


def is_of(j, stack):
    return (spec_of(j).get("Labels") or {}).get(LABEL) == stack


def plain_refs(container, key, kind, ids):
    """Take the ids out of references after they were compared with the names; the names used."""
    for ref in container.get(key, []):
        name = ref[kind + "Name"]
        if ids.get(ref.pop(kind + "ID")) != name:
            raise SystemExit(f"{kind} '{name}' is referred to by another's id")
        yield name


def plain_service(spec, ids, used):
    task = spec["TaskTemplate"]
    container = task["ContainerSpec"]
    for key, kind in (("Configs", "Config"), ("Secrets", "Secret")):
        used[kind.lower()].update(plain_refs(container, key, kind, ids[kind.lower()]))
    for net in task.get("Networks", []):
        # The swarm's own object for a network like `host` is in no list; its id never changes.
        net["Target"] = ids["network"].get(net["Target"], net["Target"])
        used["network"].add(net["Target"])
    env = container.get("Env", [])
    container["Env"] = dict(e.split("=", 1) if "=" in e else (e, None) for e in env)
    container["EnvOrder"] = [e.split("=", 1)[0] for e in env]
    return spec


def plain_network(net):
    net = {k: v for k, v in net.items() if k not in CHOSEN}
    net["Options"] = {k: v for k, v in (net["Options"] or {}).items() if k != VXLAN}
    net["IPAM"] = {k: v for k, v in net["IPAM"].items() if k != "Config"}
    return net


def settled_networks(engine, stack):
    """A network that was made a moment ago has no driver yet."""
    for _ in range(100):
        nets = engine.get("/networks")
        if all(n["Driver"] for n in nets if is_of(n, stack)):
            return nets
        time.sleep(0.1)
    raise SystemExit("a network gets no driver")


def read(path, stack):
    engine = Engine(path)
    found = {k: engine.get(f"/{k}s") for k in KINDS if k != "network"}
    found["network"] = settled_networks(engine, stack)
    ids = {k: {j.get("ID", j.get("Id")): spec_of(j)["Name"] for j in found[k]
               if k != "network" or j["Scope"] == "swarm"} for k in KINDS}
    used = {k: set() for k in KINDS}
    made = {k: {} for k in KINDS}
    for s in found["service"]:
        if is_of(s, stack):
            made["service"][s["Spec"]["Name"]] = plain_service(s["Spec"], ids, used)
    for k in KINDS[1:]:
        for j in found[k]:
            name = spec_of(j)["Name"]
            if is_of(j, stack) or (name in used[k] and name in ids[k].values()):
                made[k][name] = plain_network(j) if k == "network" else j["Spec"]
    json.dump({"stack": stack, "made": made}, sys.stdout, indent=1, sort_keys=True)
    print()


# --- compare -----------------------------------------------------------------------------------


class Row:
    HOLES = {"NAME": "(?P<name>.+)", "DIGITS": "[0-9a-f]{12}", "SHA256": "[0-9a-f]{64}",
             "NUMBER": "[0-9]+"}

    def __init__(self, number, cells, stack):
        self.number, self.cells = number, cells
        self.kind, self.where = cells[0], cells[1]
        self.sides = [self.pattern(c, stack) for c in cells[2:4]]

    @classmethod
    def pattern(cls, cell, stack):
        if cell == '""':
            return ""
        holes = dict(cls.HOLES, STACK=re.escape(stack))
        return "".join(holes.get(p) or re.escape(p)
                       for p in re.split("(" + "|".join(holes) + ")", cell))

    def allows(self, kind, where, values):
        if (kind, where) != (self.kind, self.where):
            return False
        found = [re.fullmatch(p, v) if isinstance(v, str) else None
                 for p, v in zip(self.sides, values)]
        if not all(found):
            return False
        names = {m["name"] for m in found if "name" in m.groupdict()}
        return len(names) < 2


def rows_of(path, stack="nodeswarm"):
    rows = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = re.match(r"\| `(\w+)` \| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \| \S", line)
            if m and m[1] in KINDS:
                rows.append(Row(number, m.groups(), stack))
    if not rows:
        raise SystemExit(f"{path} has no table")
    return rows


def step(where, key):
    if re.fullmatch(r"\w+", key):
        return f"{where}.{key}" if where else key
    return f'{where}["{key}"]'


def differences(a, b, where=""):
    """(where, docker's, nodeswarm's) of every leaf that differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from differences(a.get(key, NOTHING), b.get(key, NOTHING), step(where, key))
    elif isinstance(a, list) and isinstance(b, list):
        for i in range(max(len(a), len(b))):
            yield from differences(a[i] if i < len(a) else NOTHING,
                                   b[i] if i < len(b) else NOTHING, where + "[]")
    elif json.dumps(a) != json.dumps(b):
        yield where, a, b


def paired(theirs, ours):
    """Ours under the names that docker gave, where theirs has them."""
    pairs = {}
    for name, spec in ours.items():
        short = re.sub(r"-[0-9a-f]{12}$", "", name)
        pairs[short if name not in theirs and short in theirs else name] = spec
    return pairs


def wrong_names(configs):
    """The digits in a config's name are those of its content, which the table cannot say."""
    for spec in configs.values():
        digits = re.search(r"-([0-9a-f]{12})$", spec["Name"])
        data = hashlib.sha256(base64.b64decode(spec["Data"])).hexdigest()
        if digits and not data.startswith(digits[1]):
            yield f"config {spec['Name']}: its content has {data[:12]}"


def compare(their_path, our_path, table, met):
    with open(their_path, encoding="utf-8") as f:
        theirs = json.load(f)
    with open(our_path, encoding="utf-8") as f:
        ours = json.load(f)
    rows = rows_of(table, ours["stack"])
    needed, wrong = set(), list(wrong_names(ours["made"]["config"]))
    for kind in KINDS:
        a = theirs["made"][kind]
        b = paired(a, ours["made"][kind])
        for name in sorted(a.keys() | b.keys()):
            for where, x, y in differences(a.get(name, NOTHING), b.get(name, NOTHING)):
                allowed = [r for r in rows if r.allows(kind, where, (x, y))]
                needed.update(r.number for r in allowed)
                if not allowed:
                    wrong.append(f"{kind} {name}: {where or 'all of it'}: docker has "
                                 f"{json.dumps(x)}, nodeswarm {json.dumps(y)}")
    with open(met, "a", encoding="utf-8") as f:
        f.writelines(f"{n}\n" for n in sorted(needed))
    print("\n".join(wrong) or f"the same but for {len(needed)} rows of {table}")
    return 1 if wrong else 0


def unmet(table, met):
    with open(met, encoding="utf-8") as f:
        numbers = {int(n) for n in f}
    idle = [r for r in rows_of(table) if r.number not in numbers]
    for r in idle:
        print(f"{table}:{r.number}: no file needs this row: {' | '.join(r.cells)}")
    return 1 if idle else 0


def main():
    verbs = {"read": (read, 2), "compare": (compare, 4), "unmet": (unmet, 2)}
    verb, args = sys.argv[1:2], sys.argv[2:]
    if not verb or verb[0] not in verbs or len(args) != verbs[verb[0]][1]:
        raise SystemExit(__doc__)
    sys.exit(verbs[verb[0]][0](*args))


if __name__ == "__main__":
    main()
