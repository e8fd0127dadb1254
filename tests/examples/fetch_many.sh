#!/bin/sh
# fetch_many.sh PROGRAM: 300 requests to a service that takes 0.2 s, one by one as they arrive.
set -eu
fetch_many=$1
folder=$(mktemp -d)
"$OFFLOOP_PROGRAM" external-api --listen 127.0.0.1:0 --delay 0.2 >"$folder/out" &
service=$!
trap 'kill $service 2>/dev/null || true; wait $service 2>/dev/null || true; rm -rf "$folder"' EXIT

# The line is there as soon as the service listens.
url=
while [ -z "$url" ]; do
    kill -0 $service
    url=$(sed -n 's/^listening on //p' "$folder/out")
done

"$fetch_many" "$url" 300 >"$folder/answers"
tail -n 1 "$folder/answers"
grep -qx '300 of 300 answered 200' "$folder/answers"
test "$(grep -c ': 200, ' "$folder/answers")" = 300
