"""tiny_run.py PROGRAM: one whole run of `offloop bench`, as small as can be, and what it leaves behind.

It checks that every mode was measured and answered, that the files agree with each other, that the report needs no other file,
that a comparison's status follows its verdict, and that neither a process nor a folder stays.
"""

import csv
import html.parser
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

program = sys.argv[1]
MODES = {"blocking", "offload", "async"}


def bench(*arguments, status=0):
    done = subprocess.run([program, "bench", *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == status, f"{arguments}: status {done.returncode}, wanted {status}\n{done.stdout}\n{done.stderr}"
    return done


class Page(html.parser.HTMLParser):
    """Finds what would be fetched, the plots, and the figures."""

    VOID = {"meta", "br", "img", "link", "input", "hr", "rect", "path", "circle"}

    def __init__(self):
        super().__init__()
        self.fetched, self.plots, self.figures, self.open, self.in_figures = [], 0, "", [], False

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.fetched += [value for name, value in attributes if name in ("src", "href", "data", "action", "srcset")]
        self.plots += tag == "svg"
        self.in_figures = tag == "script" and names.get("id") == "figures"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
        self.in_figures = False

    def handle_data(self, data):
        if self.in_figures:
            self.figures += data


def check_json(path):
    with open(path, encoding="utf-8") as text:
        report = json.load(text)
    rows = report["measures"]
    answered = {(row["section"], row["mode"], row["call"]) for row in rows if row["requests"] > 0}
    for mode in MODES:
        for call in ("fetch", "query", "insert", "report", "mixed"):
            assert ("load", mode, call) in answered, f"no {call} in mode {mode}"
        assert any(row["section"] == "memory" and row["mode"] == mode and row["rss_kb"] > 0 for row in rows)
    for row in rows:
        assert row["failed"] == 0, row
        curve = row["curve_ms"]
        assert curve == sorted(curve), row
        if row["requests"] > 0:
            assert curve[0] > 0 and row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] <= row["max_ms"], row
            assert row["rate"] > 0 and row["cpu_us"] > 0, row
        if row["call"] in ("fetch", "sleep") and row["requests"] > 0:
            assert curve[0] >= row["call_ms"] * 0.99, row  # nobody was answered before the call could be done
    assert {row["pool_threads"] for row in rows if row["section"] == "pool"} >= {0, 1, 4}
    return report


def check_html(path, report):
    with open(path, encoding="utf-8") as text:
        content = text.read()
    page = Page()
    page.feed(content)
    assert not page.open, page.open
    assert not page.fetched, page.fetched
    assert "@import" not in content and "url(" not in content
    assert page.plots >= 8
    assert json.loads(page.figures) == report
    assert "nan" not in content.replace("font-variant-numeric", ""), "a number that is none"


def check_csv(path, report):
    with open(path, encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == len(report["measures"])
    for row, measure in zip(rows, report["measures"]):
        assert row["mode"] == measure["mode"] and abs(float(row["rate"]) - measure["rate"]) < 0.01


def check_compare(path, report, folder):
    # Rendered from the file itself, so that both sides are the same run.
    bench("--from", path, "--compare", path, "--tolerance", "0")
    faster = os.path.join(folder, "faster.json")
    for row in report["measures"]:
        row["rate"] *= 2
    with open(faster, "w", encoding="utf-8") as out:
        json.dump(report, out)
    assert "falls" in bench("--from", path, "--compare", faster, status=1).stdout
    bench("--from", path, "--compare", os.path.join(folder, "nowhere.json"), status=1)


def children():
    """Processes below us that are still there."""
    done = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if "offloop" in line]


def check_interrupt(folder):
    """Ctrl-C in the middle leaves nothing behind, and says so by its status."""
    place = os.path.join(folder, "interrupted")
    os.mkdir(place)
    with subprocess.Popen([program, "bench", "--tiny", "--folder", place], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as child:
        while not any(name.startswith("offloop-bench.") for name in os.listdir(place)):
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130
        group = child.pid
    assert os.listdir(place) == []
    until = time.monotonic() + 30
    while time.monotonic() < until:  # the servers were killed; the kernel may still be at it
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("a server stayed behind")


def check_cut():
    """Clients whose requests nobody answers are given up at the end, and counted as that."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        done = bench("--url", url, "--concurrency", "3", "--duration", "0.2", "--cut", status=1)
        result = json.loads(done.stdout)
        assert (result["unfinished"], result["requests"], result["failed"]) == (3, 0, 0), result
        bench("--url", url, "--requests", "4", "--cut", status=2)


def main():
    with tempfile.TemporaryDirectory() as folder:
        names = {kind: os.path.join(folder, "run." + kind) for kind in ("json", "csv", "html")}
        place = os.path.join(folder, "place")
        os.mkdir(place)
        plots = os.path.join(folder, "plots")  # is made
        done = bench("--tiny", "--folder", place, "--svg", plots, *[f"--{kind}={path}" for kind, path in names.items()])
        assert os.listdir(place) == [], os.listdir(place)
        said = [line for line in done.stderr.splitlines() if "WARNING: ASan" not in line]
        assert not said, said  # no terminal, no progress bar
        for mode in MODES:
            assert f"| {mode} |" in done.stdout
        report = check_json(names["json"])
        check_html(names["html"], report)
        check_csv(names["csv"], report)
        assert os.path.getsize(os.path.join(plots, "rate.svg")) > 1000
        check_compare(names["json"], report, folder)
        check_interrupt(folder)
        check_cut()
        bench("--modes", "fast", status=2)
        bench("--json", os.path.join(folder, "no/such/folder"), status=1)
        bench("--svg", os.path.join(folder, "no/such/folder"), status=1)
    assert not children(), children()


main()
