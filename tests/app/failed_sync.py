"""failed_sync.py PROGRAM: the kernel reports EIO when `offloop serve` syncs its log.

strace, attached to the running server, makes fdatasync and fsync fail. Whoever writes then is told so (500): the write is not
acknowledged and nobody reads it. The writing connection is opened anew, and the next write works; what had been
acknowledged is there, also after a kill and a recovery of the log.

strace counts calls for each thread by itself, and only the writing thread syncs: so its next sync is the first one.
"""

import os
import shutil
import subprocess
import sys

from serving import MODES, Client, Server, await_that, check_file, scratch, skip, thread_status

program = sys.argv[1]


class FailingSyncs:
    """In the with block syncs fail: `which` as in strace's when=."""

    def __init__(self, server, trace, which):
        self.server, self.trace, self.which = server, trace, which

    def tracers(self):
        return set(thread_status(self.server.pid, "TracerPid").values())

    def is_attached(self):
        if self.strace.poll() is not None:
            skip(f"strace cannot attach: {self.strace.stderr.read().strip()}")
        return self.tracers() == {str(self.strace.pid)}

    def __enter__(self):
        self.strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", self.trace, "-e", "trace=fdatasync,fsync,openat", "-e",
             f"inject=fdatasync,fsync:error=EIO:when={self.which}", "-p", str(self.server.pid)],
            stderr=subprocess.PIPE, text=True)
        await_that(self.is_attached, "strace attaches to every thread")
        return self

    def __exit__(self, *_):
        self.strace.terminate()
        self.strace.communicate()
        await_that(lambda: self.tracers() == {"0"}, "strace lets go")

    def check_trace(self, n_failed):
        """So many syncs failed, and after each the log was opened anew."""
        with open(self.trace, encoding="utf-8") as trace:
            lines = trace.readlines()
        failed = [i for i, line in enumerate(lines) if "(INJECTED)" in line]
        assert len(failed) == n_failed, lines
        for begin, end in zip(failed, failed[1:] + [len(lines)]):
            assert any("openat" in line and self.server.db + "-wal" in line for line in lines[begin:end]), lines[begin:end]


def must_refuse(client, mode, name):
    status, _ = client.add(mode, name)
    assert status == 500, f"a write whose sync failed: {status}"


def check_unread(client, acknowledged):
    """Nobody reads a write that was refused."""
    last = max(acknowledged)
    status, _, items = client.ask("GET", f"/async/items?after={last - 1}&limit=1000")
    assert status == 200
    assert [item["id"] for item in items] == [last], items


def fail_syncs(server, folder, acknowledged):
    with Client(server) as client:
        for mode in MODES:
            client.must_add(mode, "warm", acknowledged)
        for mode in MODES:
            with FailingSyncs(server, os.path.join(folder, "trace"), "1") as failing:
                must_refuse(client, mode, "lost")
                check_unread(client, acknowledged)
                client.must_add(mode, "the next one", acknowledged)
            failing.check_trace(1)
        with FailingSyncs(server, os.path.join(folder, "trace"), "1+") as failing:
            for mode in 2 * MODES:
                must_refuse(client, mode, "lost")
                client.check_reads()
            check_unread(client, acknowledged)
        failing.check_trace(2 * len(MODES))
        for mode in MODES:
            client.must_add(mode, "the disk is well again", acknowledged)


def main():
    if not shutil.which("strace"):
        skip("strace is not installed")
    with scratch() as folder:
        acknowledged = {}
        with Server(program, os.path.join(folder, "items.db")) as server:
            fail_syncs(server, folder, acknowledged)
            server.kill()
        with Server(program, server.db) as server, Client(server) as client:
            client.must_add("/async", "after the restart", acknowledged)
            server.stop()
        check_file(server.db, acknowledged)


main()
