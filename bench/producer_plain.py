"""
producer_plain.py - how long a chain stands still whose producer is a plain service of Swarm

usage: producer_plain.py SWARM SERVICE kill|power-off RUNS LIMIT

For bench_producer.sh.  One number a line: seconds from the fault to the next block that a reader has,
or "none" when there was none within LIMIT.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/it"))

from producer_trials import Cluster, Stuck, send, wait_for  # noqa: E402
from producer_watch import Watch, boot_ns, nodes  # noqa: E402


def newest(watch):
    """When a reader has seen a new height last."""
    first = {}
    for b in watch.snapshot().blocks.values():
        if "/readers/" in b["by"]:
            first[b["num"]] = min(first.get(b["num"], 1 << 63), b["boot_ns"])
    return max(first.values(), default=0)


def main():
    swarm, service, fault, runs, limit = sys.argv[1:]
    cluster = Cluster(swarm)
    with Watch({}) as watch:
        for _ in range(int(runs)):
            wait_for(90, "blocks come", lambda: boot_ns() - newest(watch) < 1_000_000_000)
            time.sleep(3)
            node = next(n for n in nodes() if n.service == service)
            begin = boot_ns()
            if fault == "kill":
                send(signal.SIGKILL, node.pid)
            else:
                cluster.verb("poweroff", node.host[1:])
            # What was on its way when it died is none of the next ones.
            time.sleep(0.7)
            after = boot_ns()
            try:
                wait_for(float(limit), "a block", lambda: newest(watch) > after)
                print(f"{(newest(watch) - begin) / 1e9:.2f}", flush=True)
            except Stuck:
                print("none", flush=True)
                return
            finally:
                if fault != "kill":
                    cluster.verb("start", node.host[1:])


main()
