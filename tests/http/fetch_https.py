"""fetch_https.py PROGRAM: `offloop fetch --ca-file` in every mode, against tls/server.py."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tls")
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import server  # noqa: E402


def fetch(*arguments, status):
    # Into a file: after a pipe's reader has killed a program for standing still, it still waits for the pipe's end.
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.run([sys.argv[1], "fetch", *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                               timeout=20, check=False)
        out.seek(0)
        said = out.read()
    assert child.returncode == status, f"{arguments}: status {child.returncode}, wanted {status}\n{said}"
    return said


authority = os.path.join(HERE, "ca.pem")
services = server.start("good.pem", "othername.pem", "expired.pem")
good, othername, expired = (f"https://127.0.0.1:{service.server_address[1]}/" for service in services)
for mode in ("blocking", "offload", "async"):
    assert fetch("--mode", mode, "--body", "--ca-file", authority, good, good, status=0).count("hello") == 2
    assert "certificate" in fetch("--mode", mode, good, status=1)
    for url in (othername, expired):
        assert "certificate" in fetch("--mode", mode, "--ca-file", authority, url, status=1)
    assert "OL_EINVAL" in fetch("--mode", mode, "--ca-file", authority + ".missing", good, status=1)
assert "--ca-file" in fetch("--ca-file", "", good, status=2)
