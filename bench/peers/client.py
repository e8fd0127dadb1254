"""Our own client beside ab and wrk: see run-client.sh."""

import argparse
import os
import sys

from tools import Failed, Process, ab, end_on_sigterm, find, folder, machine, number, own_client, spread, wrk

DELAY_S = 0.1
ROUNDS = 3
TOLERANCE = 0.05


def measure(tool, offloop, url, clients, seconds):
    requests = max(clients, int(clients * seconds / DELAY_S))
    if tool == "offloop":
        return own_client(offloop, url, clients, requests=requests)
    if tool == "ab":
        return ab(url, clients, requests)
    return wrk(url, clients, max(1, round(seconds)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/default/offloop")
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    end_on_sigterm()
    tools = [tool for tool in ("offloop", "ab", "wrk") if tool == "offloop" or find(tool)]

    worst = 0.0
    print(f"# Our own client beside ab and wrk\n\n{machine()}. GET /async, service answers after {DELAY_S * 1e3:.0f} ms; "
          f"medians of {ROUNDS} runs, in turn.\n")
    print("| clients | tool | requests/s (least to most) | p50 ms | p99 ms | failed | ours by theirs |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    with folder() as place:
        command = [options.program, "serve", "--listen", "127.0.0.1:0", "--db", os.path.join(place, "items.db"),
                   "--delay", str(DELAY_S)]
        with Process(command, os.path.join(place, "log")) as server:
            url = server.announced_url()
            for clients in (1, 20, 100):
                rates, last = {tool: [] for tool in tools}, {}
                for _ in range(ROUNDS):
                    for tool in tools:
                        last[tool] = measure(tool, options.program, url + "/async", clients, options.seconds)
                        rates[tool].append(last[tool]["rate"])
                ours = spread(rates["offloop"])[0]
                for tool in tools:
                    middle, least, most = spread(rates[tool])
                    if tool != "offloop":
                        worst = max(worst, abs(ours / middle - 1))
                    print(f"| {clients} | {tool} | {middle:.1f} ({least:.1f} to {most:.1f}) | {last[tool]['p50_ms']:.1f} | "
                          f"{last[tool]['p99_ms']:.1f} | {last[tool]['failed']} | {ours / middle:.3f} |")
            print("\nHow far each client goes, GET /hello with 20 clients (no verdict):\n")
            print("| tool | requests/s |\n|---|---:|")
            print(f"| offloop | {number(own_client(options.program, url + '/hello', 20, seconds=1)['rate'])} |")
            if "ab" in tools:
                print(f"| ab | {number(ab(url + '/hello', 20, 20000)['rate'])} |")
            if "wrk" in tools:
                print(f"| wrk | {number(wrk(url + '/hello', 20, 1)['rate'])} |")
    print(f"\nThe largest difference is {worst * 100:.1f} %: {'within' if worst <= TOLERANCE else 'NOT within'} 5 %.")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"client.py: {failure}")
