#!/usr/bin/env python3
"""
producer_trials.py - a campaign of faults against a producer and its standbys, on a swarm of several hosts

usage: producer_trials.py --swarm DIR --evidence FILE [--seed N] [--first N] [--trials N] [--only A,B]
                          [--quick] [--patience SECONDS] [--alone] [--json FILE] [--trace]

The swarm is there (tests/it/swarm.sh): hosts 1 to 3 are managers with a broker and a reader each, the
others have the candidates.  Trial I of a seed is always the same: its class and all that is random
about it come from "SEED/I", so that --first I --trials 1 repeats it.  A trial begins when somebody
signs and another candidate is ready to take over, whatever the rest of the former trial is still busy
with, and ends when that is so again.

With --patience no wait is shorter than that and no lost slot is counted: on a machine that is busy with
something else only that there are never two says anything.

Who signs is read from the gates' records, and what must be so is judged by producer_oracle.py from the
evidence of the whole campaign: no two rights at a time, no slot twice, no fork on a reader.

One line for each trial, a table at the end; the exit status is 1 when anything was not as it must be.
"""

import argparse
import collections
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time

import producer_oracle as oracle
from producer_watch import Watch, boot_ns, container_logs, is_alive, nodes, read

ROOT = os.environ["ROOT"]
RULES_AT_ONCE = [r for r in oracle.RULES if r not in (oracle.blind, oracle.slow)]
WHOLE_S, STUCK_MAX = 90, 3
HOT_S = 10  # to the next block, with a hot standby and no election; bench_producer.sh measures it
ELECTION_S, UPDATE_S = 60, 120
PATIENCE_S = 0


class Stuck(Exception):
    pass


def wait_for(seconds, what, condition, pause=0.05):
    seconds = max(seconds, PATIENCE_S)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Stuck(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)


def send(number, *pids):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


# --- the cluster -------------------------------------------------------------------------------------


