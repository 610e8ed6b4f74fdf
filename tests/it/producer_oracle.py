#!/usr/bin/env python3
"""
producer_oracle.py - judges from outside whether the right to sign was ever that of two

usage: producer_oracle.py EVIDENCE...

Evidence is lines of JSON, collected by producer_watch.py or made by a test; "k" says of what kind:

  signed  a line of some gate's ring: ring (whose), slot, digest, epoch, boot_ns, until_ns
  block   a node has this block in its chain: by, third (no producer's own node), boot_ns (when it was
          seen), num, id, previous, slot
  switch  a node has logged that it left a branch: by, third, text
  change  from the history of a lease: lease, epoch, holder ("": it was released)
  fault   one of a campaign: i, name, boot_ns (when), and what must be so: within (seconds to the next
          block, or null), lost (slots at most, or null)

All times are CLOCK_BOOTTIME of one kernel, which all nodes of a test share, so whether two rights
overlap is no question of clocks.  It believes no process's word but what a gate wrote down before it
signed, and it compares that with the blocks: one that no gate has noted was signed elsewhere.

What must be so is in RULES, each with the names of what it finds.  Evidence that shows nothing is a
finding too.
"""

import collections
import json
import sys

SLOT_NS = 500_000_000
Finding = collections.namedtuple("Finding", "kind text")


class Evidence:
    """Records by kind, each once, however often they were collected."""

    def __init__(self, records=()):
        self.signed, self.blocks, self.switches, self.changes, self.faults = {}, {}, {}, {}, {}
        for r in records:
            self.add(r)

    def add(self, r):
        """Whether it is new."""
        where, key = {
            "signed": lambda: (self.signed, (r["ring"], r["epoch"], r["slot"], r["digest"], r["boot_ns"])),
            "block": lambda: (self.blocks, (r["by"], r["num"], r["id"])),
            "switch": lambda: (self.switches, (r["by"], r["text"])),
            "change": lambda: (self.changes, (r["lease"], r["epoch"], r["holder"])),
            "fault": lambda: (self.faults, r["i"]),
        }[r["k"]]()
        if key in where:
            return False
        where[key] = r
        return True

    def third(self):
        return [b for b in self.blocks.values() if b["third"]]

    def rights(self):
        """(ring, epoch) -> [from, to): from its first signature to the end of the last right that it
        had, or to its last signature if the lease was given up by a release."""
        released = {c["epoch"] for c in self.changes.values() if not c["holder"]}
        found = {}
        for s in self.signed.values():
            found.setdefault((s["ring"], s["epoch"]), []).append(s)
        return {
            key: (
                min(s["boot_ns"] for s in of),
                max(s["boot_ns"] for s in of) + 1 if key[1] in released else max(s["until_ns"] for s in of),
                max(s["boot_ns"] for s in of) + 1,
            )
            for key, of in found.items()
        }


def slot_twice(e):
    """A slot is signed for one digest, by one gate; blocks of one slot are one block."""
    by_slot = collections.defaultdict(set)
    for s in e.signed.values():
        by_slot[s["slot"]].add((s["ring"], s["digest"]))
    for slot, of in sorted(by_slot.items()):
        if len(of) > 1:
            yield Finding("slot-twice", f"slot {slot} was signed {len(of)} times: {sorted(of)}")
    ids = collections.defaultdict(dict)
    for b in e.blocks.values():
        ids[b["slot"]].setdefault(b["id"], b["by"])
    for slot, of in sorted(ids.items()):
        if len(of) > 1:
            yield Finding("slot-twice", f"there are {len(of)} blocks of slot {slot}: {of}")


def right_overlap(e):
    """At no moment two have it.  In one data-dir the lock says that the former process is dead."""
    rights = sorted((v, k) for k, v in e.rights().items())
    for i, ((a_from, a_to, a_last), a) in enumerate(rights):
        for (b_from, _, _), b in rights[i + 1:]:
            end = a_last if a[0] == b[0] else a_to
            if b_from < end:
                yield Finding("right-overlap", f"{b} began {(end - b_from) / 1e9:.3f} s before {a} ended")


def epochs(e):
    """An epoch is one gate's, and later ones sign later slots, later."""
    rings = collections.defaultdict(set)
    for ring, epoch in e.rights():
        rings[epoch].add(ring)
    for epoch, of in sorted(rings.items()):
        if len(of) > 1:
            yield Finding("epoch-of-two", f"epoch {epoch} is that of {sorted(of)}")
    last = None
    for s in sorted(e.signed.values(), key=lambda s: s["boot_ns"]):
        if last and (s["epoch"] < last["epoch"] or s["slot"] < last["slot"] + (s["epoch"] != last["epoch"])):
            yield Finding("order", f"after slot {last['slot']} in epoch {last['epoch']} of {last['ring']} came "
                                   f"slot {s['slot']} in epoch {s['epoch']} of {s['ring']}")
        last = s


def without_right(e):
    for s in e.signed.values():
        if s["boot_ns"] >= s["until_ns"]:
            yield Finding("without-right", f"{s['ring']} signed slot {s['slot']} "
                                           f"{(s['boot_ns'] - s['until_ns']) / 1e9:.3f} s after its right")


def noted_slots(e):
    """Block's slot -> ring's.  A gate notes the slot in which it is asked, which is that before the
    one that the block is named by, or that one itself when nodeos is late."""
    free = {s["slot"] for s in e.signed.values()}
    noted = {}
    for slot in sorted({b["slot"] for b in e.blocks.values()}):
        for candidate in (slot - 1, slot):
            if candidate in free:
                free.discard(candidate)
                noted[slot] = candidate
                break
    return noted, free


