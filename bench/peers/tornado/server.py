"""The peer in Python with Tornado: one process, one loop, in the four ways its users have.

    server.py --port PORT --db FILE --external URL --way WAY

    blocking    the handler calls requests and sqlite3 on the loop
    async       AsyncHTTPClient as it comes: at most 10 requests at once
    async-1000  AsyncHTTPClient with max_clients=1000
    executor    run_in_executor with the loop's default pool, for the fetch and for SQLite

In the two async ways SQLite is called on the loop: the library has nothing else for it, and for a lookup that takes
microseconds nobody does otherwise.
"""

import argparse
import asyncio
import json
import sqlite3
import threading

import requests
import tornado.httpclient
import tornado.web

LONG_S = 120  # the defaults would give up after 20 s in the client's own queue


class Store:
    """A connection for each thread, and the calls that block."""

    def __init__(self, path, external):
        self.path, self.external = path, external
        self.local = threading.local()

    def db(self):
        if not hasattr(self.local, "db"):
            self.local.db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self.local.db.execute("PRAGMA journal_mode=WAL")
            self.local.db.execute("PRAGMA synchronous=FULL")
        return self.local.db

    def fetch(self):
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
        answer = self.local.session.get(self.external, timeout=LONG_S)
        answer.raise_for_status()
        return answer.json()

    def get(self, item_id):
        return self.db().execute("SELECT id, name, price FROM items WHERE id = ?", (item_id,)).fetchone()

    def create(self, name, price):
        return self.db().execute("INSERT INTO items (name, price) VALUES (?, ?)", (name, price)).lastrowid


class Handler(tornado.web.RequestHandler):
    def initialize(self, store, way):
        self.store, self.way = store, way

    async def call(self, function, *args):
        """Here on the loop, or in the default executor."""
        if self.way == "executor":
            return await asyncio.get_running_loop().run_in_executor(None, function, *args)
        return function(*args)


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("hello\n")


class Fetch(Handler):
    async def get(self):
        if self.way.startswith("async"):
            client = tornado.httpclient.AsyncHTTPClient()
            answer = await client.fetch(self.store.external, connect_timeout=LONG_S, request_timeout=LONG_S)
            quote = json.loads(answer.body)
        else:
            quote = await self.call(self.store.fetch)
        self.finish({"external_api": quote})


class Item(Handler):
    async def get(self, item_id):
        row = await self.call(self.store.get, int(item_id))
        if row is None:
            raise tornado.web.HTTPError(404)
        self.finish(dict(zip(("id", "name", "price"), row)))


class Items(Handler):
    async def post(self):
        try:
            item = json.loads(self.request.body)
            name, price = str(item["name"]), float(item["price"])
        except (ValueError, KeyError, TypeError) as error:
            raise tornado.web.HTTPError(400) from error
        new_id = await self.call(self.store.create, name, price)
        self.set_status(201)
        self.finish({"id": new_id})


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--db", required=True)
    parser.add_argument("--external", required=True)
    parser.add_argument("--way", choices=("blocking", "async", "async-1000", "executor"), default="async")
    options = parser.parse_args()

    if options.way == "async-1000":
        tornado.httpclient.AsyncHTTPClient.configure(None, max_clients=1000)
    shared = {"store": Store(options.db, options.external), "way": options.way}
    app = tornado.web.Application(
        [("/hello", Hello), ("/fetch", Fetch, shared), (r"/items/(\d+)", Item, shared), ("/items", Items, shared)]
    )
    app.listen(options.port, "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