class Cluster:
    def __init__(self, swarm, managers=3):
        self.swarm, self.managers = swarm, managers
        self.hosts = sorted(n[1:] for n in os.listdir(swarm) if n[0] == "n" and n[1:].isdigit())
        self.off = set()

    def socket(self, k):
        return f"{self.swarm}/n{k}/docker.sock"

    def verb(self, *args, seconds=120):
        subprocess.run([ROOT + "/scripts/private-swarm.sh", args[0], self.swarm, *args[1:]], check=True, timeout=seconds,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def docker(self, k, *args, seconds=60, check=True):
        return subprocess.run(["docker", "-H", "unix://" + self.socket(k), *args], check=check, timeout=seconds,
                              capture_output=True, text=True).stdout.strip()

    def up(self):
        return [str(k) for k in range(1, self.managers + 1) if str(k) not in self.off]

    def leader(self):
        for k in self.up():
            try:
                out = self.docker(k, "node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}", seconds=5, check=False)
            except subprocess.TimeoutExpired:
                continue
            for line in out.splitlines():
                if line.endswith(" Leader"):
                    return line.split()[0].replace("node", "")
        return None

    def reachable(self):
        """How many managers the leader sees."""
        k = self.leader()
        return k and self.docker(k, "node", "ls", "--format", "{{.ManagerStatus}}").count("eacha") + 1

    def order(self, *words, seconds=60):
        """nodeswarm producer ..., on a manager."""
        k = self.leader() or self.up()[0]
        return subprocess.run(
            [ROOT + "/scripts/private-swarm.sh", "exec", self.swarm, k, "nodeswarm", "producer", *words],
            timeout=seconds, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    def update(self, service, *args):
        self.docker(self.leader() or self.up()[0], "service", "update", "--detach", "--quiet", *args, "nodeswarm_" + service)

    def resume(self, node):
        """The operator's word that the cause is gone."""
        k = self.leader() or self.up()[0]
        subprocess.run([ROOT + "/scripts/private-swarm.sh", "exec", self.swarm, k, "nodeswarm", "resume",
                        f"nodeswarm_{node.service}.{node.slot}"], timeout=60, capture_output=True, stdin=subprocess.DEVNULL)

    def updated(self, service):
        """Until an update is over: before that it restarts one task after the other."""
        def look():
            k = self.leader()
            return k and self.docker(k, "service", "inspect", "-f", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}",
                                     "nodeswarm_" + service, check=False) not in ("updating", "rollback_started")
        time.sleep(1)
        wait_for(UPDATE_S, f"the update of {service} is over", look, 0.5)

    def candidates(self):
        return [n for n in nodes() if n.signs]

    def brokers(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            args = read(f"/proc/{pid}/cmdline").split(b"\0")
            if os.path.basename(args[0]) == b"nodeswarm" and args[1:2] == [b"broker"]:
                found.append(int(pid))
        return sorted(found)


# --- a trial -----------------------------------------------------------------------------------------


class Trial:
    def __init__(self, seed, i):
        self.i = i
        self.rng = random.Random(f"{seed}/{i}")
        # Cards from a shuffled deck: of as many trials as it has, each class has its share.
        deck = [name for name, (n, _) in CLASSES.items() for _ in range(n)]
        random.Random(f"{seed}/deck/{(i - 1) // len(deck)}").shuffle(deck)
        self.name = deck[(i - 1) % len(deck)]
        self.what, self.error = "", None
        self.within, self.lost = HOT_S, None
        self.fault_ns = 0
        self.holder = self.hot = None

    def __str__(self):
        return f"{self.i} {self.name}{f' ({self.what})' if self.what else ''} of {self.holder}"


class Campaign:
    def __init__(self, cluster, watch, seed, trace, alone=False):
        self.cluster, self.watch, self.seed, self.trace, self.alone = cluster, watch, seed, trace, alone
        self.results, self.stuck, self.found, self.cured, self.resumed = [], 0, [], [], 0
        self.cured_ns, self.resume_next = {}, 0

    # - what is so -

    def last_signed(self):
        e = self.watch.snapshot()
        return max(e.signed.values(), key=lambda s: s["boot_ns"], default=None)

    def signer(self):
        """The candidate whose gate has signed within the last second and a half, by its record."""
        last = self.last_signed()
        if not last or boot_ns() - last["boot_ns"] > 1_500_000_000:
            return None
        return next((n for n in self.cluster.candidates() if n.name == last["ring"]), None)

    def newest(self, name):
        """The newest block that this node has."""
        return max((b for b in self.watch.snapshot().blocks.values() if b["by"] == name),
                   key=lambda b: (b["boot_ns"], b["num"]), default=None)

    def cure(self):
        """
        A producer that was cut off with its right goes on until that is over.  Where it is the chain's only
        one, its blocks are irreversible for it at once, and for whoever is cut off with it; the others have
        gone on without them, and nobody but an operator can throw them away.
        """
        others = {b["num"]: b["id"] for b in self.watch.snapshot().third()}
        for n in self.cluster.candidates():
            own = self.newest(n.name)
            since = max(own["boot_ns"], self.cured_ns.get(n.name, 0)) if own else 0
            if not own or others.get(own["num"], own["id"]) == own["id"] or boot_ns() - since < 15_000_000_000:
                continue
            self.cured.append(n.name)
            self.cured_ns[n.name] = boot_ns() + 30_000_000_000
            print(f"cured by hand: {n} has block {own['num']} {own['id'][8:24]}, the others have "
                  f"{others[own['num']][8:24]}", flush=True)
            data = f"{self.watch.pools[n.host]}/services/nodeswarm_{n.service}/{n.slot}/data"
            send(signal.SIGKILL, n.pid)
            wait_for(5, f"{n} is gone", lambda pid=n.pid: not is_alive(pid), 0.01)
            try:
                os.rename(data, f"{self.cluster.swarm}/{n.host}/forked.{len(self.cured)}")
            except FileNotFoundError:
                pass  # its supervisor has put it aside itself

    def resume_held(self):
        """A supervisor mends five times an hour, and a campaign does more damage than that."""
        if time.monotonic() < self.resume_next:
            return
        for n in self.cluster.candidates():
            state = n.state()
            if state.get("state") == "held" and "repairs within the hour" in (state.get("reason") or ""):
                self.resumed += 1
                self.cluster.resume(n)
        self.resume_next = time.monotonic() + 2

    def standbys(self, holder):
        """Those that could take over now."""
        found = []
        for n in self.cluster.candidates():
            if holder and n.name != holder.name:
                state = n.state()
                own = self.newest(n.name)
                if state.get("ready") and (state.get("producer") or {}).get("state") == "standby" and own and \
                        boot_ns() - own["boot_ns"] < 2_000_000_000:
                    found.append(n)
        return found

    def readers_follow(self):
        """All readers that run have a block of the last two seconds."""
        now, latest = boot_ns(), {}
        for b in self.watch.snapshot().third():
            latest[b["by"]] = max(latest.get(b["by"], 0), b["boot_ns"])
        running = {n.name for n in nodes() if not n.signs and n.host[1:] not in self.cluster.off}
        return len(running) >= 2 and all(now - latest.get(name, 0) < 2_000_000_000 for name in running)

    def whole(self, elsewhere=False):
        """(who signs, who could take over); elsewhere: on another host."""
        def look():
            self.cure()
            self.resume_held()
            holder = self.signer()
            hot = holder and [n for n in self.standbys(holder) if not elsewhere or n.host != holder.host]
            hot = [holder] if holder and self.alone else hot
            return (holder, hot) if hot and self.readers_follow() else None
        return wait_for(WHOLE_S, self.summary, look, 0.1)

    def summary(self):
        said = []
        for n in self.cluster.candidates():
            s = n.state()
            p = s.get("producer") or {}
            said.append(f"{n}: {s.get('state')} {s.get('reason') or s.get('why') or ''}, {p.get('state')}: {p.get('why')}")
        return f"somebody signs and another could: signer {self.signer()}; " + "; ".join(said)

    # - for the classes -

    def begin(self, t, what="", within=HOT_S, lost=None):
        """The fault happens now."""
        within = None if self.alone or within is None else max(within, PATIENCE_S)
        lost = None if PATIENCE_S else lost
        t.what, t.within, t.lost = what, within, lost
        t.fault_ns = boot_ns()
        self.watch.add({"k": "fault", "i": t.i, "name": t.name, "boot_ns": t.fault_ns, "within": within, "lost": lost})

    def other_signs(self, t, seconds):
        """Until somebody signs in a later epoch than when the fault came."""
        seconds = 120 if self.alone else seconds
        before = max((s["epoch"] for s in self.watch.snapshot().signed.values() if s["boot_ns"] < t.fault_ns), default=0)

        def look():
            if self.alone:
                self.resume_held()
            return (self.last_signed() or {}).get("epoch", 0) > before
        wait_for(seconds, lambda: f"another epoch than {before}; {self.summary()}", look)

    def hold(self, t, seconds):
        """As long as the trial says, from the fault on."""
        time.sleep(max(0, t.fault_ns / 1e9 + seconds - boot_ns() / 1e9))

    # - running -

    def one(self, t):
        try:
            t.holder, hot = self.whole(t.name in OF_HOSTS)
            t.hot = t.rng.choice(hot)
            # At any moment of a renewal and of a slot.
            time.sleep(t.rng.random() * 1.2)
            CLASSES[t.name][1](self, t)
            # What was seen before is no proof that it goes on.
            done = boot_ns()
            wait_for(WHOLE_S, self.summary, lambda: any(b["boot_ns"] > done for b in self.watch.snapshot().third()))
            self.whole()
        except Stuck as e:
            t.error = str(e)
        except Exception as e:  # a fault of the campaign's own must not end it without a word
            t.error = f"{type(e).__name__}: {e} {getattr(e, 'stderr', '') or ''}"
        if t.error:
            self.stuck += 1
        self.tell(t)

    def tell(self, t):
        # Not of the last moments, of which not everything was collected yet.
        e = self.watch.snapshot(boot_ns() - 2_000_000_000)
        new = [f for rule in RULES_AT_ONCE for f in rule(e) if f not in self.found]
        self.found += new
        got = oracle.outage(oracle.first_seen(self.watch.snapshot()), {"boot_ns": t.fault_ns}, 1 << 63) if t.fault_ns else None
        wrong = [t.error] if t.error else []
        wrong += [f"{f.kind}: {f.text}" for f in new[:3]]
        if got and t.within is not None and got[0] > t.within:
            wrong.append(f"not within {t.within:g} s")
        if got and t.lost is not None and got[1] > t.lost:
            wrong.append(f"more than {t.lost} slots lost")
        took = f": {got[0]:.2f} s, {got[1]} slots" if got else ""
        self.results.append((t, got, bool(wrong)))
        if wrong:
            print(f"DISAGREEMENT {t}{took}: {'; '.join(wrong)}", flush=True)
        elif self.trace:
            print(f"trial {t}{took}", flush=True)

    def run(self, first, count):
        self.whole()
        for i in range(first, first + count):
            self.one(Trial(self.seed, i))
            if self.stuck > STUCK_MAX:
                print(f"stuck {self.stuck} times: given up after trial {i}", flush=True)
                break

    def report(self):
        e = self.watch.snapshot()
        found = oracle.judge(e)
        by = collections.defaultdict(list)
        for t, got, wrong in self.results:
            by[t.name].append((got, wrong))
        print(f"\n{'class':20} {'count':>5} {'wrong':>5} {'median s':>9} {'max s':>7} {'slots lost, median and max':>27}")
        for name, of in sorted(by.items()):
            times, slots = [g[0] for g, _ in of if g], [g[1] for g, _ in of if g]
            print(f"{name:20} {len(of):5} {sum(w for _, w in of):5} "
                  + (f"{statistics.median(times):9.2f} {max(times):7.2f} {statistics.median(slots):20g} {max(slots):6}"
                     if times else f"{'-':>9} {'-':>7}"))
        print()
        for f in found:
            print(f"{f.kind}: {f.text}")
        print(", ".join(f"{v} {k}" for k, v in oracle.figures(e).items()))
        print(f"{len(self.results)} trials, {len(found)} findings, {self.stuck} stuck, {len(self.cured)} cured by hand, "
              f"{self.resumed} resumed by hand", flush=True)
        return 1 if found or self.stuck else 0


# --- classes -----------------------------------------------------------------------------------------


def kill_nodeos(c, t):
    c.begin(t)
    send(signal.SIGKILL, t.holder.nodeos())
    time.sleep(1)


def kill_both(c, t):
    """The container's first process, and so all of it."""
    c.begin(t)
    send(signal.SIGKILL, t.holder.pid)
    c.other_signs(t, 30)


def freeze(c, t, pids, seconds):
    c.begin(t, f"{seconds:.1f} s")
    send(signal.SIGSTOP, *pids)
    try:
        c.hold(t, seconds)
    finally:
        thawed = [p for p in pids if is_alive(p)]
        t.rng.shuffle(thawed)
        send(signal.SIGCONT, *thawed)


def some_seconds(t):
    """Often near the end of the term, where it matters."""
    return t.rng.choice((t.rng.uniform(0.2, 3), t.rng.uniform(2.8, 5), t.rng.uniform(3, 12)))


def freeze_nodeos(c, t):
    freeze(c, t, [t.holder.nodeos()], some_seconds(t))


def freeze_supervisor(c, t):
    freeze(c, t, [t.holder.pid], some_seconds(t))


def freeze_both(c, t):
    freeze(c, t, t.holder.pids(), some_seconds(t))


def freeze_standby(c, t):
    c.begin(t, within=3)
    pids = t.hot.pids()
    send(signal.SIGSTOP, *pids)
    c.hold(t, t.rng.uniform(1, 6))
    send(signal.SIGCONT, *pids)


def kill_standby(c, t):
    c.begin(t, within=3)
    send(signal.SIGKILL, t.hot.pid)
    c.hold(t, 1.5)


def power_off(c, t):
    k = t.holder.host[1:]
    c.begin(t, "host " + k)
    c.cluster.verb("poweroff", k)
    c.cluster.off.add(k)
    try:
        c.other_signs(t, 30)
    finally:
        c.cluster.verb("start", k)
        c.cluster.off.discard(k)


def cut(c, t, seconds):
    k = t.holder.host[1:]
    c.begin(t, f"host {k}, {seconds:.1f} s")
    c.cluster.verb("partition", k)
    c.cluster.off.add(k)
    try:
        c.hold(t, seconds)
    finally:
        c.cluster.verb("heal", k)
        c.cluster.off.discard(k)


def partition(c, t):
    cut(c, t, t.rng.choice((t.rng.uniform(0.5, 3), t.rng.uniform(3, 6), t.rng.uniform(5, 9))))


def partition_long(c, t):
    """Swarm starts the slot's task elsewhere, and the first one lives on."""
    cut(c, t, t.rng.uniform(17, 22))


def engine_kill(c, t):
    """dockerd and containerd; the containers live on until it comes back."""
    k = t.holder.host[1:]
    c.begin(t, "host " + k)
    c.cluster.verb("kill", k)
    try:
        c.hold(t, t.rng.uniform(0.5, 5))
    finally:
        c.cluster.verb("restart", k)


def managers_back(c, k):
    c.cluster.off.discard(k)
    wait_for(60, "three managers", lambda: c.cluster.reachable() == c.cluster.managers, 0.5)


def leader_loss(c, t):
    k = c.cluster.leader()
    c.begin(t, "host " + k, within=ELECTION_S)
    c.cluster.verb("poweroff", k)
    c.cluster.off.add(k)
    try:
        time.sleep(3)
        wait_for(ELECTION_S, "somebody signs", c.signer)
        if t.rng.random() < 0.5:
            wait_for(ELECTION_S, "another leader", c.cluster.leader, 0.5)
    finally:
        c.cluster.verb("start", k)
    managers_back(c, k)


def leader_cut(c, t):
    k = c.cluster.leader()
    seconds = t.rng.uniform(2, 15)
    c.begin(t, f"host {k}, {seconds:.1f} s", within=ELECTION_S)
    c.cluster.verb("partition", k)
    c.cluster.off.add(k)
    try:
        c.hold(t, seconds)
    finally:
        c.cluster.verb("heal", k)
    managers_back(c, k)


def broker_loss(c, t):
    """One, two or all; they come back by themselves."""
    pids = c.cluster.brokers()
    gone = t.rng.sample(pids, t.rng.randint(1, len(pids)))
    c.begin(t, f"{len(gone)} of {len(pids)}", within=30)
    send(signal.SIGKILL, *gone)
    c.hold(t, t.rng.uniform(2, 6))


def broker_freeze(c, t):
    """All of them for a while, which may be longer than the term."""
    pids, seconds = c.cluster.brokers(), t.rng.uniform(1, 8)
    c.begin(t, f"{seconds:.1f} s", within=30)
    send(signal.SIGSTOP, *pids)
    c.hold(t, seconds)
    send(signal.SIGCONT, *pids)


def quick_updates(c, t):
    gap = t.rng.choice((0.05, 0.6, 3))
    c.begin(t, f"{gap:g} s apart", within=30)
    c.cluster.update(t.holder.service, "--force")
    time.sleep(gap)
    c.cluster.update(t.holder.service, "--force")
    c.cluster.updated(t.holder.service)


def two_replicas(c, t):
    """The second is a standby like any other; then who signs dies."""
    before = {n.name for n in c.cluster.candidates()}
    c.cluster.update("producer", "--replicas", "2")
    try:
        wait_for(60, "one more candidate", lambda: {n.name for n in c.cluster.candidates()} - before)
        wait_for(60, "it is a standby", lambda: any(n.name not in before for n in c.standbys(t.holder)), 0.2)
        c.begin(t)
        send(signal.SIGKILL, t.holder.pid)
        c.other_signs(t, 30)
    finally:
        c.cluster.update("producer", "--replicas", "1")
        wait_for(60, "one candidate less", lambda: len(c.cluster.candidates()) <= len(before), 0.2)


def ordered(c, *words):
    """It is refused while nobody is fit, which may have changed since we have looked."""
    end = time.monotonic() + PATIENCE_S
    while True:
        done = c.cluster.order(*words)
        if not done.returncode:
            return
        if time.monotonic() > end:
            raise Stuck(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        time.sleep(1)


def failover(c, t):
    c.begin(t, lost=2)
    ordered(c, "failover")
    c.other_signs(t, 10)


def failover_and_kill(c, t):
    """The holder dies while it gives up."""
    delay = t.rng.uniform(0, 1.2)
    c.begin(t, f"{delay:.2f} s")
    command = subprocess.Popen(
        [ROOT + "/scripts/private-swarm.sh", "exec", c.cluster.swarm, c.cluster.up()[0], "nodeswarm", "producer", "failover"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    send(signal.SIGKILL, *t.rng.choice(([t.holder.pid], [t.holder.nodeos()])))
    try:
        command.wait(60 + PATIENCE_S)
    except subprocess.TimeoutExpired:
        command.kill()
        raise Stuck("producer failover does not end") from None


def pause_resume(c, t):
    c.begin(t, within=None)
    try:
        ordered(c, "pause")
        paused = boot_ns()
        time.sleep(t.rng.uniform(2, 6))
        last = c.last_signed()
        if last["boot_ns"] > paused:
            raise Stuck(f"{last['ring']} has signed slot {last['slot']}, and it was paused")
    finally:
        ordered(c, "resume")


# How many of a deck of forty.
CLASSES = {
    "kill-nodeos": (2, kill_nodeos), "kill-both": (3, kill_both), "freeze-nodeos": (4, freeze_nodeos),
    "freeze-supervisor": (4, freeze_supervisor), "freeze-both": (3, freeze_both), "freeze-standby": (1, freeze_standby),
    "kill-standby": (1, kill_standby), "power-off": (3, power_off), "partition": (3, partition),
    "partition-long": (1, partition_long), "engine-kill": (2, engine_kill), "leader-loss": (1, leader_loss),
    "leader-cut": (1, leader_cut), "broker-loss": (2, broker_loss), "broker-freeze": (1, broker_freeze),
    "quick-updates": (1, quick_updates), "two-replicas": (1, two_replicas), "failover": (3, failover),
    "failover-and-kill": (2, failover_and_kill), "pause-resume": (1, pause_resume),
}
# A deck of twelve of those that take no host away: each is over within 20 s.
QUICK = {
    "kill-nodeos": 1, "kill-both": 1, "freeze-nodeos": 2, "freeze-supervisor": 2, "freeze-both": 1, "kill-standby": 1,
    "failover": 1, "failover-and-kill": 1, "broker-freeze": 1, "pause-resume": 1,
}
# The other one must be on another host.
OF_HOSTS = ("power-off", "partition", "partition-long", "engine-kill")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--swarm", required=True)
    p.add_argument("--evidence", required=True)
    p.add_argument("--seed", default="1")
    p.add_argument("--first", type=int, default=1)
    p.add_argument("--trials", type=int, default=40)
    p.add_argument("--only")
    p.add_argument("--quick", action="store_true", help="the short deck")
    p.add_argument("--patience", type=float, default=0)
    p.add_argument("--alone", action="store_true", help="there is no standby")
    p.add_argument("--json", help="the outage of each trial, for the benchmark")
    p.add_argument("--trace", action="store_true")
    a = p.parse_args()
    global PATIENCE_S
    PATIENCE_S = a.patience
    if a.quick:
        CLASSES.update({name: (QUICK.get(name, 0), work) for name, (_, work) in CLASSES.items()})
    if a.only:
        for name, (_, work) in CLASSES.items():
            CLASSES[name] = (1 if name in a.only.split(",") else 0, work)
    print(f"seed {a.seed}, trials {a.first} to {a.first + a.trials - 1}", flush=True)
    cluster = Cluster(a.swarm)
    pools = {f"n{k}": f"{a.swarm}/n{k}/pool" for k in cluster.hosts}
    engines = [cluster.socket(k) for k in range(1, cluster.managers + 1)]
    with Watch(pools, engines, logs=container_logs(a.swarm), file=a.evidence) as watch:
        campaign = Campaign(cluster, watch, a.seed, a.trace, a.alone)
        try:
            campaign.run(a.first, a.trials)
        except Stuck as e:
            print(f"it does not begin: {e}", flush=True)
            campaign.stuck += 1
    if a.json:
        with open(a.json, "w") as f:
            json.dump([{"name": t.name, "seconds": got[0], "slots": got[1]} for t, got, _ in campaign.results if got], f)
    return campaign.report()


if __name__ == "__main__":
    sys.exit(main())
