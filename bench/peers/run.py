"""offloop beside what people would pick instead: see run-peers.sh.

Every system serves the same three things (/hello, /fetch, /items) from a copy of the same SQLite file, asks the same slow
service, and is measured by the same clients, one system at a time. The rounds are interleaved: each round goes through all systems,
in turning order, so that a machine that slows down slows down everybody. Reported are medians with the least and the most.

The loads that wait (fetch) are asked by `offloop bench --url`; the ones that saturate a server by wrk, which goes further. A
system that does not answer rightly before the first load is left out, and so is one that is not installed; each with a line.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

from tools import (HERE, PYTHON, Failed, Process, ask, end_on_sigterm, find, folder, free_port, has_module, machine, number,
                   own_client, spread, wait_until_up, wrk)

QUICK = {"delay": 0.5, "seconds": 2, "rounds": 3, "fetch": [(5, 10), (10, 20), (20, 40)], "many": 1000, "many_rounds": 10,
         "patience_s": 10}
FULL = {"delay": 0.5, "seconds": 6, "rounds": 5, "fetch": [(5, 100), (10, 500), (20, 1000)], "many": 1000,
        "many_rounds": 20, "patience_s": 30}


class Peer:
    """How one system is started, and where its endpoints are."""

    def __init__(self, name, command, prefix="", fetch=None, environment=None, only_hello=False, missing=None):
        self.name, self.command, self.prefix = name, command, prefix
        self.fetch = fetch or prefix + "/fetch"
        self.environment, self.only_hello, self.missing = environment, only_hello, missing


def list_peers(options, build, external):
    """All of them; `missing` says why one cannot be run. {port} and {db} are filled in at each start."""
    peers = []
    for mode in ("async", "offload", "blocking"):
        peers.append(Peer(f"offloop {mode}", [options.program, "serve", "--listen", "127.0.0.1:{port}", "--db", "{db}",
                                              "--external-api", external, "--timeout", "120"],
                          prefix="/" + mode, fetch="/" + mode))
    tornado = None if has_module("tornado", "requests") else "python3-tornado or python3-requests is not installed"
    for way in ("blocking", "async", "async-1000", "executor"):
        peers.append(Peer(f"tornado {way}", [PYTHON, os.path.join(HERE, "tornado/server.py"), "--port", "{port}", "--db",
                                             "{db}", "--external", external, "--way", way], missing=tornado))
    environment = {"PEER_DB": "{db}", "PEER_EXTERNAL": external, "PYTHONPATH": os.path.join(HERE, "wsgi")}
    wsgi = None if has_module("requests") else "python3-requests is not installed"
    gunicorn = find("gunicorn", "gunicorn3")
    cores = os.cpu_count() or 1
    for name, shape in (("gunicorn", ["-w", str(2 * cores + 1)]), ("gunicorn threads", ["-w", str(cores), "--threads", "32"])):
        peers.append(Peer(name, [gunicorn or "gunicorn", "-b", "127.0.0.1:{port}", "--timeout", "300", "--keep-alive", "60",
                                 *shape, "app:application"],
                          environment=environment, missing=wsgi or (None if gunicorn else "gunicorn is not installed")))
    uwsgi = find("uwsgi", "uwsgi-core")
    peers.append(Peer("uwsgi", [uwsgi or "uwsgi", "--plugin", "python3", "--http11-socket", "127.0.0.1:{port}", "--master",
                                "--processes", str(cores), "--threads", "32", "--listen", "1024", "--disable-logging",
                                "--so-keepalive", "--module", "app:application", "--pythonpath", os.path.join(HERE, "wsgi")],
                      environment=environment, missing=wsgi or (None if uwsgi else "uwsgi is not installed")))
    node, node_missing = prepare_node(build) if is_wanted(options, "node") else (None, "not asked for")
    peers.append(Peer("node", [node or "node", os.path.join(build, "node/server.js"), "{port}", "{db}", external],
                      missing=node_missing))
    go, go_missing = prepare_go(build) if is_wanted(options, "go") else (None, "not asked for")
    peers.append(Peer("go", [go, "-listen", "127.0.0.1:{port}", "-db", "{db}", "-external", external], missing=go_missing))
    rust, rust_missing = prepare_rust(build) if is_wanted(options, "rust tokio") else (None, "not asked for")
    peers.append(Peer("rust tokio", [rust, "{port}", "{db}", external], missing=rust_missing))
    nginx = find("nginx", "/usr/sbin/nginx")
    peers.append(Peer("nginx", [nginx or "nginx", "-p", "{folder}", "-c", "{folder}/nginx.conf", "-e", "{folder}/nginx.log"],
                      only_hello=True, missing=None if nginx else "nginx is not installed"))
    return [peer for peer in peers if is_wanted(options, peer.name)]


def is_wanted(options, name):
    """Named on the command line, or nothing is; offloop always."""
    return not options.only or name.startswith(("offloop", *options.only.split(",")))


# ---- building: each returns the program and None, or anything and what is missing ----


def build_with(command, where, environment=None):
    """None, or the last line of what went wrong."""
    print(f"run.py: {' '.join(command)}", file=sys.stderr)
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False,
                          env=dict(os.environ, **(environment or {})))
    lines = (done.stderr or done.stdout).strip().splitlines()
    return None if done.returncode == 0 else (lines[-1] if lines else "no message")


def prepare_node(build):
    node, place = find("node", "nodejs"), os.path.join(build, "node")
    if not node:
        return None, "node is not installed"
    shutil.copytree(os.path.join(HERE, "node"), place, dirs_exist_ok=True)
    has_sqlite = "require('better-sqlite3')(':memory:')", "require('sqlite3')"
    environment = dict(os.environ, NODE_PATH="/usr/share/nodejs:/usr/lib/nodejs")

    def works():
        return any(subprocess.run([node, "-e", test], cwd=place, env=environment, capture_output=True, check=False).returncode == 0
                   for test in has_sqlite)

    if not works() and find("npm"):
        build_with([find("npm"), "install", "--no-audit", "--no-fund"], place)
    return node, None if works() else "node has no SQLite: neither npm's better-sqlite3 nor Debian's node-sqlite3"


def prepare_go(build):
    program = os.path.join(build, "go-server")
    if not find("go"):
        return program, "go is not installed"
    wrong = build_with(["go", "build", "-tags", "libsqlite3", "-o", program, "server.go"], os.path.join(HERE, "go"),
                       {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": os.path.join(build, "go-cache"),
                        "GOTOOLCHAIN": "local"})
    return program, wrong and f"go: {wrong}"


def prepare_rust(build):
    place = os.path.join(build, "rust")
    program = os.path.join(place, "target/release/offloop-bench-peer")
    if not os.path.exists("/usr/bin/cargo") or not os.path.isdir("/usr/share/cargo/registry"):
        return program, "Debian's cargo or its librust packages are not installed"
    shutil.copytree(os.path.join(HERE, "rust"), place, dirs_exist_ok=True)
    os.makedirs(os.path.join(place, ".cargo"), exist_ok=True)
    with open(os.path.join(place, ".cargo/config.toml"), "w", encoding="ascii") as config:
        config.write('[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "/usr/share/cargo/registry"\n')
    wrong = build_with(["/usr/bin/cargo", "build", "--release", "--offline", "--quiet"], place,
                       {"PATH": "/usr/bin:/bin", "CARGO_HOME": os.path.join(place, "home")})
    return program, wrong and f"cargo: {wrong}"


# ---- one system, one round ----


class Run:
    def __init__(self, options, dose, place, pristine):
        self.options, self.dose, self.place, self.pristine = options, dose, place, pristine
        self.results = {}  # (peer's name, load) -> list of results
        self.notes = []

    def start(self, peer):
        """The process, not yet running, and its base URL. Each start has a fresh copy of the file."""
        port, db = free_port(), os.path.join(self.place, "items.db")
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(db + suffix):
                os.remove(db + suffix)
        shutil.copyfile(self.pristine, db)
        words = {"port": port, "db": db, "folder": self.place}
        with open(os.path.join(HERE, "nginx/nginx.conf"), encoding="ascii") as text:
            config = text.read().replace("FOLDER", self.place).replace("PORT", str(port))
        with open(os.path.join(self.place, "nginx.conf"), "w", encoding="ascii") as out:
            out.write(config)
        environment = {name: value.format(**words) for name, value in (peer.environment or {}).items()}
        if peer.name == "node":
            environment["NODE_PATH"] = "/usr/share/nodejs:/usr/lib/nodejs"
        command = [word.format(**words) for word in peer.command]
        return Process(command, os.path.join(self.place, "log"), environment), f"http://127.0.0.1:{port}"

    def check(self, peer, base):
        """Does it answer what it must? Raises Failed."""
        if peer.only_hello:
            return
        status, text = ask(f"{base}{peer.prefix}/items/7")
        if status != 200 or json.loads(text).get("name") != "item 000007":
            raise Failed(f"GET /items/7 answers {status} {text[:80]}")
        status, text = ask(f"{base}{peer.prefix}/items", '{"name": "check", "price": 1}')
        if status != 201 or json.loads(text).get("id", 0) <= 100000:
            raise Failed(f"POST /items answers {status} {text[:80]}")
        status, text = ask(base + peer.fetch)
        if status != 200 or "quote" not in json.loads(text).get("external_api", {}):
            raise Failed(f"the fetch answers {status} {text[:80]}")

    def keep(self, peer, load, result):
        self.results.setdefault((peer.name, load), []).append(result)
        print(f"run.py: {peer.name}: {load}: {number(result['rate'])}/s, {result['failed']} failed", file=sys.stderr)

    def measure(self, peer):
        process, base = self.start(peer)
        with process:
            wait_until_up(base, process)
            self.check(peer, base)
            self.keep(peer, "hello", wrk(base + "/hello", 64, self.dose["seconds"]))
            if peer.only_hello:
                return
            prefix = {"PREFIX": peer.prefix}
            self.keep(peer, "read", wrk(base, 64, self.dose["seconds"], "items.lua", prefix))
            for clients in (1, 64):
                self.keep(peer, f"insert, {clients}", wrk(base, clients, self.dose["seconds"], "insert.lua", prefix))
            self.measure_fetches(peer, base)  # last: what is cut leaves a blocked server with a queue of forgotten requests

    def measure_fetches(self, peer, base):
        url, rate = base + peer.fetch, 0.0
        for clients, requests in self.dose["fetch"]:
            if rate and requests / rate > self.dose["patience_s"] * 10:
                continue
            if rate and rate < 3:  # it serves one at a time, and more clients do not change that
                requests = clients
            result = own_client(self.options.program, url, clients, requests=requests)
            rate = result["rate"]
            self.keep(peer, f"fetch, {clients}", result)
        many = self.dose["many"]
        ideal = rate / self.dose["fetch"][-1][0] * self.dose["delay"] > 0.9
        if ideal:
            result = own_client(self.options.program, url, many, requests=many * self.dose["many_rounds"])
        elif many / rate <= self.dose["patience_s"]:
            result = own_client(self.options.program, url, many, requests=many)
        else:  # all of them would take minutes: what is answered in a while tells the rate as well
            result = own_client(self.options.program, url, many, seconds=self.dose["patience_s"], cut=True)
            self.note(f"{peer.name}: fetch, {many} was cut after {self.dose['patience_s']} s; what was under way has no latency")
        self.keep(peer, f"fetch, {many}", result)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)


# ---- the table ----


def print_table(run, peers, title, loads, figure="rate"):
    loads = [load for load in loads if any((peer.name, load) in run.results for peer in peers)]
    print(f"\n## {title}\n")
    print("| system | " + " | ".join(loads) + " |")
    print("|---|" + "---:|" * len(loads))
    for peer in peers:
        if not any((peer.name, load) in run.results for load in loads):
            continue
        print(f"| {peer.name} | " + " | ".join(cell(run, peer.name, load, figure) for load in loads) + " |")


def cell(run, name, load, figure):
    results = run.results.get((name, load))
    if not results:
        return ""
    typical, least, most = spread([result[figure] for result in results])
    text = f"{number(typical)} ({number(least)} to {number(most)})"
    reference = middle(run, "offloop async", load)
    if figure == "rate" and reference and name != "offloop async":
        text += f", {typical / reference:.2f}x"
    failed = sum(result["failed"] for result in results)
    return text + (f", **{failed} failed**" if failed else "")


SEED = {5: "9.7"}  # requests/s of the article's asynchronous handler, as far as its text gives them
SEED_COLUMNS = ("tornado blocking", "tornado async", "tornado async-1000", "tornado executor", "offloop blocking",
                "offloop offload", "offloop async")


def middle(run, name, load):
    """The median rate, or None where it was not run."""
    results = run.results.get((name, load))
    return spread([result["rate"] for result in results])[0] if results else None


def print_seed_table(run, dose):
    print("\n## The seed's loads, requests/s\n")
    print("| clients | seed, async | " + " | ".join(SEED_COLUMNS) + " | ideal |\n|---:|" + "---:|" * (len(SEED_COLUMNS) + 2))
    for clients in [clients for clients, _ in dose["fetch"]] + [dose["many"]]:
        rates = [middle(run, name, f"fetch, {clients}") for name in SEED_COLUMNS]
        print(f"| {clients} | {SEED.get(clients, '')} | " + " | ".join(number(rate) if rate else "" for rate in rates) +
              f" | {number(clients / dose['delay'])} |")


def print_goals(run, dose):
    """Each goal that this run can tell about; what is not met stays."""
    many = f"fetch, {dose['many']}"
    goals = [("offloop async", "fetch, 20", "tornado async", 2), ("offloop offload", "fetch, 20", "tornado async", 2),
             ("offloop async", "hello", "nginx", 1), ("offloop offload", "read", "go", 2.5),
             ("offloop offload", "read", "rust tokio", 2.5), ("offloop async", "insert, 64", "go", 12)]
    print("\n## Goals\n\n| goal | wanted | measured | other | ratio | |\n|---|---:|---:|---:|---:|---|")
    for name, load, other, wanted in goals:
        ours, theirs = middle(run, name, load), middle(run, other, load)
        if ours and theirs:
            print_goal(f"{name}, {load}, beside {other}", wanted, ours, theirs)
    ours = middle(run, "offloop async", many)
    if ours:
        print_goal(f"offloop async, {many}, beside the ideal", 0.95, ours, dose["many"] / dose["delay"])


def print_goal(what, wanted, ours, theirs):
    ratio = ours / theirs
    print(f"| {what} | {wanted}x | {number(ours)}/s | {number(theirs)}/s | {ratio:.2f}x | "
          f"{'met' if ratio >= wanted else '**not met**'} |")


def print_report(run, peers, dose):
    fetches = [f"fetch, {clients}" for clients, _ in dose["fetch"]] + [f"fetch, {dose['many']}"]
    others = ["hello", "read", "insert, 1", "insert, 64"]
    print("# offloop and its peers\n")
    print(f"{machine()}. The slow service answers after {dose['delay'] * 1e3:.0f} ms. Medians of {run.options.rounds} interleaved "
          "rounds (least to most), and the ratio to offloop async.")
    print_table(run, peers, "Requests/s, clients that wait for the slow service", fetches)
    print_table(run, peers, "p99 in ms of the same", fetches, "p99_ms")
    print_table(run, peers, "Requests/s, wrk: /hello and point reads with 64 clients, durable inserts with 1 and 64", others)
    print_table(run, peers, "p99 in ms of the same", others, "p99_ms")
    print_seed_table(run, dose)
    print_goals(run, dose)
    print()
    for note in run.notes:
        print(f"* {note}")


def parse():
    parser = argparse.ArgumentParser(prog="run-peers.sh")
    parser.add_argument("--program", default="build/default/offloop", help="offloop (build/default/offloop)")
    parser.add_argument("--build", default="build/peers", help="where the peers are built (build/peers)")
    parser.add_argument("--full", action="store_true", help="the article's numbers of requests, and longer loads")
    parser.add_argument("--rounds", type=int, help="default: 3, or 5 with --full")
    parser.add_argument("--only", help="names that begin with one of these, separated by commas; offloop stays")
    parser.add_argument("--json", help="write all results to this file")
    return parser.parse_args()


def main():
    options = parse()
    end_on_sigterm()
    dose = FULL if options.full else QUICK
    options.rounds = options.rounds or dose["rounds"]
    options.program, build = os.path.abspath(options.program), os.path.abspath(options.build)
    os.makedirs(build, exist_ok=True)
    with folder() as place:
        pristine, log = os.path.join(place, "pristine.db"), os.path.join(place, "log")
        service = [options.program, "external-api", "--listen", "127.0.0.1:0", "--delay", str(dose["delay"])]
        with Process(service, log) as slow:
            external = slow.announced_url() + "/"
            make_pristine(options, pristine, external, log)
            peers = list_peers(options, build, external)
            run = Run(options, dose, place, pristine)
            run_rounds(run, peers)
    print_report(run, peers, dose)
    if options.json:
        with open(options.json, "w", encoding="ascii") as out:
            json.dump({"machine": machine(), "notes": run.notes,
                       "results": [{"system": name, "load": load, "runs": results}
                                   for (name, load), results in run.results.items()]}, out, indent=1)
    return 0


def make_pristine(options, path, external, log):
    """offloop makes the file on its first start; after SIGTERM it is whole without its log."""
    command = [options.program, "serve", "--listen", "127.0.0.1:0", "--db", path, "--external-api", external]
    with Process(command, log) as server:
        server.announced_url()
        server.child.terminate()
        server.child.wait(30)


def run_rounds(run, peers):
    ready = [peer for peer in peers if not peer.missing]
    for peer in peers:
        if peer.missing:
            run.note(f"{peer.name} is left out: {peer.missing}")
    for number_of_round in range(run.options.rounds):
        turned = ready[number_of_round % len(ready):] + ready[: number_of_round % len(ready)]
        for peer in turned:
            try:
                run.measure(peer)
            except (Failed, OSError, ValueError) as failure:
                run.note(f"{peer.name} is left out: {failure}")
                ready = [other for other in ready if other is not peer]


if __name__ == "__main__":
    sys.exit(main())
