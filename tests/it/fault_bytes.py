"""
fault_bytes.py - damage to the bytes of a data-dir, and what a slot must make of each

For faults.py.
"""

import collections
import hashlib
import os
import shutil

# --- bytes ---------------------------------------------------------------------------------------


def digest_tree(top):
    """Names, kinds and content of all below a directory; None when there is none."""
    if not os.path.isdir(top):
        return None
    h = hashlib.blake2b()
    for where, names, files in os.walk(top):
        names.sort()
        h.update(os.path.relpath(where, top).encode() + b"/\n")
        for name in sorted(files):
            path = os.path.join(where, name)
            h.update(name.encode() + b"\n")
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                for piece in iter(lambda: f.read(1 << 20), b""):
                    h.update(piece)
    return h.hexdigest()


def digest_begin(path, size):
    try:
        with open(path, "rb") as f:
            return hashlib.blake2b(f.read(size)).hexdigest()
    except OSError:
        return None


def size_of(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def patch(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def flip(rng, path, at):
    """One byte becomes another one."""
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(1)[0]
        f.seek(at)
        f.write(bytes([old ^ rng.randrange(1, 256)]))
    return f"byte {at}"


# --- what is done to bytes -------------------------------------------------------------------------
# Each gets a slot that is stopped cleanly, and returns what it has done.


def truncate(path, size):
    os.truncate(path, size)
    return f"{os.path.basename(path)} to {size}"


def preamble_size(path):
    """Of blocks.log: it ends with eight bytes of ff."""
    with open(path, "rb") as f:
        return f.read(4096).index(b"\xff" * 8) + 8


def block_begins(path):
    """Positions of the blocks of blocks.log by the index."""
    with open(path[:-4] + ".index", "rb") as f:
        b = f.read()
    return [int.from_bytes(b[i:i + 8], "little") for i in range(0, len(b), 8)]


def log_short(rng, s):
    begin, size = preamble_size(s.log), size_of(s.log)
    cut = min(rng.choice((1, 5, 7, 8, 9, 100, rng.randrange(1, 5000))), size - begin - 1)
    # Whole blocks less is no damage of the log's; that is another class.
    while size - cut in block_begins(s.log):
        cut -= 1
    return truncate(s.log, size - cut)


def log_blocks_short(rng, s):
    begins = block_begins(s.log)
    return truncate(s.log, begins[-rng.randrange(1, min(20, len(begins)))])


def log_stump(rng, s):
    return truncate(s.log, rng.randrange(1, preamble_size(s.log)))


def log_empty(rng, s):
    return truncate(s.log, 0)


def log_missing(rng, s):
    os.unlink(s.log)
    return "gone"


def log_appended(rng, s):
    n = rng.choice((1, 7, 8, 100, rng.randrange(1, 100000)))
    with open(s.log, "ab") as f:
        f.write(rng.randbytes(n))
    return f"{n} bytes"


def log_overwritten(rng, s):
    begin, size = preamble_size(s.log), size_of(s.log)
    n = min(rng.randrange(8, 3000), size - begin)
    patch(s.log, size - n, rng.randbytes(n))
    return f"the last {n} bytes"


def log_position(rng, s):
    return flip(rng, s.log, size_of(s.log) - rng.randrange(1, 9))


def log_version(rng, s):
    return flip(rng, s.log, rng.randrange(0, 4))


def log_first(rng, s):
    return flip(rng, s.log, rng.randrange(4, 8))


def log_genesis(rng, s):
    return flip(rng, s.log, rng.randrange(8, preamble_size(s.log) - 8))


def log_mark(rng, s):
    return flip(rng, s.log, preamble_size(s.log) - rng.randrange(1, 9))


def index_short(rng, s):
    size = size_of(s.index)
    return truncate(s.index, max(0, size - rng.choice((1, 3, 8, 16, rng.randrange(1, size + 1)))))


def index_missing(rng, s):
    os.unlink(s.index)
    return "gone"


def index_appended(rng, s):
    n = rng.choice((1, 8, 16, rng.randrange(1, 1000)))
    with open(s.index, "ab") as f:
        f.write(rng.randbytes(n))
    return f"{n} bytes"


def index_end(rng, s):
    return flip(rng, s.index, size_of(s.index) - rng.randrange(1, 9))


def index_overwritten(rng, s):
    size = size_of(s.index)
    patch(s.index, 0, rng.randbytes(size))
    return f"{size} bytes"


def fork_empty(rng, s):
    return truncate(s.fork_db, 0)


def fork_short(rng, s):
    return truncate(s.fork_db, rng.randrange(1, size_of(s.fork_db)))


def fork_missing(rng, s):
    if rng.random() < 0.5:
        shutil.rmtree(os.path.dirname(s.fork_db))
        return "the directory is gone"
    os.unlink(s.fork_db)
    return "gone"


def fork_magic(rng, s):
    return flip(rng, s.fork_db, rng.randrange(0, 4))


def fork_version(rng, s):
    return flip(rng, s.fork_db, rng.randrange(4, 8))


def fork_tail(rng, s):
    # The number of the head, which is what can be compared with something.
    return flip(rng, s.fork_db, size_of(s.fork_db) - 32 + rng.randrange(0, 4))


def fork_overwritten(rng, s):
    n = size_of(s.fork_db)
    patch(s.fork_db, 0, rng.randbytes(n))
    return f"{n} bytes"


def fork_appended(rng, s):
    n = rng.randrange(1, 500)
    with open(s.fork_db, "ab") as f:
        f.write(rng.randbytes(n))
    return f"{n} bytes"


def state_id(rng, s):
    return flip(rng, s.state_file, rng.randrange(0, 8))


def state_garbage(rng, s):
    n = rng.randrange(9, 4096)
    patch(s.state_file, 0, rng.randbytes(n))
    return f"the first {n} bytes"


def state_dirty(rng, s):
    return flip(rng, s.state_file, 8)


def state_empty(rng, s):
    return truncate(s.state_file, 0)


def state_stump(rng, s):
    return truncate(s.state_file, rng.randrange(1, 9))


def state_short(rng, s):
    return truncate(s.state_file, rng.randrange(9, size_of(s.state_file)))


def state_missing(rng, s):
    if rng.random() < 0.5:
        os.unlink(s.state_file)
        return "the file is gone"
    shutil.rmtree(os.path.dirname(s.state_file))
    return "the directory is gone"


def state_other(rng, s):
    name = rng.choice((b"EOSIODB1", b"EOSIODB3", b"CHAINB01", b"CHAINB02"))
    patch(s.state_file, 0, name)
    return name.decode()


def blocks_missing(rng, s):
    shutil.rmtree(s.data + "/blocks")
    return "gone"


def data_missing(rng, s):
    shutil.rmtree(s.data)
    return "gone"


# --- what must be so -------------------------------------------------------------------------------
# class: what makes it, and by mode the verdicts and the repairs that are right. A verdict that is
# not in want of a repair is followed by "none" (ready, nothing done) or "held". "producer" stands
# for both modes of slot 1, which takes no generation below its own last block.

NONE, HELD, BACKOFF, GAVE_UP = "none", "held", "backoff", "gave-up"
INDEX, GENERATION, REPLAY, HARD, SNAPSHOT = (
    "rebuild-index", "restore-generation", "replay", "hard-replay", "start-from-snapshot")

Row = collections.namedtuple("Row", "weight do verdicts auto never producer")


def row(weight, do, verdicts, auto, never, producer=None):
    as_set = lambda v: v if isinstance(v, tuple) else (v,)
    return Row(weight, do, as_set(verdicts), as_set(auto), as_set(never), producer and as_set(producer))


TABLE = {
    "log-short": row(4, log_short, "damaged", GENERATION, HARD, GAVE_UP),
    # The index can be made to fit; the state is then ahead of the blocks.
    "log-blocks-short": row(2, log_blocks_short, "damaged", (GENERATION, INDEX), (REPLAY, HARD)),
    "log-stump": row(2, log_stump, "damaged", GENERATION, (GAVE_UP, SNAPSHOT)),
    # nodeos starts from a clean state without blocks, and goes on with the next one.
    "log-empty": row(2, log_empty, ("damaged", "clean"), (GENERATION, NONE), (NONE, GAVE_UP, SNAPSHOT, REPLAY)),
    "log-missing": row(2, log_missing, ("damaged", "clean"), (GENERATION, NONE), (NONE, GAVE_UP, SNAPSHOT, REPLAY)),
    "log-appended": row(4, log_appended, "damaged", GENERATION, HARD, GAVE_UP),
    "log-overwritten": row(2, log_overwritten, "damaged", GENERATION, HARD),
    "log-position": row(4, log_position, "damaged", GENERATION, HARD),
    "log-version": row(2, log_version, "damaged", GENERATION, (GAVE_UP, SNAPSHOT)),
    "log-first": row(2, log_first, "damaged", GENERATION, (GAVE_UP, SNAPSHOT)),
    "log-mark": row(2, log_mark, "damaged", GENERATION, (GAVE_UP, SNAPSHOT)),
    # By its bytes it is of another chain.
    "log-genesis": row(2, log_genesis, ("foreign", "damaged"), (HELD, GENERATION), (HELD, GAVE_UP)),
    "index-short": row(4, index_short, "damaged", INDEX, INDEX, INDEX),
    "index-missing": row(2, index_missing, "damaged", INDEX, INDEX, INDEX),
    "index-appended": row(2, index_appended, "damaged", INDEX, INDEX, INDEX),
    "index-end": row(4, index_end, "damaged", INDEX, INDEX, INDEX),
    "index-overwritten": row(2, index_overwritten, "damaged", INDEX, INDEX, INDEX),
    "fork-empty": row(4, fork_empty, "damaged", GENERATION, REPLAY, REPLAY),
    "fork-short": row(3, fork_short, ("damaged", "clean"), GENERATION, REPLAY, REPLAY),
    "fork-missing": row(3, fork_missing, "damaged", GENERATION, REPLAY, REPLAY),
    "fork-magic": row(3, fork_magic, "damaged", GENERATION, REPLAY, REPLAY),
    "fork-version": row(3, fork_version, "damaged", GENERATION, REPLAY, REPLAY),
    "fork-tail": row(3, fork_tail, ("damaged", "clean"), (GENERATION, NONE), (REPLAY, NONE)),
    "fork-overwritten": row(2, fork_overwritten, "damaged", GENERATION, REPLAY, REPLAY),
    "fork-appended": row(2, fork_appended, ("damaged", "clean"), (GENERATION, NONE), (REPLAY, NONE)),
    "state-id": row(4, state_id, "damaged", GENERATION, REPLAY, REPLAY),
    "state-garbage": row(2, state_garbage, "damaged", GENERATION, REPLAY, REPLAY),
    "state-dirty": row(4, state_dirty, "dirty", GENERATION, REPLAY, REPLAY),
    "state-empty": row(2, state_empty, "damaged", GENERATION, REPLAY, REPLAY),
    "state-stump": row(2, state_stump, "damaged", GENERATION, REPLAY, REPLAY),
    # A nodeos may die of it at each start without a word, and then tries until a hand comes.
    "state-short": row(2, state_short, ("damaged", "clean"), (GENERATION, NONE, BACKOFF), (REPLAY, NONE, BACKOFF)),
    "state-missing": row(3, state_missing, "clean", NONE, NONE, NONE),
    "state-other-version": row(3, state_other, "foreign", HELD, HELD, HELD),
    "blocks-missing": row(2, blocks_missing, ("damaged", "dirty"), GENERATION, (REPLAY, GAVE_UP)),
    "data-missing": row(2, data_missing, "empty", NONE, NONE),
}
