"""What the programs of this folder share: `offloop serve` as a child, clients of its items, and a look at its file.

A test that cannot be had here (not root, no strace) calls skip(): ctest knows the status, and the line says why. Nothing here
sleeps in order to be in time: await_that() asks for a condition until it holds.
"""

import ctypes
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
LIMIT_S = 60  # of every wait: the sanitizers are slow, and so may the machine be
MODES = ("/blocking", "/offload", "/async")
FIRST_ITEMS = 100000
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def await_that(holds, what):
    """Ask until `holds()` says something true, and return that."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        found = holds()
        if found:
            return found
        time.sleep(0.002)
    raise AssertionError(f"{what}: not within {LIMIT_S} s")


def end_with_parent():
    """In a child before its program: when ctest kills a test that takes too long, its server goes too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """`offloop serve` on a free port; killed at the end of the with block, unless stop() has ended it."""

    def __init__(self, program, db):
        self.db = db
        self.errors = tempfile.TemporaryFile("w+")
        # Nobody answers at that address, and nobody asks: a slow service of its own would be one more process to end.
        self.child = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0", "--db", db, "--external-api",
                                       "http://127.0.0.1:9/"], stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                      preexec_fn=end_with_parent)
        self.pid, self.port = self.child.pid, self.read_port()

    def read_port(self):
        for line in self.child.stdout:
            match = re.match(r"listening on http://127\.0\.0\.1:(\d+)/", line)
            if match:
                return int(match.group(1))
        self.child.wait()
        raise AssertionError(f"the server did not start:\n{self.said()}")

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.kill()
        if failure[0]:
            print(self.said(), file=sys.stderr)
        self.errors.close()

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def stop(self):
        """As an operator ends it; it must end well."""
        self.child.send_signal(signal.SIGTERM)
        status = self.child.wait(LIMIT_S)
        assert status == 0, f"status {status}:\n{self.said()}"


class Client:
    """One connection, one request at a time."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def send(self, method, path, body=None):
        headers = {"Content-Type": "application/json"} if body else {}
        self.connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)

    def receive(self):
        """Status, headers, and the body: read as JSON where that is what it is."""
        response = self.connection.getresponse()
        text = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, response.headers, json.loads(text) if is_json else text

    def ask(self, method, path, body=None):
        self.send(method, path, body)
        return self.receive()

    def add(self, mode, name):
        """Status and id of a new item; the id is None unless it was acknowledged."""
        status, _, body = self.ask("POST", mode + "/items", {"name": name, "price": 1})
        return status, body["id"] if status == 201 else None

    def must_add(self, mode, name, acknowledged):
        status, made = self.add(mode, name)
        assert status == 201, f"POST {mode}/items: {status}"
        acknowledged[made] = name

    def check_reads(self):
        """The loop answers, and so does the database in every mode."""
        assert self.ask("GET", "/hello")[0] == 200
        for mode in MODES:
            status, _, item = self.ask("GET", mode + "/items/7")
            assert (status, item["name"]) == (200, "item 000007"), (mode, status, item)


def check_file(db, acknowledged):
    """The file is whole, has its first items, and what was acknowledged: {id: name}."""
    connection = sqlite3.connect(db)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = dict(connection.execute("SELECT id, name FROM items"))
    finally:
        connection.close()
    assert all(rows.get(i) == f"item {i:06}" for i in range(1, FIRST_ITEMS + 1))
    lost = {made: name for made, name in acknowledged.items() if rows.get(made) != name}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged items are lost: {sorted(lost)[:10]}"


def scratch():
    """A folder of its own, gone with the with block."""
    return tempfile.TemporaryDirectory(prefix="offloop-faults-")


def thread_status(pid, field):
    """A field of /proc/PID/task/*/status, as text, for every thread by its name and id."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/status", encoding="utf-8") as status:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        found[fields["Name"], tid] = fields[field]
    return found
