"""`offloop fetch` beside curl and Tornado: see run-fetch.sh.

The server is `offloop serve`, and the URL its /hello: the cheapest answer it has (nothing is looked up, no timer, no job), so that
it can be asked several times as often as the fastest client asks; wrk measures that in the same run, and it is printed.

Each client is a process that is given all URLs, and its time is that of the whole process, its start included. Its processor time is
what the kernel counted for it (wait4). What each says of every answer goes to a file and is counted: a client that
did not get 10,000 answers of 200 has no figure.
"""

import argparse
import os
import re
import subprocess
import sys
import time

from tools import (HERE, PYTHON, Failed, Process, end_on_sigterm, find, folder, has_module, machine, number, spread,
                   wait_until_up, wrk)

LIMIT_S = 120  # of one client


class Client:
    """A command, and how its words are counted: `ok` matches once for each answer, or has the number as a group."""

    def __init__(self, name, command, ok, stdin=None, missing=None):
        self.name, self.command, self.ok, self.stdin, self.missing = name, command, ok, stdin, missing
        self.rates, self.cpus = [], []


def clients_of(options, urls, config):
    at_once = str(options.concurrency)
    clients = [
        Client(f"offloop {mode}", [options.program, "fetch", "-c", at_once, "--mode", mode, "-"], r"^200 ", stdin=urls)
        for mode in ("async", "offload")
    ]
    clients.append(Client("curl --parallel", ["curl", "--no-progress-meter", "--write-out", "%{http_code}\\n", "--parallel",
                                              "--parallel-max", at_once, "--config", config], r"^200$",
                          missing=None if find("curl") else "curl is not installed"))
    for kind, modules, package in (("simple", ["tornado"], "python3-tornado"),
                                   ("curl", ["tornado", "pycurl"], "python3-tornado or python3-pycurl")):
        clients.append(Client(f"tornado, {kind}", [PYTHON, os.path.join(HERE, "tornado/fetch.py"), urls, at_once, kind],
                              r"^(\d+) ok, 0 failed$", missing=None if has_module(*modules) else f"{package} is not installed"))
    return clients


def run_timed(client, place):
    """Seconds by the clock, seconds of processor time, exit status, and what it said on standard output and error."""
    out, err = os.path.join(place, "out"), os.path.join(place, "err")
    with open(client.stdin or os.devnull, "rb") as stdin, open(out, "wb") as stdout, open(err, "wb") as stderr:
        begin = time.monotonic()
        child = subprocess.Popen(["timeout", "--foreground", str(LIMIT_S)] + client.command,
                                 stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.terminate()
            child.wait()
            raise
        seconds = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
    texts = []
    for path in (out, err):
        with open(path, encoding="utf-8", errors="replace") as words:
            texts.append(words.read())
    return seconds, usage.ru_utime + usage.ru_stime, child.returncode, *texts


def measure(client, requests, place):
    seconds, cpu, status, out, err = run_timed(client, place)
    found = list(re.finditer(client.ok, out, re.M))
    n_ok = int(found[0].group(1)) if found and found[0].groups() else len(found)
    complaint = next((line for line in reversed(err.splitlines()) if line), "no message")
    if status != 0 or n_ok != requests or (client.name.startswith("offloop") and ", 0 failed," not in err):
        raise Failed(f"{client.name}: status {status}, {n_ok} of {requests} were answered 200: {complaint}")
    client.rates.append(requests / seconds)
    client.cpus.append(cpu)
    print(f"fetch.py: {client.name}: {number(requests / seconds)}/s, {n_ok} ok", file=sys.stderr)


def cells(values, reference, form):
    middle, least, most = spread(values)
    return f"{form(middle)} ({form(least)} to {form(most)}) | {middle / spread(reference)[0]:.2f}"


def print_table(clients, left_out, options, server_rate):
    print(f"# Fetching {options.requests:,} URLs, {options.concurrency} at once\n")
    print(f"{machine()}. GET /hello of `offloop serve`; medians of {options.rounds} rounds (least to most). All "
          f"{options.requests:,} answers of each round were counted: 200, 0 failed.\n")
    print("| client | requests/s | to offloop async | CPU s | to offloop async |")
    print("|---|---:|---:|---:|---:|")
    ours = clients[0]
    for client in clients:
        print(f"| {client.name} | {cells(client.rates, ours.rates, number)} | {cells(client.cpus, ours.cpus, '{:.2f}'.format)} |")
    print(f"\nThe server makes {number(server_rate)}/s for `wrk -t1 -c{options.concurrency}`: "
          f"{server_rate / max(spread(client.rates)[0] for client in clients):.1f} times what the fastest client asked for.")
    for client in left_out:
        print(f"\nLeft out: {client.name}: {client.missing}.")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/default/offloop")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--concurrency", type=int, default=100)
    options = parser.parse_args()
    options.rounds = options.rounds or (15 if options.full else 3)
    if not os.access(options.program, os.X_OK):
        raise Failed(f"there is no {options.program}; run ./dev bench fetch")
    return options


def main():
    options = parse()
    end_on_sigterm()
    with folder() as place:
        urls, config = os.path.join(place, "urls"), os.path.join(place, "curl.conf")
        command = [options.program, "serve", "--listen", "127.0.0.1:0", "--db", os.path.join(place, "items.db"), "--delay", "0"]
        with Process(command, os.path.join(place, "log")) as server:
            base = server.announced_url()
            wait_until_up(base, server)
            with open(urls, "w", encoding="ascii") as lines:
                lines.write(f"{base}/hello\n" * options.requests)
            with open(config, "w", encoding="ascii") as lines:
                lines.write(f'url = "{base}/hello"\noutput = "/dev/null"\n' * options.requests)
            everybody = clients_of(options, urls, config)
            clients = [client for client in everybody if not client.missing]
            for number_of_round in range(options.rounds):
                turn = number_of_round % len(clients)
                for client in clients[turn:] + clients[:turn]:
                    measure(client, options.requests, place)
            server_rate = wrk(base + "/hello", options.concurrency, 2)["rate"]
    print_table(clients, [client for client in everybody if client.missing], options, server_rate)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"fetch.py: {failure}")
