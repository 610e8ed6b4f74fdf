#!/usr/bin/env python3
"""A KEOSD provider for the tests of nodesim, and of a real nodeos beside it.

usage: gate.py PORT|PATH MODE-FILE LOG-FILE

It answers each request as the mode file says when it comes, so a test changes the file:

    ok 201 text           a signature (with that status or content type)
    403 404 500 empty null unquoted error
                          refusals of all kinds
    otherkey otherdigest noncanonical checksum
                          signatures that are none
    close                 closes the connection instead of an answer
    bye                   answers, and closes the connection
    hang SECONDS          answers "ok" so much later
    freeze PID            stops the process before it answers, and refuses from then on

Log: one line a request: time, number of the connection, digest, mode.
"""
import ctypes
import ctypes.util
import hashlib
import os
import signal
import socket
import sys
import threading
import time

DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# The development key of nodeos's own examples, and another one.
KEY = 0xD2653FF7CBB2D8FF129AC27EF5781CE68B2558C41A74AF1F2DDCA635CBEEF07D
OTHER = 0x11111111111111111111111111111111111111111111111111111111111111AA

lib = ctypes.CDLL(ctypes.util.find_library("secp256k1"))
lib.secp256k1_context_create.restype = ctypes.c_void_p
ctx = ctypes.c_void_p(lib.secp256k1_context_create(0x301))


def base58(raw):
    n, out = int.from_bytes(raw, "big"), ""
    while n:
        n, digit = divmod(n, 58)
        out = DIGITS[digit] + out
    return out


def sign(digest, key=KEY, canonical=True):
    raw = ctypes.create_string_buffer(65)
    out = ctypes.create_string_buffer(64)
    recid = ctypes.c_int()
    for count in range(1, 1000):
        if not lib.secp256k1_ecdsa_sign_recoverable(
            ctx, raw, digest, key.to_bytes(32, "big"), None, count.to_bytes(32, "little")
        ):
            raise SystemExit("cannot sign")
        lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(
            ctx, out, ctypes.byref(recid), raw
        )
        r, s = out.raw[:32], out.raw[32:]
        good = all(v[0] < 0x80 and (v[0] or v[1] >= 0x80) for v in (r, s))
        if good == canonical:
            break
    sig = bytes([31 + recid.value]) + out.raw
    return "SIG_K1_" + base58(sig + hashlib.new("ripemd160", sig + b"K1").digest()[:4])


def answer(mode, digest):
    """Status, content type, body."""
    json = "application/json"
    good = '"%s"' % sign(digest)
    table = {
        "201": (201, json, good),
        "text": (200, "text/plain", good),
        "403": (403, json, '{"error":"no lease"}'),
        "404": (404, json, "{}"),
        "500": (500, "text/plain", "no"),
        "empty": (200, json, ""),
        "null": (200, json, "null"),
        "unquoted": (200, json, good[1:-1]),
        "error": (
            500,
            json,
            '{"code":500,"message":"Internal Service Error","error":{"code":3120003,"name":'
            '"wallet_locked_exception","what":"GATE: no lease","details":[{"message":'
            '"gate refuses: lease lost"}]}}',
        ),
        "otherkey": (200, json, '"%s"' % sign(digest, OTHER)),
        "otherdigest": (200, json, '"%s"' % sign(hashlib.sha256(digest).digest())),
        "noncanonical": (200, json, '"%s"' % sign(digest, canonical=False)),
        "checksum": (200, json, good[:-2] + ("1" if good[-2] != "1" else "2") + '"'),
    }
    return table.get(mode, (200, json, good))


def read_request(s):
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(4096)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(int(h[15:]) for h in head.split(b"\r\n") if h.startswith(b"Content-Length:"))
    while len(body) < length:
        body += s.recv(4096)
    return head, body


def serve(s, number):
    first = True
    while True:
        try:
            request = read_request(s)
        except OSError:
            return
        if not request:
            return
        head, body = request
        if number == 1 and first:
            with open(log_path + ".first", "wb") as f:
                f.write(head + b"\r\n\r\n" + body)
        first = False
        with open(mode_path, encoding="ascii") as f:
            mode, *arg = f.read().split()
        digest = bytes.fromhex(body[2:66].decode())
        log.write("%.4f %d %s %s\n" % (time.time(), number, digest.hex(), mode))
        if mode == "close":
            s.close()
            return
        if mode == "hang":
            time.sleep(float(arg[0]))
        status, kind, text = answer(mode, digest)
        extra = "Connection: close\r\n" if mode == "bye" else ""
        if mode == "freeze":
            with open(mode_path + ".new", "w", encoding="ascii") as f:
                f.write("error")
            os.replace(mode_path + ".new", mode_path)
            os.kill(int(arg[0]), signal.SIGSTOP)
        reply = "HTTP/1.1 %d X\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n%s"
        try:
            s.sendall((reply % (status, kind, extra, len(text), text)).encode())
        except OSError:
            return
        if mode == "bye":
            s.close()
            return


address, mode_path, log_path = sys.argv[1:]
log = open(log_path, "a", buffering=1, encoding="ascii")
if address.isdigit():
    server = socket.create_server(("127.0.0.1", int(address)), backlog=128)
else:
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(128)
connections = 0
while True:
    client, _ = server.accept()
    connections += 1
    threading.Thread(target=serve, args=(client, connections), daemon=True).start()
