#!/bin/sh
# run-slow.sh [--connections N] [--only H,B,X] [--program FILE]: clients that are slow on purpose, by slowhttptest: in sending a head (-H),
# in sending a body (-B), in reading an answer (-X); 1,000 connections each, against a fresh `offloop serve` on 127.0.0.1. Meanwhile
# /hello is asked 10 times a second. 75 seconds.
#
# Exit status 1: the service became unavailable, or a connection outlived its deadline by more than a second.

set -eu
cd "$(dirname "$0")/.."
for tool in python3 slowhttptest; do
    command -v $tool >/dev/null || {
        echo "run-slow.sh: $tool is missing; ./dev bench slow installs it" >&2
        exit 2
    }
done
exec python3 -B bench/peers/slow.py "$@"
