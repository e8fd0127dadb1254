"""What run.py, client.py, fetch.py and slow.py share: servers as child processes, and three clients with one form of result."""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ITEMS = 100000

# The one that Debian's Python packages are for; another may stand before it in PATH.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


class Failed(Exception):
    """A server that does not start, or a client that says nothing sensible."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_on_sigterm():
    """Let SIGTERM unwind the with blocks, which end the servers; SIGINT does so by itself."""

    def leave(*_):
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)


class Process:
    """A server of our own starting; killed at the end of the with block, with everything that it started."""

    def __init__(self, command, log, environment=None, pass_fds=()):
        self.command, self.log, self.pass_fds = command, log, pass_fds
        self.environment = dict(os.environ, **(environment or {}))

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, env=self.environment, start_new_session=True,
                pass_fds=self.pass_fds,
            )
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.child.pid, 9)  # a session of its own, so these are its children and nobody else's
        except ProcessLookupError:
            pass
        self.child.stdout.close()
        self.child.wait()

    def announced_url(self):
        """The address in a line "listening on URL", which offloop prints."""
        for line in self.child.stdout:
            match = re.search(rb"listening on (http://\S+)", line)
            if match:
                return match.group(1).decode().rstrip("/")
        raise Failed(f"{self.command[0]} did not say where it listens; see {self.log}")


def ask(url, body=None, timeout=30):
    """Status and text of one request."""
    request = urllib.request.Request(url, data=body.encode() if body else None)
    if body:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until_up(base, process, limit_s=30):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if process.child.poll() is not None:
            raise Failed(f"{process.command[0]} ended with status {process.child.returncode}; see {process.log}")
        try:
            if ask(base + "/hello", timeout=2)[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"{process.command[0]} does not answer; see {process.log}")


# ---- clients: each returns {"rate", "p50_ms", "p99_ms", "failed", "requests"} ----


def run(command, limit_s, environment=None):
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, env=dict(os.environ, **(environment or {})), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} took longer than {limit_s:.0f} s") from error
    if done.returncode != 0:
        raise Failed(f"{command[0]} failed: {done.stderr.strip()[-200:]}")
    return done.stdout


def own_client(offloop, url, clients, requests=None, seconds=None, body=None, cut=False):
    command = [offloop, "bench", "--url", url, "--concurrency", str(clients)]
    if requests:
        command += ["--requests", str(requests)]
    if seconds:
        command += ["--duration", str(seconds)] + ["--cut"] * cut
    if body:
        command += ["--post", body]
    return json.loads(run(command, 900))


def wrk(url, clients, seconds, script=None, environment=None):
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "120s", "--latency"]
    if script:
        command += ["-s", os.path.join(HERE, "wrk", script)]
    text = run(command + [url], seconds + 150, environment)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not rate:
        raise Failed("wrk printed no rate")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {
        "rate": float(rate.group(1)),
        "p50_ms": wrk_percentile(text, "50"),
        "p99_ms": wrk_percentile(text, "99"),
        "failed": (int(bad.group(1)) if bad else 0) + (sum(map(int, broken.groups())) if broken else 0),
        "requests": int(re.search(r"(\d+) requests in", text).group(1)),
    }


def wrk_percentile(text, percent):
    match = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)\b", text, re.M)
    factor = {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}
    return float(match.group(1)) * factor[match.group(2)] if match else 0.0


def ab(url, clients, requests):
    text = run(["ab", "-q", "-l", "-k", "-s", "120", "-n", str(requests), "-c", str(clients), url], 900)
    return {
        "rate": float(re.search(r"Requests per second:\s+([\d.]+)", text).group(1)),
        "p50_ms": float(re.search(r"^\s+50%\s+(\d+)", text, re.M).group(1)),
        "p99_ms": float(re.search(r"^\s+99%\s+(\d+)", text, re.M).group(1)),
        "failed": int(re.search(r"Failed requests:\s+(\d+)", text).group(1)),
        "requests": requests,
    }


# ---- the machine, and numbers ----


def spread(values):
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} cores, {model}, {os.uname().sysname} {os.uname().release}"


def find(*names):
    """The first of these programs that is there, or None."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    return None


def has_module(*names):
    """Can PYTHON, which need not be the one that runs this, import them all?"""
    return subprocess.run([PYTHON, "-c", "import " + ",".join(names)], capture_output=True, check=False).returncode == 0


def folder():
    return tempfile.TemporaryDirectory(prefix="offloop-peers.")
