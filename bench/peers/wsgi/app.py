"""The peer behind gunicorn and uWSGI: one small WSGI application, a thread or a process for each request.

The environment names the database and the slow service: PEER_DB, PEER_EXTERNAL.
"""

import json
import os
import sqlite3
import threading

import requests

local = threading.local()


def db():
    if not hasattr(local, "db"):
        local.db = sqlite3.connect(os.environ["PEER_DB"], timeout=30, isolation_level=None)
        local.db.execute("PRAGMA journal_mode=WAL")
        local.db.execute("PRAGMA synchronous=FULL")
    return local.db


def fetch():
    if not hasattr(local, "session"):
        local.session = requests.Session()
    answer = local.session.get(os.environ["PEER_EXTERNAL"], timeout=120)
    if answer.status_code != 200:
        return "502 Bad Gateway", {"error": answer.status_code}
    return "200 OK", {"external_api": answer.json()}


def get_item(text):
    if not text.isdigit():
        return "400 Bad Request", {"error": "an item's id is a whole number from 1"}
    row = db().execute("SELECT id, name, price FROM items WHERE id = ?", (int(text),)).fetchone()
    if row is None:
        return "404 Not Found", {"error": "there is no such item"}
    return "200 OK", dict(zip(("id", "name", "price"), row))


def create_item(environ):
    try:
        item = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        name, price = str(item["name"]), float(item["price"])
    except (ValueError, KeyError, TypeError):
        return "400 Bad Request", {"error": 'the body must be {"name": text, "price": number}'}
    cursor = db().execute("INSERT INTO items (name, price) VALUES (?, ?)", (name, price))
    return "201 Created", {"id": cursor.lastrowid}


def route(environ):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if path == "/fetch":
        return fetch()
    if path == "/items" and method == "POST":
        return create_item(environ)
    if path.startswith("/items/"):
        return get_item(path[len("/items/"):])
    return "404 Not Found", {"error": "not found"}


def application(environ, start_response):
    if environ["PATH_INFO"] == "/hello":
        status, kind, body = "200 OK", "text/plain; charset=utf-8", b"hello\n"
    else:
        status, value = route(environ)
        kind, body = "application/json", json.dumps(value).encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
