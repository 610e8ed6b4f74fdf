#!/usr/bin/env python3
"""
faults.py - a campaign of faults against slots that heal themselves

usage: faults.py --pool DIR --work DIR [--seed N] [--first N] [--faults N] [--trace]

One pool on this machine, made already: slot 1 produces, slot 2 archives, the others read; each is a
nodesim under `nodeswarm supervise`, no engine. Faults happen in rounds to one to three of the slots
at once. Fault I of a seed is always the same one, whatever went before: its class, slot, mode and
every random choice come from "SEED/I", so that --first I --faults 1 repeats it.

The mode of a fault is how its slot may heal: "auto"; "never-restore" (NODESWARM_RESTORE=never: not
from a generation); "never-heal" (NODESWARM_HEAL=never: it must be held with not a byte changed, and
heals when it may).

What must be so is in TABLE: by class and mode the verdict and the repair. Beside that, always:
 - who was not the victim of a round is the same process on the same data-dir with the same blocks;
   generations have the same bytes
 - a slot whose trouble lies outside the data-dir keeps its data-dir, byte for byte until nodeos has run
 - a healed slot is ready, has no more to say, and has the others' block ids; what it was is in
   quarantine, in whole when all of it was replaced; at most two entries a slot with blocks and two without
 - no .tmp-, no .data-, no second copy of the blocks, no process too many

One line for each fault goes to stdout, a table at the end; the exit status is 1 when anything was
not as it must be. It changes run.json between faults: all slots would have been healed too often
within the hour otherwise.
"""

import argparse
import collections
import glob
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from fault_bytes import (
    BACKOFF, GAVE_UP, GENERATION, HELD, INDEX, NONE, TABLE, digest_begin, digest_tree, flip, row, size_of)
from fault_slots import (
    ARCHIVIST, GENESIS, HELD_S, PRODUCER, READERS, READY_S, SLOTS, Disagreement, Slot, disagree, kill, wait_for)

SETTLED = ("healed", "gave-up")


class Fault:
    """One of the campaign: all that is random about it but offsets that depend on sizes."""

    def __init__(self, seed, i):
        self.i = i
        self.rng = random.Random(f"{seed}/{i}")
        self.name = self.rng.choices(list(WEIGHTS), WEIGHTS.values())[0]
        self.mode = self.rng.choices(("auto", "never-restore", "never-heal"), (60, 30, 10))[0]
        self.n = self.rng.choices(SLOTS, (10, 15, 25, 25, 25))[0]
        row_ = TABLE.get(self.name)
        if self.n == PRODUCER and row_ and not row_.producer:
            self.n = self.rng.choice(READERS)
        self.what, self.verdict, self.repair, self.seconds = "", "", "", None
        self.error = None
        self.proof = ""

    def __str__(self):
        took = f" {self.seconds:.2f} s" if self.seconds is not None else ""
        took += f"; {self.proof}" if self.proof else ""
        return (f"{self.i} s.{self.n} {self.name} ({self.what}) {self.mode}: "
                f"{self.verdict or '-'}, {self.repair or '-'}{took}")


# --- one fault ---------------------------------------------------------------------------------------


def heal_of(s):
    heal = s.state().get("heal")
    return heal if heal and heal.get("stage") not in (None, "none") else None


def heals(s):
    """What was repaired and why; that an incident was calm for a minute changes only the rest."""
    heal = s.record().get("heal") or {}
    return {k: heal.get(k) for k in ("begun", "ended", "healed", "verdict", "why", "repair", "quarantined")}


