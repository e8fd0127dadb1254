#!/bin/sh
# fetch_many.sh PROGRAM: 300 requests to a service that takes 0.2 s, one by one as they arrive.
set -eu
fetch_many=$1
folder=$(mktemp -d)
mkfifo "$folder/out"
"$OFFLOOP_PROGRAM" external-api --listen 127.0.0.1:0 --delay 0.2 >"$folder/out" &
service=$!
trap 'kill $service 2>/dev/null || true; wait $service 2>/dev/null || true; rm -rf "$folder"' EXIT

exec 3<"$folder/out"
read -r listening on url <&3
test "$listening $on" = 'listening on'

"$fetch_many" "$url" 300 >"$folder/answers"
tail -n 1 "$folder/answers"
grep -qx '300 of 300 answered 200' "$folder/answers"
test "$(grep -c ': 200, ' "$folder/answers")" = 300
