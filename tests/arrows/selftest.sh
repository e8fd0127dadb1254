#!/bin/sh
# selftest.sh SCRATCH_FOLDER: proves that arrows.sh passes a good tree and names every bad include of a bad one.

set -eu
arrows=$(dirname "$0")/arrows.sh
scratch=$1
rm -rf "$scratch"

# put FILE LINE...: a file in the tree that $tree names
put()
{
    put_file=$tree/$1
    shift
    mkdir -p "$(dirname "$put_file")"
    printf '%s\n' "$@" >"$put_file"
}

good_tree()
{
    tree=$1
    put include/offloop/base.h '#include <stddef.h>'
    put include/offloop/loop.h '#include <offloop/base.h>' '#include <offloop/scope.h>'
    put include/offloop/scope.h '#include <offloop/base.h>'
    put include/offloop/fetch.h '#include <offloop/http.h>'
    put include/offloop/http.h '#include <offloop/pool.h>'
    put include/offloop/pool.h '#include <offloop/loop.h>'
    put include/offloop/offloop.h '#include <offloop/http.h>' '#include <offloop/fetch.h>'
    put base/list.h '#include <stdbool.h>'
    put loop/loop.c '#include "base/list.h"' '#include <ev.h>' '#include <offloop/fiber.h>' '#include "loop/inbox.h"'
    put pool/pool.c '#include "loop/inbox.h"' '#include <sys/eventfd.h>'
    put db/db.c '#  include <sqlite3.h>' '#include <offloop/pool.h>'
    put http/parser.c '#include <llhttp.h>'
    put http/fetch_thread.c '#include <curl/curl.h>'
    put handlers/items.c '#include <offloop/offloop.h>' '#include "handlers/items.h"' '#include <jansson.h>'
    put app/main.c '#include "handlers/items.h"' '#include <offloop/http.h>'
    put bench/raw.c '#include <uv.h>' '#include <sqlite3.h>'
    put examples/embed.c '#include <ev.h>' '#include <offloop/pool.h>'
}

good_tree "$scratch/good"
sh "$arrows" "$scratch/good" || { echo "FAIL: the good tree was refused"; exit 1; }

# One bad include at a time, each in an otherwise good tree: file, then the include's name as written.
n=0
while read -r file include; do
    [ -n "$file" ] || continue
    n=$((n + 1))
    tree=$scratch/bad$n
    cp -r "$scratch/good" "$tree"
    put "$file" "#include $include"
    if out=$(sh "$arrows" "$tree"); then
        echo "FAIL: $file was allowed to include $include"
        exit 1
    fi
    case $out in
        "$file:1: includes $include: "*) ;;
        *) echo "FAIL: $file including $include was reported as: $out"; exit 1 ;;
    esac
done <<'TABLE'
base/bad.c          "loop/inbox.h"
base/bad.h          <offloop/loop.h>
base/bad.c          <ev.h>
loop/bad.c          "pool/queue.h"
loop/bad.c          <offloop/pool.h>
loop/deep/bad.c     <offloop/db.h>
loop/bad.c          <sqlite3.h>
loop/bad.c          <offloop/offloop.h>
loop/bad.c          "../pool/queue.h"
loop/bad.c          "inbox.c"
pool/bad.c          <ev.h>
pool/bad.c          "db/writer.h"
db/bad.c            "http/server.h"
db/bad.c            <offloop/fetch.h>
db/bad.c            <curl/curl.h>
http/server.c       <llhttp.h>
http/parser.h       <llhttp.h>
http/parser.c       <curl/curl.h>
http/server.c       <curl/multi.h>
http/fetcher.h      <curl/curl.h>
http/bad.c          "db/writer.h"
http/bad.c          <offloop/db.h>
http/bad.c          "observe/metrics.h"
observe/bad.c       "http/server.h"
handlers/bad.c      "http/server.h"
handlers/bad.c      "app/options.h"
handlers/bad.c      <sqlite3.h>
app/bad.c           "base/list.h"
app/bad.c           <llhttp.h>
bench/bad.c         "pool/queue.h"
bench/bad.c         "handlers/items.h"
examples/bad.c      "base/list.h"
examples/bad.c      <sqlite3.h>
include/offloop/bad.h   <ev.h>
include/offloop/db.h    <sqlite3.h>
include/offloop/base.h  <offloop/loop.h>
include/offloop/pool.h  <offloop/db.h>
include/offloop/pool.h  "pool/queue.h"
TABLE

tree=$scratch/empty
mkdir -p "$tree"
if sh "$arrows" "$tree" >/dev/null; then
    echo "FAIL: an empty tree passed, so a wrong path would pass too"
    exit 1
fi

rm -rf "$scratch"
echo "ok: the good tree passes, $n bad includes are found"
