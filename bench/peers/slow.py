"""slowhttptest against `offloop serve`: see run-slow.sh.

The server listens twice: the attack goes to one port, and our /hello, and slowhttptest's own probe of whether the service is there
(sent as to a proxy, -e), to the other. So the connections on the first port are the attack's.

The first port's socket is made here and handed over (LISTEN_FDS), with a send buffer of 16 KiB. Left to itself the kernel takes
1.6 MB of an answer over the loopback, and a reader would have to be slow with more than that before the server noticed.

How long they live is not what slowhttptest says, but the server's side of them in /proc/net/tcp, looked at 20 times a second:
from when it is established until it is not, while the attack still holds its own side open.
"""

import argparse
import multiprocessing
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

from tools import Failed, Process, ask, end_on_sigterm, folder, machine, wait_until_up

RATE = 200  # connections a second
SLACK_S = 1  # that a connection may live beyond its deadline
PROBE_S = 0.1
AVAILABLE_S = 5  # a /hello that takes longer was not available: slowhttptest's own default
WATCH_S = 0.05
SEND_BUFFER = 16384

# Socket activation: the socket as descriptor 3, and the process's own id. Between the fork and the program, since only that knows its id.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Attack:
    def __init__(self, flag, name, deadline_s, why, path, *options):
        self.flag, self.name, self.deadline_s, self.why, self.path, self.options = flag, name, deadline_s, why, path, options


# The deadlines are the server's defaults (http/deadline.c).
ATTACKS = (
    Attack("H", "slow headers", 10, "10 s for a head", "/hello", "-i", "5"),
    Attack("B", "slow body", 5, "5 s, and longer only at 100 bytes/s", "/async/items", "-t", "POST", "-i", "2", "-x", "10",
           "-s", "8192"),
    # 93 kB: more than the kernel takes, and less than the response window, so that no fiber waits with a database reader in its hand.
    Attack("X", "slow read", 30, "30 s for what waits, or 64 KiB", "/async/items?limit=2000", "-w", "1", "-y", "512", "-n", "1",
           "-z", "5"),
)


# ---- what is watched meanwhile ----


def probe(base, boss, parent):
    """/hello by the clock, each on a connection of its own; latencies count from the planned start. In a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    worst, asked, late_or_wrong = 0.0, 0, 0
    planned = time.monotonic()
    while os.getppid() == parent and not boss.poll(max(0.0, planned - time.monotonic())):
        try:
            right = ask(base + "/hello", timeout=AVAILABLE_S)[0] == 200
        except OSError:
            right = False
        took = time.monotonic() - planned
        worst, asked = max(worst, took), asked + 1
        late_or_wrong += not right or took > AVAILABLE_S
        planned += PROBE_S
    boss.send((worst, asked, late_or_wrong))


def end_probe(prober):
    """What it has found."""
    try:
        prober.send("enough")
        if prober.poll(2 * AVAILABLE_S):
            return prober.recv()
    except (OSError, EOFError):
        pass
    raise Failed("the probe of /hello has ended, or does not end")


class Watch:
    """The server's side of every connection to a port: when it came, and when the server closed it."""

    ESTABLISHED, CLOSED_BY_CLIENT = "01", ("08", "09")
    PASSING = ("03", "0A", "0C")  # a handshake, and the listening socket

    def __init__(self, port):
        self.local = f"0100007F:{port:04X}"
        self.began, self.ended, self.left = {}, {}, set()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(WATCH_S):
            self.look()

    def states(self):
        with open("/proc/net/tcp", encoding="ascii") as lines:
            rows = (line.split(None, 4) for line in lines)
            return {row[2]: row[3] for row in rows if row[1] == self.local and row[3] not in self.PASSING}

    def look(self):
        states, now = self.states(), time.monotonic()
        for client, state in states.items():
            if state == self.ESTABLISHED:
                self.began.setdefault(client, now)
            elif state in self.CLOSED_BY_CLIENT:
                self.left.add(client)
        for client in self.began:
            if states.get(client) != self.ESTABLISHED:
                self.ended.setdefault(client, now)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.look()  # slowhttptest ends with its last connection, which may have been closed since

    def lives(self):
        """Seconds, of the connections that the server closed, that their client closed, and that are still there."""
        now, closed, left, there = time.monotonic(), [], [], []
        for client, at in self.began.items():
            kind = there if client not in self.ended else left if client in self.left else closed
            kind.append(self.ended.get(client, now) - at)
        return closed, left, there


# ---- one attack ----


