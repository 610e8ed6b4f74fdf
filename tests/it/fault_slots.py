"""
fault_slots.py - a slot under `nodeswarm supervise`, as the campaign of faults handles it

For faults.py.
"""

import glob
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

ROOT = os.environ["ROOT"]
GENESIS = ROOT + "/genesis.json"
PRODUCER, ARCHIVIST, READERS = 1, 2, (3, 4, 5)
SLOTS = (PRODUCER, ARCHIVIST) + READERS
READY_S, HELD_S = 30, 15

KEYS = (
    "enable-stale-production = true\nproducer-name = eosio\n"
    "signature-provider = EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
    "=KEY:5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3\n"
    "plugin = eosio::producer_api_plugin\n"
)


class Disagreement(Exception):
    pass


def disagree(what):
    raise Disagreement(what)


def wait_for(seconds, what, condition):
    """What the condition returns as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            disagree(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.03)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def kill(pid):
    if pid and is_alive(pid):
        os.kill(pid, signal.SIGKILL)
    wait_for(10, f"process {pid} is gone", lambda: not pid or not is_alive(pid))


# --- slots -----------------------------------------------------------------------------------------


class Slot:
    def __init__(self, campaign, n):
        self.campaign, self.n = campaign, n
        self.dir = f"{campaign.pool}/services/t_s/{n}"
        self.data = self.dir + "/data"
        self.log = f"{self.data}/blocks/blocks.log"
        self.index = f"{self.data}/blocks/blocks.index"
        self.fork_db = f"{self.data}/blocks/reversible/fork_db.dat"
        self.state_file = f"{self.data}/state/shared_memory.bin"
        self.config = f"{campaign.work}/config.{n}.ini"
        self.process = None
        self.cut_off = 0  # repairs that were killed since the quarantine was bounded
        self.write_config()

    def __str__(self):
        return f"s.{self.n}"

    def write_config(self, extra=""):
        with open(self.config, "w") as f:
            f.write(
                f"http-server-address = 127.0.0.1:{self.n}8888\n"
                f"p2p-listen-endpoint = 127.0.0.1:{self.n}9876\n"
                "chain-state-db-size-mb = 8\nchain-state-db-guard-size-mb = 1\n"
                "p2p-max-nodes-per-host = 20\nmax-clients = 50\nconnection-cleanup-period = 1\n"
            )
            f.write(KEYS if self.n == PRODUCER else "")
            f.write(extra + "\n")

    def start(self, mode="auto", genesis=GENESIS, nodeos="nodesim", env=None):
        peers = [f"127.0.0.1:{p}9876" for p in (PRODUCER, ARCHIVIST) if p < self.n]
        command = ["nodeswarm", "--pool", self.campaign.pool, "supervise", "--service", "t_s"]
        command += ["--slot", str(self.n), "--task", f"task{self.n}", "--node", "here"]
        command += ["--config", self.config, "--genesis", genesis, "--peers", "/nonexistent"]
        command += ["--extra-peers", " ".join(peers)] if peers else []
        command += ["--address", "127.0.0.1", "--port", f"{self.n}8880"]
        command += ["--lame-duck", "0s", "--peer-wait", "1s", "--", nodeos]
        settings = dict(os.environ, NODESIM_FLUSH="0s", NODESIM_START="0s", **(env or {}))
        settings.update({
            "never-restore": {"NODESWARM_RESTORE": "never"},
            "never-heal": {"NODESWARM_HEAL": "never"},
        }.get(mode, {}))
        with open(f"{self.campaign.work}/log.{self.n}", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settings
            )

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                disagree(f"{self} does not stop")
        self.process = None

    def kill_supervisor(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill_all(self):
        """As a power loss of the container: both at once."""
        pid = self.nodeos_pid()
        self.kill_supervisor()
        # It may have started one since; the record is the word of the dead.
        for p in {pid, self.recorded_pid()}:
            if p and self.is_ours(p):
                kill(p)

    def is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return (self.dir + "/").encode() in f.read()
        except OSError:
            return False

    def state(self):
        c = http.client.HTTPConnection("127.0.0.1", int(f"{self.n}8880"), timeout=2)
        try:
            c.request("GET", "/state")
            return json.loads(c.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            c.close()

    def record(self):
        try:
            with open(self.dir + "/run.json") as f:
                return json.load(f)
        except (OSError, ValueError):
            return {}

    def recorded_pid(self):
        return self.record().get("nodeos_pid") or 0

    def nodeos_pid(self):
        return self.state().get("nodeos_pid") or 0

    def forget_heals(self):
        """Time passes: the heals of the last hour are of the day before."""
        r = self.record()
        if r.get("heal"):
            r["heal"] = None
            with open(self.dir + "/run.json", "w") as f:
                json.dump(r, f)

    def verdict(self):
        """What the command line says of the bytes."""
        if not os.path.isdir(self.data):
            return "empty"
        out = subprocess.run(
            ["nodeswarm", "data", "verdict", "--json", "--chain-id", self.campaign.chain_id, "--nodeos", "v4.0.6",
             self.data], capture_output=True, text=True
        )
        try:
            return json.loads(out.stdout)["verdict"]
        except (ValueError, KeyError):
            disagree(f"data verdict of {self}: {out.stdout}{out.stderr}")

    def call(self, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", int(f"{self.n}8888"), timeout=2)
        try:
            c.request("POST", "/v1/chain/" + path, json.dumps(body) if body else None)
            return json.loads(c.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            c.close()

    def block_id(self, n):
        return self.call("get_block_info", {"block_num": n}).get("id")

    def ready(self, seconds=READY_S):
        return wait_for(
            seconds, lambda: f"{self} is ready: {self.summary()}", lambda: (lambda s: s.get("ready") and s)(self.state())
        )

    def summary(self):
        s = self.state()
        return f"{s.get('state')}, {s.get('reason') or s.get('why')}, heal {json.dumps(s.get('heal'))}"

    def quarantine_kinds(self):
        """How many entries have blocks, and how many have none."""
        heavy = 0
        for entry in self.quarantine():
            logs = glob.glob(f"{entry}/data/**/blocks.log", recursive=True)
            logs += glob.glob(f"{entry}/data/**/blocks-*.log", recursive=True)
            heavy += any(os.path.getsize(log) for log in logs)
        return heavy, len(self.quarantine()) - heavy

    def quarantine(self):
        return sorted(glob.glob(f"{self.campaign.pool}/quarantine/t_s.{self.n}-*"))

    def take_over(self):
        """The data-dir of the reader that is ahead, so that no block is made twice."""
        heads = {s: s.call("get_info").get("head_block_num", 0) for s in self.campaign.slots.values()}
        best = max(heads, key=heads.get)
        self.campaign.disturbed.add(best.n)
        best.stop()
        subprocess.run(["cp", "-a", "--reflink=auto", best.data, self.data], check=True)
        best.start()

    def again(self):
        """Whatever it is now: a sound slot that runs."""
        self.write_config()
        self.kill_all()
        shutil.rmtree(self.data, ignore_errors=True)
        for name in glob.glob(self.dir + "/from-snapshot*") + glob.glob(self.dir + "/.data-*"):
            subprocess.run(["rm", "-rf", name], check=True)
        if self.n == PRODUCER:
            self.take_over()
        self.forget_heals()
        self.start()
        self.ready()
