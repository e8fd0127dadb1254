"""killed_under_load.py PROGRAM: `offloop serve` is killed (SIGKILL) under write load at random moments, several times.

Each client makes, replaces and deletes items of its own, over and over, and notes what was acknowledged. After each kill
the server comes up again on the same file, and every item is as its client was last told; the one request that was under
way when the server died may have been done or not, but not by halves. (What the library alone promises there, at more
moments and with a long log, tests/db/crash_test.c looks at.)
"""

import http.client
import os
import random
import sys
import threading

from serving import FIRST_ITEMS, LIMIT_S, MODES, Client, Server, check_file, scratch

program = sys.argv[1]
ROUNDS, CLIENTS = 8, 6
SEED = int.from_bytes(os.urandom(4), "big")


class Worker:
    """One client and its items as it was last told: {id: (name, price)}. SQLite gives a deleted id away again."""

    def __init__(self, number):
        self.name, self.mode = f"client {number} ", MODES[number % 3]
        self.random = random.Random(SEED + number)
        self.items, self.n, self.wrong = {}, 0, None
        self.under_way = None  # (id, what it may become): no id when it is made, nothing when it is deleted

    def next_item(self):
        self.n += 1
        return self.name + "x" * self.random.randrange(150), float(self.n)

    def write(self, client):
        kind = self.random.choice(("POST", "PUT", "PUT", "DELETE")) if self.items else "POST"
        made = None if kind == "POST" else self.random.choice(list(self.items))
        item = None if kind == "DELETE" else self.next_item()
        path = f"{self.mode}/items" + (f"/{made}" if made else "")
        self.under_way = made, item
        status, _, body = client.ask(kind, path, item and {"name": item[0], "price": item[1]})
        if status != (201 if kind == "POST" else 204):
            raise AssertionError(f"{kind} {path}: {status} {body}")
        self.items = self.after(made or body["id"], item)
        self.under_way = None

    def after(self, made, item):
        """The items when this has been done."""
        return {**{i: old for i, old in self.items.items() if i != made}, **({made: item} if item else {})}

    def run(self, server, tell):
        try:
            with Client(server) as client:
                while True:
                    self.write(client)
                    tell()
        except (OSError, http.client.HTTPException):
            pass  # it was killed
        except Exception as wrong:  # pylint: disable=broad-except
            self.wrong = wrong

    def settle(self, rows):
        """What is there must be what was acknowledged, with or without the request that was under way."""
        mine = {i: row for i, row in rows.items() if row[0].startswith(self.name)}
        may_be = [self.items]
        if self.under_way:
            made, item = self.under_way
            may_be += [self.after(i, item) for i in ([made] if made else set(mine) - set(self.items))]
        assert mine in may_be, f"{self.name}: there {mine}, acknowledged {self.items}, under way {self.under_way}"
        self.items, self.under_way = mine, None


class Countdown:
    """Lets the killer know when enough was acknowledged, wherever the clients are then."""

    def __init__(self, n):
        self.n, self.lock, self.reached = n, threading.Lock(), threading.Event()

    def tell(self):
        with self.lock:
            self.n -= 1
            if self.n <= 0:
                self.reached.set()


def load_and_kill(server, workers, n):
    countdown = Countdown(n)
    threads = [threading.Thread(target=worker.run, args=(server, countdown.tell)) for worker in workers]
    for thread in threads:
        thread.start()
    was_reached = countdown.reached.wait(LIMIT_S)
    server.kill()
    for thread in threads:
        thread.join()
    for worker in workers:
        if worker.wrong:
            raise worker.wrong
    assert was_reached, f"{n} writes were not acknowledged within {LIMIT_S} s"


def check_all(server, workers):
    """By the server itself, after its start."""
    with Client(server) as client:
        client.check_reads()
        status, _, items = client.ask("GET", f"/async/items?after={FIRST_ITEMS}&limit=1000000")
    assert status == 200
    rows = {item["id"]: (item["name"], item["price"]) for item in items}
    for worker in workers:
        worker.settle(rows)
    assert len(rows) == sum(len(worker.items) for worker in workers), "there are items that nobody asked for"


def main():
    print(f"seed {SEED}")
    moments = random.Random(SEED)
    workers = [Worker(number) for number in range(CLIENTS)]
    with scratch() as folder:
        db = os.path.join(folder, "items.db")
        for _ in range(ROUNDS):
            with Server(program, db) as server:
                check_all(server, workers)
                load_and_kill(server, workers, moments.randrange(1, 300))
        with Server(program, db) as server:
            check_all(server, workers)
            server.stop()
        acknowledged = {made: item[0] for worker in workers for made, item in worker.items.items()}
        check_file(db, acknowledged)
        print(f"{sum(worker.n for worker in workers)} items were written, {len(acknowledged)} of them are left")


main()
