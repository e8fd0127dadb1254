"""locked_elsewhere.py PROGRAM: another process holds the write lock of the database that `offloop serve` has.

Writes wait for it off the loop: /hello and reads are answered meanwhile. At the limit (5 s) they are answered 503 with
Retry-After; one that waits when the lock is let go is written.
"""

import os
import select
import subprocess
import sys

from serving import Client, Server, await_that, check_file, scratch, thread_status

program = sys.argv[1]
WAITING_MODES = ("/offload", "/async")  # a blocking route waits on the loop, as it was asked to
HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
"""


class Lock:
    """Held by a process of its own until release(), or the end of the with block."""

    def __init__(self, db):
        self.child = subprocess.Popen([sys.executable, "-c", HOLDER, db], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True)
        assert self.child.stdout.readline() == "held\n"

    def __enter__(self):
        return self

    def release(self):
        self.child.communicate("\n")
        assert self.child.returncode == 0

    def __exit__(self, *_):
        self.child.kill()
        self.child.communicate()


def writer_looks(server):
    """How often the writing thread has waited so far: it looks for the lock every few milliseconds."""
    return sum(int(n) for (name, _), n in thread_status(server.pid, "voluntary_ctxt_switches").items() if name == "ol-db-w")


def await_waiting_writer(server):
    before = writer_looks(server)
    await_that(lambda: writer_looks(server) > before + 20, "the writer waits for the lock")


def is_answered(client):
    return bool(select.select([client.connection.sock], [], [], 0)[0])


def send_writes(server, clients, name):
    for mode, client in zip(WAITING_MODES, clients):
        client.send("POST", mode + "/items", {"name": name, "price": 1})
    await_waiting_writer(server)


def check_refused(server, reader, writers):
    """Returns whether the reads were answered while the writes waited."""
    with Lock(server.db):
        send_writes(server, writers, "never written")
        reader.check_reads()
        is_first = not any(is_answered(client) for client in writers)
        for client in writers:
            status, headers, problem = client.receive()
            assert status == 503 and int(headers["Retry-After"]) > 0, (status, headers.items(), problem)
        reader.check_reads()
    return is_first


def check_written(server, reader, writers, acknowledged):
    """Returns whether the lock was let go before the limit."""
    with Lock(server.db) as lock:
        send_writes(server, writers, "after the release")
        reader.check_reads()
        lock.release()
    answers = [client.receive() for client in writers]
    assert all(status in (201, 503) for status, *_ in answers), answers
    made = [body["id"] for status, _, body in answers if status == 201]
    acknowledged.update((i, "after the release") for i in made)
    return len(made) == len(writers)


def in_one_of_three(check, *arguments):
    """A machine that stands still for 5 s may spoil one; a loop that stands still spoils all."""
    assert any(check(*arguments) for _ in range(3)), check.__name__


def main():
    with scratch() as folder, Server(program, os.path.join(folder, "items.db")) as server:
        acknowledged = {}
        with Client(server) as reader, Client(server) as first, Client(server) as second:
            in_one_of_three(check_refused, server, reader, (first, second))
            in_one_of_three(check_written, server, reader, (first, second), acknowledged)
            rows = reader.ask("GET", "/async/items?after=100000")[2]
            assert {row["id"]: row["name"] for row in rows} == acknowledged, rows
        server.stop()
        check_file(server.db, acknowledged)


main()