def unrecorded(e):
    """Each block was signed by a gate that noted it: there is no other copy of the key."""
    noted, _ = noted_slots(e)
    seen = {b["slot"]: b for b in e.blocks.values()}
    for slot, b in sorted(seen.items()):
        # Blocks 1 (genesis) and those from before the first gate are not ours.
        if slot not in noted and b["num"] > 1:
            yield Finding("unrecorded", f"no gate has noted block {b['num']} of slot {slot}, seen by {b['by']}")


def forks(e):
    """On third nodes: none left a branch, and all have the same."""
    for s in e.switches.values():
        if s["third"]:
            yield Finding("fork", f"{s['by']}: {s['text']}")
    ids, chains = collections.defaultdict(dict), collections.defaultdict(dict)
    for b in e.third():
        ids[b["num"]].setdefault(b["id"], b["by"])
        chains[b["by"]].setdefault(b["num"], b)
    for num, of in sorted(ids.items()):
        if len(of) > 1:
            yield Finding("fork", f"height {num} has {len(of)} blocks: {of}")
    for by, chain in sorted(chains.items()):
        for num, b in sorted(chain.items()):
            if num - 1 in chain and chain[num - 1]["id"] != b["previous"]:
                yield Finding("fork", f"{by}: block {num} does not follow its block {num - 1}")
            if num - 1 in chain and chain[num - 1]["slot"] >= b["slot"]:
                yield Finding("order", f"{by}: block {num} is of slot {b['slot']}, and the one before of "
                                       f"{chain[num - 1]['slot']}")


def blind(e):
    """What was not looked at was not judged."""
    if not e.signed:
        yield Finding("blind", "no gate's record was seen")
    nums = {b["num"] for b in e.third()}
    if len({b["by"] for b in e.third()}) < 2:
        yield Finding("blind", "fewer than two nodes that do not produce were watched")
    if nums:
        holes = [n for n in range(min(nums), max(nums)) if n not in nums]
        if holes:
            yield Finding("blind", f"no third node was asked for {len(holes)} heights: {holes[:5]} ...")


# --- what became of a fault --------------------------------------------------------------------------


def first_seen(e):
    """Height -> (slot, when a third node had it first)."""
    first = {}
    for b in e.third():
        if b["num"] not in first or b["boot_ns"] < first[b["num"]][1]:
            first[b["num"]] = (b["slot"], b["boot_ns"])
    return first


def outage(first, fault, until_ns):
    """(seconds, slots): the longest silence that follows a fault, of what was seen before `until_ns`,
    from the fault where it began with that; and the most slots without a block.  None: no block came."""
    row = sorted((when, slot) for slot, when in first.values() if when < until_ns)
    after = [r for r in row if r[0] >= fault["boot_ns"]]
    if not after:
        return None
    row = row[max(0, len(row) - len(after) - 1):]
    # What is on its way when a producer dies comes a moment later.
    began = fault["boot_ns"] + 700_000_000
    pairs = [(b[0] - (fault["boot_ns"] if a[0] <= began else a[0]), b[1] - a[1] - 1) for a, b in zip(row, row[1:])
             if a[0] >= fault["boot_ns"] or b is after[0]]
    pairs = pairs or [(after[0][0] - fault["boot_ns"], 0)]
    return max(p[0] for p in pairs) / 1e9, max(0, *(p[1] for p in pairs))


def slow(e):
    first, of = first_seen(e), sorted(e.faults.values(), key=lambda f: f["boot_ns"])
    for f, after in zip(of, of[1:] + [None]):
        found = outage(first, f, after["boot_ns"] if after else 1 << 63)
        if found is None:
            yield Finding("slow", f"fault {f['i']} {f['name']}: no block after it")
            continue
        if f.get("within") is not None and found[0] > f["within"]:
            yield Finding("slow", f"fault {f['i']} {f['name']}: the next block after {found[0]:.2f} s, "
                                  f"not within {f['within']:g}")
        if f.get("lost") is not None and found[1] > f["lost"]:
            yield Finding("slow", f"fault {f['i']} {f['name']}: {found[1]} slots lost, not at most {f['lost']}")


RULES = (slot_twice, right_overlap, epochs, without_right, unrecorded, forks, blind, slow)


def judge(e):
    return [finding for rule in RULES for finding in rule(e)]


def figures(e):
    """What is no fault and is worth a look."""
    _, without_block = noted_slots(e)
    chain, nums = {b["id"] for b in e.third()}, {b["num"] for b in e.third()} or {0}
    return {
        "signed": len(e.signed),
        "epochs": len({s["epoch"] for s in e.signed.values()}),
        "rings": len({s["ring"] for s in e.signed.values()}),
        "blocks": len({b["num"] for b in e.third()}),
        "observers": len({b["by"] for b in e.third()}),
        # Signed, and no block of it was seen: nodeos was killed, cut off, or too late.
        "signed without a block": len(without_block),
        # In a producer's own chain, and in no third node's.
        "stale blocks": len({b["id"] for b in e.blocks.values() if min(nums) <= b["num"] <= max(nums)} - chain),
        "released": sum(not c["holder"] for c in e.changes.values()),
        "faults": len(e.faults),
    }


def load(paths):
    e = Evidence()
    for path in paths:
        with open(path) as f:
            for line in f:
                e.add(json.loads(line))
    return e


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    e = load(sys.argv[1:])
    found = judge(e)
    for f in found:
        print(f"{f.kind}: {f.text}")
    print(", ".join(f"{v} {k}" for k, v in figures(e).items()))
    print(f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