def run_slowhttptest(attack, connections, target, probe_base, log):
    """It is over when no connection is left, or when the last one has outlived its deadline for sure. Returns its words."""
    limit_s = int(attack.deadline_s + SLACK_S + connections / RATE + 5)
    command = ["slowhttptest", "-" + attack.flag, "-c", str(connections), "-r", str(RATE), "-l", str(limit_s), "-p",
               str(AVAILABLE_S), "-v", "1", "-e", urllib.parse.urlsplit(probe_base).netloc, "-u", target + attack.path, *attack.options]
    with open(log, "wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as child:
        try:
            status = child.wait(limit_s + 30)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"slowhttptest did not end by itself in {limit_s + 30} s") from error
        finally:
            child.kill()
    with open(log, encoding="utf-8", errors="replace") as words:
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", words.read())
    if status != 0 or "Test ended" not in text:
        raise Failed(f"slowhttptest ended with status {status}: {text.strip()[-200:]}")
    return text


class Result:
    def __init__(self, attack, wanted, watch, words, probed):
        self.attack = attack
        self.closed, left, there = watch.lives()
        self.connections = len(self.closed) + len(there)
        self.worst, self.asked, n_bad = probed
        self.available = n_bad == 0 and self.asked > 0 and not re.search(r"service available:\s*NO", words)
        self.complaints = []
        if self.connections < wanted:
            self.complaints.append(f"only {self.connections} connections came")
        if not self.available:
            self.complaints.append(f"the service was not available: {n_bad} of {self.asked} /hello were late or wrong")
        late = [life for life in self.closed + left + there if life > attack.deadline_s + SLACK_S]
        if late:
            self.complaints.append(f"{len(late)} connections outlived their deadline by more than {SLACK_S} s")
        elif len(self.closed) < wanted:
            self.complaints.append(f"only {len(self.closed)} connections were closed by the server")

    def row(self):
        last = f"{max(self.closed):.1f} s" if self.closed else ""
        return (f"| {self.attack.name} (-{self.attack.flag}) | {self.connections:,} | {'yes' if self.available else '**no**'} | "
                f"{self.worst * 1e3:.0f} | {self.attack.why} | {len(self.closed):,} | {last} |")


def measure(options, attack, place):
    connections = options.connections
    place = os.path.join(place, attack.flag)
    os.mkdir(place)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # those that it accepts have it too
    listening.bind(("127.0.0.1", 0))
    listening.listen(4096)
    port = listening.getsockname()[1]
    target = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-c", HAND_OVER, str(listening.fileno()), options.program, "serve", "--listen", "127.0.0.1:0",
               "--delay", "0", "--db", os.path.join(place, "items.db")]
    print(f"slow.py: {attack.name}, {connections} connections, about {attack.deadline_s + connections / RATE:.0f} s ...",
          file=sys.stderr)
    with listening, Process(command, os.path.join(place, "log"), pass_fds=[listening.fileno()]) as server:
        listening.close()
        base = server.announced_url()
        if base == target:
            base = server.announced_url()
        wait_until_up(base, server)
        mine, its = multiprocessing.Pipe()
        prober = multiprocessing.Process(target=probe, args=(base, its, os.getpid()), daemon=True)
        prober.start()
        its.close()
        with Watch(port) as watch:
            words = run_slowhttptest(attack, connections, target, base, os.path.join(place, "slowhttptest"))
        result = Result(attack, connections, watch, words, end_probe(mine))
        prober.join()
        if server.child.poll() is not None:
            result.complaints.append(f"the server ended with status {server.child.returncode}")
    for complaint in result.complaints:
        print(f"slow.py: {attack.name}: {complaint}", file=sys.stderr)
    return result


# ---- all of them ----


def print_table(options, results):
    print(f"# {options.connections:,} slow clients\n")
    asked = sum(result.asked for result in results)
    print(f"{machine()}. `/hello` was asked {1 / PROBE_S:.0f} times a second meanwhile, {asked:,} times in all. The service "
          f"counts as available when each was answered 200 within {AVAILABLE_S} s, and slowhttptest's own probe too.\n")
    print("| attack | connections | available | worst /hello, ms | deadline | closed by the server | the last one after |")
    print("|---|---:|---|---:|---|---:|---:|")
    for result in results:
        print(result.row())


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/default/offloop")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--only", default="H,B,X")
    options = parser.parse_args()
    if not os.access(options.program, os.X_OK):
        raise Failed(f"there is no {options.program}; run ./dev bench slow")
    return options


def main():
    options = parse()
    end_on_sigterm()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with folder() as place:
        results = [measure(options, attack, place) for attack in ATTACKS if attack.flag in options.only.split(",")]
    print_table(options, results)
    return 1 if any(result.complaints for result in results) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        print(f"slow.py: {failure}", file=sys.stderr)
        sys.exit(2)
