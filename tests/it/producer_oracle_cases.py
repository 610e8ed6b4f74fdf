#!/usr/bin/env python3
"""
producer_oracle_cases.py - the oracle's own tests: evidence that is in order, and each way in which it can be not

usage: producer_oracle_cases.py

One line for each case; each names the findings that it must give, no more and no fewer.
"""

import copy
import json
import sys

import producer_oracle as oracle
import producer_watch as watching

S = 1_000_000_000
TERM, GUARD = 4 * S, 1 * S
A, B = "n4/producer/1", "n5/standby/1"
READERS = ("n1/readers/1", "n2/readers/2", "n3/readers/3")


class History:
    """A chain that is signed by one after the other, as evidence."""

    def __init__(self):
        self.records, self.slot, self.num, self.epoch, self.id = [], 1000, 10, 0, "0"

    def boot(self, slot=None):
        return (slot or self.slot) * S // 2

    def sign(self, ring, slots, seen_by=READERS, note=True):
        """An epoch of it: a block in each slot, the lease renewed each second."""
        self.epoch += 1
        for _ in range(slots):
            self.one(ring, seen_by, note)

    def one(self, ring, seen_by=READERS, note=True):
        asked = self.boot() // S * S
        if note:
            self.records.append(
                {"k": "signed", "ring": ring, "slot": self.slot - 1, "digest": f"d{self.slot}", "epoch": self.epoch,
                 "boot_ns": self.boot() - S // 10, "until_ns": asked + TERM - GUARD})
        block = f"{self.num}.{ring}"
        for by in (*seen_by, ring):
            self.records.append(
                {"k": "block", "by": by, "third": by in READERS, "boot_ns": self.boot() - S // 20, "num": self.num,
                 "id": block, "previous": self.id, "slot": self.slot})
        self.slot, self.num, self.id = self.slot + 1, self.num + 1, block

    def silence(self, slots):
        self.slot += slots

    def released(self):
        self.records.append({"k": "change", "lease": "producer", "epoch": self.epoch, "holder": ""})

    def fault(self, i, name, **must):
        self.records.append({"k": "fault", "i": i, "name": name, "boot_ns": self.boot() - S // 4, **must})


def usual():
    """It dies, the other takes after a term; a planned change; it dies within its own slot again."""
    h = History()
    h.sign(A, 12)
    h.fault(1, "power-off", within=6, lost=None)
    h.silence(9)
    h.sign(B, 10)
    h.fault(2, "failover", within=None, lost=2)
    h.released()
    h.silence(1)
    h.sign(A, 8)
    h.fault(3, "kill-supervisor", within=6, lost=None)
    h.silence(3)
    h.sign(A, 8)
    return h


def signed(h, ring, nth=0):
    return [r for r in h.records if r["k"] == "signed" and r["ring"] == ring][nth]


def blocks(h, by):
    return [r for r in h.records if r["k"] == "block" and r["by"] == by]


# --- each way to be wrong: changes a history, and names what has to be found ------------------------------


def other_digest_same_gate(h):
    r = dict(signed(h, A, 3), digest="other")
    h.records.append(r)
    return {"slot-twice"}


def same_slot_two_gates(h):
    """Also with the same digest: the second one had no business there."""
    r = signed(h, A, 11)
    h.records.append(dict(r, ring=B, epoch=2, boot_ns=r["until_ns"] + 1, until_ns=r["until_ns"] + TERM))
    return {"slot-twice", "order"}


def two_blocks_of_a_slot(h):
    """The record of one of them is lost, and only its own node has it."""
    b = blocks(h, B)[4]
    h.records.append(dict(b, by=A, id="other"))
    return {"slot-twice"}


def taken_too_soon(h):
    """The second begins before the first one's right is over, and no slot is signed twice."""
    for r in h.records:
        if r["k"] == "signed" and r["ring"] == A and r["epoch"] == 1:
            r["until_ns"] += 4 * S
    return {"right-overlap"}


def released_and_signed_on(h):
    """What was given up is used once more, within the right that it would have had."""
    last = [r for r in h.records if r["k"] == "signed" and r["epoch"] == 2][-1]
    h.records.append(dict(last, slot=last["slot"] + 100, digest="late", boot_ns=last["boot_ns"] + 2 * S))
    return {"right-overlap", "order"}


def not_released(h):
    """The same change of hands without a release is a theft."""
    h.records = [r for r in h.records if r["k"] != "change"]
    return {"right-overlap"}


def signed_after_its_right(h):
    r = signed(h, A, 5)
    r["until_ns"] = r["boot_ns"]
    return {"without-right"}


def epoch_of_two(h):
    for r in h.records:
        if r["k"] == "signed" and r["epoch"] == 2:
            r["epoch"] = 1
    return {"epoch-of-two", "right-overlap"}


def slots_fall(h):
    """A clock is wrong: the taker begins in slots of the one before."""
    for r in h.records:
        if r["k"] == "signed" and r["epoch"] == 2:
            r["slot"] -= 15
        elif r["k"] == "block" and r["id"].endswith(B):
            r["slot"] -= 15
    return {"slot-twice", "order", "slow"}


def key_elsewhere(h):
    """A block in a slot that no gate has noted."""
    h.records.remove(signed(h, B, 5))
    return {"unrecorded"}


def reader_switches(h):
    h.records.append({"k": "switch", "by": READERS[0], "third": True, "text": "switching forks from ..."})
    return {"fork"}


def readers_differ(h):
    """Two branches, of slots that differ; each reader has one of them from the beginning."""
    for b in blocks(h, READERS[2]):
        if b["num"] == 30:
            b["id"], b["slot"] = "other", b["slot"] + 4000
        elif b["num"] == 31:
            b["previous"] = "other"
    h.records.append(dict(signed(h, A, 19), slot=blocks(h, READERS[0])[20]["slot"] + 3999, digest="x",
                          boot_ns=1 << 40, until_ns=1 << 41, epoch=9))
    return {"fork", "order"}


def reader_changes_its_mind(h):
    """No log line, and each height was asked for once."""
    for b in blocks(h, READERS[1]):
        if b["num"] == 25:
            b["previous"] = "other"
    return {"fork"}


def nobody_watched(h):
    h.records = [r for r in h.records if r["k"] != "block" or not r["third"] or r["by"] == READERS[0]]
    return {"blind"}


def no_records(h):
    h.records = [r for r in h.records if r["k"] != "signed"]
    return {"blind", "unrecorded"}


def a_hole(h):
    h.records = [r for r in h.records if r["k"] != "block" or not r["third"] or r["num"] != 20]
    return {"blind"}


def too_late(h):
    for r in h.records:
        if r["k"] == "fault" and r["i"] == 1:
            r["within"] = 4
    return {"slow"}


def too_many_slots(h):
    for r in h.records:
        if r["k"] == "fault" and r["i"] == 2:
            r["lost"] = 0
            r["boot_ns"] -= S
    return {"slow"}


def never_again(h):
    h.silence(100)
    h.fault(4, "power-off", within=6)
    return {"slow"}


# --- what is in order although it looks strange -----------------------------------------------------------


def in_order(h):
    return set()


def same_slot_again_at_once(h):
    """The slot's next supervisor: its lock says that the one before is dead."""
    h.silence(0)
    h.sign(A, 5)
    return set()


def signed_twice_the_same(h):
    """nodeos asks again: same slot, same digest, same gate."""
    r = signed(h, A, 3)
    h.records.append(dict(r, boot_ns=r["boot_ns"] + 1000))
    return set()


def collected_again(h):
    h.records += copy.deepcopy(h.records)
    return set()


def stale_block(h):
    """A producer's own block that no third node has taken, and a switch on its own node."""
    last = [r for r in h.records if r["k"] == "signed" and r["epoch"] == 1][-1]
    h.records.append(dict(last, slot=last["slot"] + 1, digest="stale", boot_ns=last["boot_ns"] + S // 2))
    b = blocks(h, A)[11]
    h.records.append(dict(b, num=b["num"] + 1, id="stale", previous=b["id"], slot=b["slot"] + 1))
    h.records.append({"k": "switch", "by": A, "third": False, "text": "switching forks from ..."})
    return set()


def asked_late(h):
    """Within the slot that the block is named by."""
    for r in h.records:
        if r["k"] == "signed" and r["ring"] == A and r["epoch"] == 1:
            r["slot"] += 1
    return set()


# --- what collects ----------------------------------------------------------------------------------------


def collecting():
    """Of rings, of leases' labels, of chains: (name, what came of it, what should)."""
    w = watching.Watch({})
    w.begin_ns = 2
    entry = {"slot": 7, "height": 0, "digest": "ab", "epoch": 3, "real_ns": 1, "boot_ns": 2, "until_ns": 9}
    line = json.dumps(entry).encode()
    for torn in (b"", b"\0" * 384, line[:40], b"[1]", b'{"slot":1}'):
        w.ring_line("r", torn)
    yield "torn lines of a ring", w.evidence.signed, {}
    w.ring_line("r", line.ljust(383) + b"\n")
    w.ring_line("r", line)
    w.ring_line("r", json.dumps({**entry, "slot": 6, "boot_ns": 1}).encode())
    yield "a line of a ring, read twice, and one of before", [s["slot"] for s in w.evidence.signed.values()], [7]
    labels = {"nodeswarm.lease.epoch": "3", "nodeswarm.lease.history.1": "5 2 nodeswarm_producer.1 it took over",
              "nodeswarm.lease.history.0": "6 2 - by order: failover"}
    yield "a lease's history", sorted((h["real_ns"], h["epoch"], h["holder"]) for h in watching.history(labels)), [
        (5, 2, "nodeswarm_producer.1"), (6, 2, "")]
    yield "slots of time stamps", [watching.slot_of("2000-01-01T00:00:00." + ms) for ms in ("000", "500")] + [
        watching.slot_of("2026-11-21T22:00:00.000")], [0, 1, 1697227200]
    yield "options", watching.options_of(["--slot", "1", "--port=7", "--", "nodeos", "--slot", "9"]), {
        "slot": "1", "port": "7"}
    yield "what a node learns", learned(), [(5, "e"), (6, "f"), (6, "F"), (7, "g"), (8, "h")]


def learned():
    """First its head alone; then what came since; a block that was replaced is one more."""
    chain = {5: "e", 6: "f"}
    w = watching.Watch({})
    w.begin_slot = 1
    node = watching.BlocksOf(w, watching.Node(0, "n1", "readers", "1", 0, False), 0, True)

    def answer(port, path, body, connection):
        num = body["block_num"]
        return {"id": chain[num], "previous": chain.get(num - 1, "?"), "timestamp": "2000-01-01T00:00:00.500"}
    get, watching.get_json = watching.get_json, answer
    try:
        node.learn(None, 0, 5, "e")
        node.learn(None, 0, 6, "f")
        chain.update({6: "F", 7: "g", 8: "h"})
        node.learn(None, 0, 8, "h")
        node.learn(None, 0, 7, "other")  # gone before it was asked for
        w.begin_slot, chain[9] = 2, "i"
        node.learn(None, 0, 9, "i")  # of before the watch began
    finally:
        watching.get_json = get
    return [(b["num"], b["id"]) for b in w.evidence.blocks.values()]


CASES = (
    in_order, same_slot_again_at_once, signed_twice_the_same, collected_again, stale_block, asked_late,
    other_digest_same_gate, same_slot_two_gates, two_blocks_of_a_slot, taken_too_soon, released_and_signed_on,
    not_released, signed_after_its_right, epoch_of_two, slots_fall, key_elsewhere, reader_switches, readers_differ,
    reader_changes_its_mind, nobody_watched, no_records, a_hole, too_late, too_many_slots, never_again,
)


def main():
    wrong, seen = 0, set()
    for case in CASES:
        h = usual()
        want = case(h)
        e = oracle.Evidence(h.records)
        found = oracle.judge(e)
        kinds = {f.kind for f in found}
        seen |= kinds
        ok = kinds == want
        wrong += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {case.__name__}: {', '.join(sorted(kinds)) or 'nothing'}"
              + ("" if ok else f", not {', '.join(sorted(want)) or 'nothing'}: {found}"))
    h = usual()
    e = oracle.Evidence(h.records)
    first = oracle.first_seen(e)
    got = [oracle.outage(first, f, h.boot(1041)) for f in list(e.faults.values())[:2]]
    # The block is named by the end of its slot, and was seen 50 ms before.
    ok = [round(got[0][0], 2), got[0][1]] == [4.7, 9] and got[1][1] == 1
    print(f"{'ok  ' if ok else 'FAIL'} the times: {got}")
    wrong += not ok
    for name, got, want in collecting():
        wrong += got != want
        print(f"{'ok  ' if got == want else 'FAIL'} {name}" + ("" if got == want else f": {got}, not {want}"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
