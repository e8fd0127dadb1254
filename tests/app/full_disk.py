"""full_disk.py PROGRAM: `offloop serve` on a disk that fills up, and has space again.

A small tmpfs in a mount namespace of this process's own, so that whatever happens nothing stays mounted. A filler file
takes what is free; then a write is refused (507) and reads go on. When the filler is gone, writes work at once. A server that
is stopped, or started, while the disk is full keeps what it had acknowledged.
"""

import ctypes
import errno
import os
import subprocess
import sys

from serving import LIBC, LIMIT_S, MODES, Client, Server, check_file, scratch, skip

program = sys.argv[1]
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
LONG_NAME = "x" * 200
GROWTH = 300  # so many long names need pages that the file does not have yet
WRITES_MAX = 20000  # the log goes round within a few thousand


def system_call(name, *arguments):
    if getattr(LIBC, name)(*arguments) != 0:
        skip(f"{name} is refused here: {os.strerror(ctypes.get_errno())}")


def mount_small(folder):
    if os.geteuid() != 0:
        skip("only root may mount")
    system_call("unshare", CLONE_NEWNS)
    system_call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    system_call("mount", b"tmpfs", folder.encode(), b"tmpfs", ctypes.c_ulong(0), b"size=40m")


def fill(path):
    """Take all that is free, to the last byte."""
    with open(path, "ab", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def write_until_refused(client, acknowledged):
    """The log still has pages of its own to write to; once it must grow, there is no space."""
    for i in range(WRITES_MAX):
        status, made = client.add(MODES[i % 3], LONG_NAME)
        if status != 201:
            assert status == 507, status
            return
        acknowledged[made] = LONG_NAME
    raise AssertionError("the disk is full, and every write was acknowledged")


def check_full_disk(server, filler, acknowledged):
    with Client(server) as client:
        client.must_add("/async", "before", acknowledged)
        fill(filler)
        write_until_refused(client, acknowledged)
        for mode in 3 * MODES:
            # One that fits in what the log has left is acknowledged, and must then be there.
            status, made = client.add(mode, LONG_NAME)
            assert status in (201, 507), (mode, status)
            if made:
                acknowledged[made] = LONG_NAME
            client.check_reads()
        for made, name in list(acknowledged.items())[-50:]:
            assert client.ask("GET", f"/async/items/{made}")[2]["name"] == name
        os.unlink(filler)
        for mode in MODES:
            client.must_add(mode, "there is space again", acknowledged)


def check_start_without_space(db, filler):
    """After a good end the log and its index are gone, and there is no space for new ones."""
    fill(filler)
    done = subprocess.run([program, "serve", "--listen", "127.0.0.1:0", "--db", db], capture_output=True, text=True,
                          timeout=LIMIT_S, check=False)
    assert done.returncode == 1 and "no space left" in done.stderr and db in done.stderr, done
    os.unlink(filler)


def main():
    with scratch() as folder:
        mount_small(folder)
        db, filler = os.path.join(folder, "items.db"), os.path.join(folder, "filler")
        acknowledged = {}
        try:
            with Server(program, db) as server:
                for _ in range(2):
                    check_full_disk(server, filler, acknowledged)
                with Client(server) as client:
                    for i in range(GROWTH):
                        client.must_add(MODES[i % 3], LONG_NAME, acknowledged)
                    fill(filler)
                    write_until_refused(client, acknowledged)
                size = os.path.getsize(db)
                server.stop()
                # What the file has no space for stays in the log.
                assert os.path.getsize(db) == size and os.path.getsize(db + "-wal") > 0
            with Server(program, db) as server, Client(server) as client:  # the disk is still full
                client.check_reads()
                os.unlink(filler)
                client.must_add("/offload", "after the restart", acknowledged)
                server.stop()
            check_start_without_space(db, filler)
            check_file(db, acknowledged)
            print(f"{len(acknowledged)} items were acknowledged and are there")
        finally:
            LIBC.umount2(folder.encode(), MNT_DETACH)


main()