def outcome(s, since, may_back_off):
    """Ready, or held for good: what was done, by the slot's own word."""
    def settled():
        st = s.state()
        heal = st.get("heal") or {}
        if st.get("ready"):
            return st
        if may_back_off and st.get("state") == "backoff" and "killed by SIG" in (st.get("reason") or ""):
            return st
        return st if st.get("state") == "held" and heal.get("stage") in (None, "none", *SETTLED) else None
    st = wait_for(READY_S, lambda: f"{s} is ready or held ({s.summary()})", settled)
    seconds = time.monotonic() - since
    heal = st.get("heal") or {}
    stage = heal.get("stage") or "none"
    if stage == "none":
        return st.get("verdict"), NONE if st.get("ready") else st["state"], seconds, st
    if stage == "gave-up":
        return heal.get("verdict"), GAVE_UP, seconds, st
    if not st.get("ready"):
        disagree(f"{s} is held after a heal: {s.summary()}")
    if stage != "healed":
        disagree(f"{s} is ready in stage {stage}: {s.summary()}")
    if not heal.get("proof"):
        disagree(f"{s} says no proof: {s.summary()}")
    return heal.get("verdict"), heal.get("repair"), seconds, st


def allowed(fault, row_):
    if fault.n == PRODUCER:
        return row_.producer
    return row_.never if fault.mode == "never-restore" else row_.auto


