"""server.py: HTTPS on 127.0.0.1, for tests: a server for each certificate named, each on a free port.

    server.py good.pem othername.pem ...

Prints their ports in one line, answers every GET with "hello", keeps connections open, and ends when its standard input does: with the
test, whatever becomes of that.
"""

import http.server
import os
import ssl
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate):
        super().__init__(("127.0.0.1", 0), Hello)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(HERE, certificate))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        """On the connection's own thread: a client that goes away in the handshake stops nobody else."""
        try:
            with self.context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError:
            pass


def start(*certificates):
    """The servers, which run already."""
    return [Server(certificate) for certificate in certificates]


if __name__ == "__main__":
    print(*(server.server_address[1] for server in start(*sys.argv[1:])), flush=True)
    sys.stdin.read()
