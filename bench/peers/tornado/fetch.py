"""Tornado's client: every URL of a file, many at once: see run-fetch.sh.

    fetch.py FILE N CLIENT

N is max_clients, the size of the client's own queue of running requests. CLIENT is `simple`, Tornado's default, which makes a
connection for each request, or `curl`, its other one, which needs pycurl and keeps connections. Prints "A ok, B failed".
"""

import asyncio
import sys

import tornado.httpclient

CLIENTS = {
    "simple": "tornado.simple_httpclient.SimpleAsyncHTTPClient",
    "curl": "tornado.curl_httpclient.CurlAsyncHTTPClient",
}
LONG_S = 120  # the default would give up after 20 s in the client's own queue


async def fetch(client, url):
    try:
        answer = await client.fetch(url, connect_timeout=LONG_S, request_timeout=LONG_S)
        return answer.code == 200
    except (tornado.httpclient.HTTPError, OSError):
        return False


async def main():
    path, n, kind = sys.argv[1:]
    tornado.httpclient.AsyncHTTPClient.configure(CLIENTS[kind], max_clients=int(n))
    with open(path, encoding="ascii") as lines:
        urls = lines.read().split()
    client = tornado.httpclient.AsyncHTTPClient()
    answers = await asyncio.gather(*(fetch(client, url) for url in urls))
    print(f"{sum(answers)} ok, {len(answers) - sum(answers)} failed")


if __name__ == "__main__":
    asyncio.run(main())
