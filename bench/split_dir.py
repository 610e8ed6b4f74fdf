#!/usr/bin/env python3
"""
split_dir.py - a data-dir of 100 GB apparent size whose block log is split into 1,000 pieces

usage: split_dir.py FROM TO [PIECES [PIECE-BYTES [STATE-BYTES]]]

FROM is the data-dir of a nodesim that was stopped, TO the new one. Each piece has 100 blocks, by its
name and index; of its log preamble, last block and that one's position are there, the rest is a hole.
What FROM has in blocks.log follows the last piece, its blocks renumbered. The state is dirty.
"""

import os
import shutil
import sys

BLOCK, EACH = 184, 100


def log_bytes(first, genesis, chain_id):
    head = (3).to_bytes(4, "little") + first.to_bytes(4, "little")
    return head + (genesis if first == 1 else chain_id) + b"\xff" * 8


def numbered(block, n):
    """The number of a block is that of the one before, in its id, and one."""
    return block[:14] + (n - 1).to_bytes(4, "big") + block[18:]


def piece(top, i, block, genesis, chain_id, size):
    first, last = i * EACH + 1, (i + 1) * EACH
    name = f"{top}/blocks/retained/blocks-{first}-{last}"
    head, at = log_bytes(first, genesis, chain_id), size - BLOCK - 8
    with open(name + ".log", "wb") as f:
        f.write(head)
        f.seek(at)
        f.write(numbered(block, last) + at.to_bytes(8, "little"))
    with open(name + ".index", "wb") as f:
        f.write(len(head).to_bytes(8, "little"))
        f.seek(8 * (EACH - 1))
        f.write(at.to_bytes(8, "little"))


def rest(top, first, blocks, genesis, chain_id):
    with open(top + "/blocks/blocks.log", "wb") as log, open(top + "/blocks/blocks.index", "wb") as index:
        log.write(log_bytes(first, genesis, chain_id))
        for i, b in enumerate(blocks):
            at = log.tell().to_bytes(8, "little")
            log.write(numbered(b, first + i) + at)
            index.write(at)


def main():
    source, top = sys.argv[1:3]
    pieces, size, state = [int(a) for a in sys.argv[3:6]] + [1000, 36000000, 64000000000][len(sys.argv) - 3:]
    with open(source + "/blocks/blocks.log", "rb") as f:
        log = f.read()
    end = log.index(b"\xff" * 8)
    genesis, begin = log[8:end], end + 8
    with open(source + "/state/shared_memory.bin", "rb") as f:
        header = f.read(8)
        f.seek(4096 + 20)
        chain_id = f.read(32)
    blocks = [log[i:i + BLOCK] for i in range(begin, len(log), BLOCK + 8)]
    os.makedirs(top + "/blocks/retained")
    os.makedirs(top + "/blocks/reversible")
    os.makedirs(top + "/state")
    for i in range(pieces):
        piece(top, i, blocks[-1], genesis, chain_id, size)
    rest(top, pieces * EACH + 1, blocks, genesis, chain_id)
    with open(top + "/state/shared_memory.bin", "wb") as f:
        f.write(header + b"\x01")
        f.truncate(state)
    shutil.copymode(source, top)


if __name__ == "__main__":
    main()