class Campaign:
    def __init__(self, pool, work, seed, trace):
        self.pool, self.work, self.seed, self.trace = pool, work, seed, trace
        self.slots = {n: Slot(self, n) for n in SLOTS}
        self.table = collections.Counter()
        self.times = collections.defaultdict(list)
        self.bad = 0
        self.archives = 0
        self.chain_id = ""
        self.disturbed = set()  # by the campaign itself, in this round

    # - the others -

    def same_chain(self, s):
        """Block ids of a slot and of one that was let alone, or of any that runs."""
        for other in self.slots.values():
            if other is s or not other.state().get("ready"):
                continue
            lib = min(s.call("get_info").get("last_irreversible_block_num", 0),
                      other.call("get_info").get("last_irreversible_block_num", 0))
            for n in {lib, lib // 2, 2}:
                if n >= 2:
                    a, b = s.block_id(n), other.block_id(n)
                    if a and b and a != b:
                        disagree(f"{s} has block {n} {a}, {other} has {b}")
            if lib >= 2 and s.block_id(lib):
                return
        disagree(f"{s} could be compared with nobody")

    def look(self):
        """What must be the same after a round for all that are not its victims."""
        v = {}
        for n, s in self.slots.items():
            size = size_of(s.log)
            v[n] = (s.nodeos_pid(), os.stat(s.data).st_ino, size, digest_begin(s.log, size),
                    heals(s), s.quarantine())
        return v

    def generations(self):
        return {g: digest_tree(g) for g in sorted(glob.glob(self.pool + "/generations/g*"))}

    def untouched(self, before, victims, generations):
        for n, (pid, inode, size, digest, heal, quarantine) in before.items():
            s = self.slots[n]
            if n in victims:
                continue
            for what, was, is_ in (
                ("process", pid, s.nodeos_pid()), ("data-dir", inode, os.stat(s.data).st_ino),
                ("blocks", digest, digest_begin(s.log, size)),
                ("heal", heal, heals(s)),
                ("quarantine", quarantine, s.quarantine()),
            ):
                if was != is_:
                    disagree(f"{s} was let alone, and has another {what}: {was} before, {is_} now")
        if generations != self.generations():
            disagree("a generation has other bytes")

    def leftovers(self):
        left = []
        for pattern in ("generations/.tmp-*", "services/*/*/.data-*", "services/*/*/.tmp-*",
                        "quarantine/.tmp-*", "services/*/*/data/blocks-2*", "services/*/*/from-snapshot*",
                        "generations/*/data/blocks-2*"):
            left += glob.glob(f"{self.pool}/{pattern}")
        return left

    def nothing_left(self):
        # A second copy of the blocks goes when the slot was ready for a moment.
        wait_for(10, lambda: f"left over: {self.leftovers()}", lambda: not self.leftovers())
        for s in self.slots.values():
            # It is bounded after the repair: one that was killed before that leaves its entry until
            # the next repair on this host.
            heavy, light = s.quarantine_kinds()
            # What an open incident has put there stays until it is over.
            limit = 2 + s.cut_off + max(0, (s.record().get("heal") or {}).get("tries", 0) - 1)
            if heavy > limit or light > limit:
                disagree(f"more than {limit} of {s} in quarantine, {s.cut_off} kills: {s.quarantine()}")
            if heavy <= 2 and light <= 2:
                s.cut_off = 0
        running = subprocess.run(["pgrep", "-xc", "nodesim"], capture_output=True, text=True).stdout.strip()
        if running != str(len(SLOTS)):
            disagree(f"{running} nodesim run for {len(SLOTS)} slots")

    # - faults -

    def stopped(self, s):
        s.stop()
        if s.record().get("nodeos_pid"):
            disagree(f"{s} was stopped, and its record has a process")
        s.forget_heals()

    def expect(self, fault, s, row_, since, said=None):
        """The end of a fault whose slot was just started; said: the verdict before that."""
        fault.verdict, fault.repair, fault.seconds, st = outcome(s, since, BACKOFF in allowed(fault, row_))
        fault.proof = (st.get("heal") or {}).get("proof")
        # That of one that runs is "in-use".
        if fault.repair == NONE:
            fault.verdict = said or "clean"
        if fault.verdict not in row_.verdicts or fault.repair not in allowed(fault, row_):
            disagree(f"{fault.verdict} and {fault.repair}, not one of {row_.verdicts} and one of "
                     f"{allowed(fault, row_)}: {json.dumps(st.get('heal'))} {st.get('reason')}")

    def bytes_fault(self, fault, s):
        row_ = TABLE[fault.name]
        self.stopped(s)
        fault.what = row_.do(fault.rng, s)
        exactly, quarantined = digest_tree(s.data), s.quarantine()
        said = s.verdict()
        if exactly != digest_tree(s.data):
            disagree("data verdict has changed the data-dir")
        if said not in row_.verdicts and said != "empty":
            disagree(f"data verdict says {said}, not one of {row_.verdicts}")
        if fault.mode == "never-heal" and row_.auto != (NONE,):
            self.held_untouched(fault, s, exactly, quarantined, row_)
        since = time.monotonic()
        s.start(fault.mode if fault.mode == "never-restore" else "auto")
        self.expect(fault, s, row_, since, said)
        if fault.repair == HELD:
            self.exactly(s, exactly, quarantined)
        elif fault.repair == GENERATION:
            self.whole_in_quarantine(s, exactly, quarantined)
        elif fault.repair not in (NONE, BACKOFF, INDEX, GAVE_UP) and s.quarantine() == quarantined:
            disagree(f"{fault.repair}, and nothing came into quarantine")
        # Without its first block it could not replay when something else happens to it.
        if fault.repair in (HELD, BACKOFF, GAVE_UP) or fault.name in ("log-empty", "log-missing"):
            s.again()

    def held_untouched(self, fault, s, exactly, quarantined, row_):
        s.start("never-heal")
        st = wait_for(HELD_S, lambda: f"{s} is held ({s.summary()})",
                      lambda: (lambda x: (x.get("state") in (HELD, BACKOFF) or x.get("ready")) and x)(s.state()))
        if st.get("ready") and NONE not in row_.auto and row_.verdicts != ("clean", "damaged"):
            disagree(f"{s} may not heal, and is ready: {s.summary()}")
        if not st.get("starts"):
            self.exactly(s, exactly, quarantined)
        if s.quarantine() != quarantined:
            disagree(f"{s} may not heal, and something came into quarantine")
        s.stop()
        s.forget_heals()

    def exactly(self, s, digest, quarantined):
        if digest_tree(s.data) != digest:
            disagree(f"{s} was held, and its data-dir has other bytes")
        if s.quarantine() != quarantined:
            disagree(f"{s} was held, and something came into quarantine")

    def whole_in_quarantine(self, s, digest, quarantined):
        new = [q for q in s.quarantine() if q not in quarantined]
        tries = s.state()["heal"]["tries"]
        if not 1 <= len(new) <= tries:
            disagree(f"a new data-dir after {tries} repairs, and {len(new)} entries came into quarantine")
        # Where something else was tried first it is not the same any more.
        if tries == 1 and not s.record().get("restarts") and digest_tree(new[0] + "/data") != digest:
            disagree(f"{new[0]} is not what the slot had")

    def run_fault(self, fault):
        s = self.slots[fault.n]
        try:
            (OTHERS[fault.name] if fault.name in OTHERS else Campaign.bytes_fault)(self, fault, s)
            s.ready()
            self.same_chain(s)
        except Disagreement as e:
            fault.error = str(e)
        except Exception as e:  # a fault of the campaign's own must not end it without a word
            fault.error = f"{type(e).__name__}: {e}"
        if fault.error:
            try:
                s.again()
            except Exception as e:
                fault.error += f"; and it does not come back: {e}"

    # - rounds -

    def archive(self):
        s = self.slots[ARCHIVIST]
        self.archives += 1
        order = {"format": 1, "request": "archive", "id": f"{os.getpid():x}{self.archives:04x}", "keep": "count=2"}
        with socket.socket(socket.AF_UNIX) as c:
            c.settimeout(60)
            c.connect(s.dir + "/control.sock")
            c.sendall(json.dumps(order).encode() + b"\n")
            reply = json.loads(c.makefile().readline())
        if (reply.get("work") or {}).get("stage") != "done":
            disagree(f"no archive: {reply}")
        s.ready()

    def round(self, faults):
        victims = {f.n for f in faults} if faults[0].name not in ALONE else set(SLOTS)
        before, generations = self.look(), self.generations()
        self.disturbed = set()
        threads = [threading.Thread(target=self.run_fault, args=(f,)) for f in faults]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        try:
            self.untouched(before, victims | self.disturbed, generations)
            self.nothing_left()
        except Disagreement as e:
            faults[-1].error = f"{faults[-1].error or ''} after the round: {e}"
        for f in faults:
            self.tell(f)

    def tell(self, f):
        if f.error:
            self.bad += 1
            print(f"DISAGREEMENT {f}: {f.error}", flush=True)
        elif self.trace:
            print(f"fault {f}", flush=True)
        self.table[(f.name, f.verdict or "-", f.repair or "-", "WRONG" if f.error else "right")] += 1
        if not f.error and f.seconds is not None and f.repair not in (HELD, BACKOFF, GAVE_UP):
            self.times[f.repair].append(f.seconds)

    def begin(self):
        for n in SLOTS:
            self.slots[n].start()
            if n == PRODUCER:
                self.slots[n].ready()
        for s in self.slots.values():
            s.ready()
        wait_for(30, "a few blocks", lambda: self.slots[ARCHIVIST].call("get_info").get("head_block_num", 0) > 12)
        self.chain_id = self.slots[PRODUCER].state()["chain_id"]
        self.archive()

    def end(self):
        for s in self.slots.values():
            s.stop()

    def run(self, first, count):
        self.begin()
        i = first
        rounds = 0
        while i < first + count:
            faults = [Fault(self.seed, i)]
            i += 1
            while i < first + count and faults[0].name not in ALONE and len(faults) < 3:
                f = Fault(self.seed, i)
                if f.name in ALONE or f.n in {g.n for g in faults}:
                    break
                faults.append(f)
                i += 1
            self.round(faults)
            rounds += 1
            if rounds % 8 == 0 and i < first + count:
                self.archive()
        self.end()
        self.report()

    def report(self):
        print(f"\n{'class':22} {'verdict':9} {'repair':20} {'':5} count")
        for (name, verdict, repair, right), n in sorted(self.table.items()):
            print(f"{name:22} {verdict:9} {repair:20} {right:5} {n:5}")
        print(f"\n{'ready after':22} {'median s':>9} {'max s':>9} count")
        for repair, v in sorted(self.times.items()):
            print(f"{repair:22} {statistics.median(v):9.2f} {max(v):9.2f} {len(v):5}")
        total = sum(self.table.values())
        print(f"\n{total} faults, {self.bad} not as they must be", flush=True)


# --- faults that are none of the bytes ---------------------------------------------------------------


def killed(self, fault, s):
    """SIGKILL to nodeos under a supervisor that lives on, at any time from its start."""
    self.stopped(s)
    early = fault.rng.random() < 0.4
    delay = fault.rng.random() * (0.8 if early else 2.5)
    s.start("never-restore" if fault.mode == "never-restore" else "auto")
    if not early:
        s.ready()
    time.sleep(delay)
    pid = s.nodeos_pid()
    fault.what = f"{delay:.2f} s after {'the start' if early else 'it was ready'}"
    since = time.monotonic()
    if pid:
        kill(pid)
    # Not before the supervisor has seen it: it was ready until then.
    wait_for(10, f"{s} has seen it", lambda: s.nodeos_pid() != pid or not pid)
    self.expect(fault, s, KILLED, since)


def is_dirty(s):
    try:
        with open(s.state_file, "rb") as f:
            return f.read(9)[8:] not in (b"", b"\0")
    except OSError:
        return False


def killed_both(self, fault, s):
    """Both at once, as a container dies; the next supervisor finds what is left."""
    self.stopped(s)
    early = fault.rng.random() < 0.4
    delay = fault.rng.random() * (0.8 if early else 2.5)
    s.start()
    if not early:
        s.ready()
    time.sleep(delay)
    s.kill_all()
    fault.what = f"{delay:.2f} s after {'the start' if early else 'it was ready'}"
    row_ = KILLED._replace(verdicts=("dirty",)) if is_dirty(s) else KILLED
    if s.verdict() not in row_.verdicts or (not early and not is_dirty(s)):
        disagree(f"killed with dirty {is_dirty(s)}, and data verdict says {s.verdict()}")
    since = time.monotonic()
    s.start("never-restore" if fault.mode == "never-restore" else "auto")
    self.expect(fault, s, row_, since)


def killed_in_repair(self, fault, s):
    """And killed again, up to three times, while it repairs what the last one has left."""
    self.stopped(s)
    s.start()
    s.ready()
    s.kill_all()
    delays = [fault.rng.random() ** 2 * 1.5 for _ in range(fault.rng.randrange(1, 4))]
    s.cut_off += len(delays)
    fault.what = "again after " + ", ".join(f"{d:.2f}" for d in delays)
    for delay in delays:
        s.start("never-restore" if fault.mode == "never-restore" else "auto")
        time.sleep(delay)
        s.kill_all()
    since = time.monotonic()
    s.start("never-restore" if fault.mode == "never-restore" else "auto")
    self.expect(fault, s, KILLED, since)


def killed_supervisor(self, fault, s):
    """nodeos lives on and then ends as it should: nothing is wrong with the data."""
    self.stopped(s)
    s.start()
    s.ready()
    pid, inode, quarantined = s.nodeos_pid(), os.stat(s.data).st_ino, s.quarantine()
    s.kill_supervisor()
    s.start()
    time.sleep(fault.rng.random())
    os.kill(pid, signal.SIGTERM)
    since = time.monotonic()
    self.expect(fault, s, SOUND, since)
    if os.stat(s.data).st_ino != inode or s.quarantine() != quarantined:
        disagree("a sound data-dir was replaced")


def outside(self, fault, s, states, undo=None, **start):
    """Trouble outside the data-dir: no byte of it changes unless nodeos has run; gone, it is ready."""
    exactly, quarantined, inode = digest_tree(s.data), s.quarantine(), os.stat(s.data).st_ino
    log_size = size_of(s.log)
    log = digest_begin(s.log, log_size)
    s.start(**start)
    st = wait_for(HELD_S, lambda: f"{s} is {states} ({s.summary()})",
                  lambda: (lambda x: x.get("state") in states and x)(s.state()))
    time.sleep(fault.rng.random() * 1.5)
    if not st.get("reason"):
        disagree(f"{s} does not say why it is {st['state']}")
    fault.verdict, fault.repair = st.get("verdict"), st["state"]
    if heal_of(s):
        disagree(f"{s} heals what is no damage: {s.summary()}")
    if start.get("env") is None and "backoff" not in states:
        if digest_tree(s.data) != exactly:
            disagree(f"{s}: its data-dir has other bytes")
    if os.stat(s.data).st_ino != inode or s.quarantine() != quarantined or digest_begin(s.log, log_size) != log:
        disagree(f"{s}: its data-dir was replaced")
    if undo:
        undo()
    else:
        s.stop()
        s.write_config()
        s.start()
    since = time.monotonic()
    s.ready()
    fault.seconds = time.monotonic() - since
    # An entry may go: of an incident that is over two are kept.
    if heal_of(s) or os.stat(s.data).st_ino != inode or not set(s.quarantine()) <= set(quarantined):
        disagree(f"{s} has healed what was no damage: {s.summary()}")


def wrong_option(self, fault, s):
    self.stopped(s)
    fault.what = fault.rng.choice((
        "no-such-option = 1", "max-clients = many", "plugin = eosio::nope_plugin", "replay-blockchain = true",
        "http-threads = 0"))
    s.write_config(fault.what)
    outside(self, fault, s, ("held",))


def bad_genesis(self, fault, s):
    """One of another chain. (A data-dir with blocks needs none, so a broken file is of no matter.)"""
    self.stopped(s)
    with open(GENESIS) as f:
        genesis = json.load(f)
    genesis["initial_timestamp"] = f"2026-01-{fault.rng.randrange(1, 29):02}T00:00:00.000"
    path = f"{self.work}/genesis.{s.n}.json"
    with open(path, "w") as f:
        json.dump(genesis, f)
    fault.what = genesis["initial_timestamp"]
    outside(self, fault, s, ("held",), genesis=path)
    if fault.verdict != "foreign":
        disagree(f"a data-dir of another chain than the genesis is {fault.verdict}, not foreign")


def other_nodeos(self, fault, s):
    self.stopped(s)
    fault.what = fault.rng.choice(("v5.0.2", "v1.0.3"))
    path = f"{self.work}/nodeos.{s.n}"
    with open(path, "w") as f:
        f.write(f"#!/bin/sh\n[ \"$1\" != --version ] || {{ echo {fault.what} && exit 0; }}\nexec nodesim \"$@\"\n")
    os.chmod(path, 0o755)
    outside(self, fault, s, ("held",), nodeos=path)
    if fault.verdict != "foreign":
        disagree(f"a state for another nodeos is {fault.verdict}, not foreign")


def port_in_use(self, fault, s):
    self.stopped(s)
    fault.what = f"{s.n}9876"
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", int(fault.what)))
        busy.listen()
        outside(self, fault, s, ("backoff",), undo=busy.close)


def state_full(self, fault, s):
    self.stopped(s)
    fault.what = "7.5m of 8m"
    outside(self, fault, s, ("held",), env={"NODESIM_DB_USED": "7.5m"})


def second_nodeos(self, fault, s):
    """A nodeos by hand on the data-dir of one that runs: it must end, the slot must not notice."""
    s.ready()
    pid, inode, heal = s.nodeos_pid(), os.stat(s.data).st_ino, json.dumps(s.record().get("heal"))
    out = by_hand(self, s, fault)
    try:
        fault.what = f"exit status {out.wait(10)}"
    except subprocess.TimeoutExpired:
        out.kill()
        disagree("a second nodeos runs on a data-dir that is in use")
    if out.returncode != 2:
        disagree(f"a second nodeos ends with {out.returncode}, not 2")
    time.sleep(fault.rng.random())
    s.ready()
    fault.verdict, fault.repair = "in-use", NONE
    if (pid, inode, heal) != (s.nodeos_pid(), os.stat(s.data).st_ino, json.dumps(s.record().get("heal"))):
        disagree(f"{s} did not stay as it was: {s.summary()}")


def nodeos_by_hand(self, fault, s):
    """The supervisor comes to a data-dir that a nodeos by hand has open: it must wait or be held."""
    self.stopped(s)
    inode, quarantined = os.stat(s.data).st_ino, s.quarantine()
    out = by_hand(self, s, fault)
    try:
        wait_for(10, lambda: f"the nodeos by hand has it open ({s.verdict()}, {out.poll()})", lambda: s.verdict() == "in-use")
        s.start(fault.mode)
        time.sleep(1 + fault.rng.random() * 3)
        st = s.state()
        fault.verdict, fault.repair = st.get("verdict"), st.get("state")
        if heal_of(s) or st.get("ready") or st.get("nodeos_pid") or out.poll() is not None:
            disagree(f"{s} was opened twice: {s.summary()}, by hand {out.poll()}")
    finally:
        out.terminate()
        out.wait()
    since = time.monotonic()
    if st.get("needs_hand"):
        s.stop()
        s.start()
    s.ready()
    fault.seconds = time.monotonic() - since
    if heal_of(s) or os.stat(s.data).st_ino != inode or s.quarantine() != quarantined:
        disagree(f"{s} has healed a data-dir that was only in use: {s.summary()}")


def by_hand(self, s, fault):
    config = f"{self.work}/by-hand.{s.n}"
    os.makedirs(config, exist_ok=True)
    os.chown(config, 7077, 7077)
    with open(config + "/config.ini", "w") as f:
        f.write(f"http-server-address = 127.0.0.1:{s.n}7777\np2p-listen-endpoint = 127.0.0.1:{s.n}7778\n"
                "chain-state-db-size-mb = 8\nchain-state-db-guard-size-mb = 1\n")
    with open(f"{self.work}/log.{s.n}", "ab") as log:
        # As the slots' user, so that what it makes is no other's.
        return subprocess.Popen(
            ["nodesim", "--data-dir", s.data, "--config-dir", config], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, user=7077, group=7077, extra_groups=[])


def second_supervisor(self, fault, s):
    s.ready()
    pid, inode = s.nodeos_pid(), os.stat(s.data).st_ino
    other = subprocess.Popen(
        ["nodeswarm", "--pool", self.pool, "supervise", "--service", "t_s", "--slot", str(s.n), "--task", "other",
         "--node", "here", "--config", s.config, "--genesis", GENESIS, "--peers", "/nonexistent", "--address",
         "127.0.0.1", "--port", f"{s.n}8881", "--", "nodesim"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3 + fault.rng.random())
    by_term = fault.rng.random() < 0.5
    other.send_signal(signal.SIGTERM if by_term else signal.SIGKILL)
    fault.what = "SIGTERM" if by_term else "SIGKILL"
    if other.wait() != (0 if by_term else -signal.SIGKILL):
        disagree(f"the second supervisor ended with {other.returncode}")
    fault.verdict, fault.repair = "in-use", NONE
    if not s.state().get("ready") or (pid, inode) != (s.nodeos_pid(), os.stat(s.data).st_ino):
        disagree(f"{s} did not stay as it was: {s.summary()}")


def disk_full(self, fault, s):
    """The pool's file system, and so all slots: stopped cleanly before nodeos does it, and back again."""
    disk = os.statvfs(self.pool)
    inodes = {n: os.stat(x.data).st_ino for n, x in self.slots.items()}
    quarantined = {n: x.quarantine() for n, x in self.slots.items()}
    healed = {n: heals(x) for n, x in self.slots.items()}
    share = 0.885 + fault.rng.random() * 0.01
    used = disk.f_blocks - disk.f_bavail
    with open(self.pool + "/ballast", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, int(disk.f_blocks * share - used) * disk.f_frsize)
    fault.what = f"{share * 100:.1f} %"
    try:
        for x in self.slots.values():
            wait_for(HELD_S, lambda: f"{x} is held ({x.summary()})", lambda x=x: x.state().get("state") == "held")
            if not x.record()["ends"][0]["clean"]:
                disagree(f"{x} was not stopped cleanly")
    finally:
        os.unlink(self.pool + "/ballast")
    since = time.monotonic()
    for x in self.slots.values():
        x.ready()
    fault.verdict, fault.repair, fault.seconds = "clean", HELD, time.monotonic() - since
    for n, x in self.slots.items():
        if (inodes[n], quarantined[n], healed[n]) != (os.stat(x.data).st_ino, x.quarantine(), heals(x)):
            disagree(f"{x} has healed what was no damage: {x.summary()}")


def flipped_in_generation(self, fault, s):
    """What no verdict reads is found by its digest."""
    generation = fault.rng.choice(sorted(glob.glob(self.pool + "/generations/g*")))
    name = os.path.basename(generation)
    files = sorted(
        os.path.join(where, f) for where, _, fs in os.walk(generation + "/data") for f in fs
        if size_of(os.path.join(where, f)))
    path = fault.rng.choice(files)
    at = fault.rng.randrange(0, size_of(path))
    with open(path, "rb") as f:
        f.seek(at)
        old = f.read(1)
    verify = ["nodeswarm", "--pool", self.pool, "data", "verify", name]
    flip(fault.rng, path, at)
    fault.what = f"{name} {os.path.relpath(path, generation)} {at}"
    said = subprocess.run(verify, capture_output=True, text=True)
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(old)
    fault.verdict, fault.repair = "verify", NONE
    if said.returncode == 0 or os.path.basename(path) not in said.stdout + said.stderr:
        disagree(f"data verify: {said.returncode} {said.stdout}{said.stderr}")
    said = subprocess.run(verify, capture_output=True, text=True)
    if said.returncode:
        disagree(f"data verify of what is as it was: {said.returncode} {said.stdout}{said.stderr}")


# Killed before nodeos had opened it, or after it had read fork_db.dat and before it wrote the state.
KILLED = row(0, None, ("dirty", "damaged", "clean"), ("restore-generation", NONE), ("replay", NONE),
             ("replay", "restore-generation", NONE))
SOUND = row(0, None, ("clean",), NONE, NONE, NONE)
OTHERS = {
    "killed-nodeos": killed, "killed-both": killed_both, "killed-in-repair": killed_in_repair,
    "killed-supervisor": killed_supervisor, "wrong-option": wrong_option, "other-genesis": bad_genesis,
    "other-nodeos": other_nodeos, "port-in-use": port_in_use, "state-full": state_full,
    "second-nodeos": second_nodeos, "nodeos-by-hand": nodeos_by_hand, "second-supervisor": second_supervisor,
    "disk-full": disk_full, "flip-in-generation": flipped_in_generation,
}
# Those that nothing else may happen beside.
ALONE = ("disk-full", "flip-in-generation")
WEIGHTS = {name: r.weight for name, r in TABLE.items()} | {
    "killed-nodeos": 14, "killed-both": 14, "killed-in-repair": 10, "killed-supervisor": 3, "wrong-option": 6,
    "other-genesis": 3, "other-nodeos": 3, "port-in-use": 3, "state-full": 3, "second-nodeos": 3,
    "nodeos-by-hand": 3, "second-supervisor": 3, "disk-full": 1, "flip-in-generation": 4,
}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--pool", required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--seed", default="1")
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--faults", type=int, default=40)
    p.add_argument("--only")
    p.add_argument("--trace", action="store_true")
    a = p.parse_args()
    if a.only:
        for name in WEIGHTS:
            WEIGHTS[name] = WEIGHTS[name] if name in a.only.split(",") else 0
    print(f"seed {a.seed}, faults {a.first} to {a.first + a.faults - 1}", flush=True)
    c = Campaign(a.pool, a.work, a.seed, a.trace)
    try:
        c.run(a.first, a.faults)
    finally:
        for s in c.slots.values():
            s.kill_all()
    return 1 if c.bad else 0


if __name__ == "__main__":
    sys.exit(main())
