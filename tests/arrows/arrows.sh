#!/bin/sh
# arrows.sh [TREE]: who may include what. Prints one line for each include that points the wrong way; exits 1 if any.
#
# Read the table as: a folder, a colon, the folders of ours it may see besides itself, a bar, the outside headers it may
# see besides the C library's. Seeing a room means its internal headers, "room/x.h", and its public ones, <offloop/x.h>.
# `public` stands for every public header and no internal one. Where a row names a file, it is for that file alone and
# adds to its folder's row. Headers that no row names at all (the C library's, the kernel's) are free.

set -u
tree=${1:-.}

table='
base:
loop:           base                    | ev.h
pool:           base loop
db:             base loop pool          | sqlite3.h
http:           base loop pool
http/parser.c:                          | llhttp.h
http/fetch*.c:                          | curl/
observe:        base loop pool
handlers:       public                  | jansson.h
app:            public handlers         | jansson.h sqlite3.h
bench:          public                  | ev.h sqlite3.h llhttp.h curl/ jansson.h uv.h glib.h gio/ event2/ microhttpd.h
examples:       public                  | ev.h
include/offloop:
'

# Which room a public header belongs to; a header not named here belongs to the room of its own name. observe.h declares
# the event hook, which base has and every room feeds.
public_rooms='
observe.h base
fiber.h loop
scope.h loop
fetch.h http
'

# Every include of every file, as "file:line:name", where name keeps its < or ".
list_includes()
{
    for folder in base loop pool db http observe handlers app bench examples include/offloop; do
        [ -d "$tree/$folder" ] || continue
        (cd "$tree" && find "$folder" -name '*.[ch]' -type f -exec \
            grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' {} +)
    done | sed -E 's/^([^:]*):([0-9]+):[^<"]*([<"][^>"]*)[>"].*/\1:\2:\3/'
}

list_includes | awk -v table="$table" -v public_rooms="$public_rooms" '
function may(row, what,    n, i, list) {
    n = split(row, list, " ")
    for (i = 1; i <= n; i++)
        if (list[i] == what || (list[i] ~ /\/$/ && index(what, list[i]) == 1))
            return 1
    return 0
}
function bad(why) {
    printf "%s:%s: includes %s%s: %s\n", file, line, name, (quote == "<" ? ">" : "\""), why
    n_bad++
}
BEGIN {
    n = split(table, rows, "\n")
    for (i = 1; i <= n; i++) {
        if (rows[i] !~ /:/)
            continue
        colon = index(rows[i], ":")
        key = substr(rows[i], 1, colon - 1)
        rest = substr(rows[i], colon + 1)
        bar = index(rest, "|")
        ours[key] = bar ? substr(rest, 1, bar - 1) : rest
        outside[key] = bar ? substr(rest, bar + 1) : ""
        watched = watched " " outside[key]
        if (key ~ /\.c$/) {
            pattern = key
            gsub(/\./, "\\.", pattern)
            gsub(/\*/, "[^/]*", pattern)
            file_rows[key] = "^" pattern "$"
        } else
            folders[key] = 1
    }
    n = split(public_rooms, words, /[ \n]+/)
    for (i = 1; i <= n; i++)
        if (words[i] ~ /\.h$/)
            room_of[words[i]] = words[i + 1]
}
{
    file = $0; sub(/:.*/, "", file)
    line = $0; sub(/^[^:]*:/, "", line); sub(/:.*/, "", line)
    name = $0; sub(/^[^:]*:[^:]*:/, "", name)
    quote = substr(name, 1, 1)
    target = substr(name, 2)
    folder = file
    if (folder ~ /^include\/offloop\//)
        folder = "include/offloop"
    else
        sub(/\/.*/, "", folder)
    allowed = ours[folder]
    allowed_outside = outside[folder]
    for (key in file_rows)
        if (file ~ file_rows[key])
            allowed_outside = allowed_outside " " outside[key]
    is_public = may(allowed, "public")

    if (target ~ /\.c$/)
        bad("a .c file is compiled, not included")
    else if (target ~ /(^|\/)\.\.?\//)
        bad("say the path from the source root")
    else if (target ~ /^offloop\//) {
        header = substr(target, 9)
        room = header
        sub(/\.h$/, "", room)
        if (header in room_of)
            room = room_of[header]
        if (folder == "include/offloop") {
            # A public header sees what its own room sees; offloop.h sees all.
            own = file
            sub(/.*\//, "", own)
            own_room = own
            sub(/\.h$/, "", own_room)
            if (own in room_of)
                own_room = room_of[own]
            if (own != "offloop.h" && room != own_room && !may(ours[own_room], room))
                bad("a public header of " own_room " may not see " (room == "offloop" ? "everything" : room))
        } else if (!is_public && room != folder && !may(allowed, room))
            bad(folder " may not see " (room == "offloop" ? "everything" : room))
    } else {
        top = target
        sub(/\/.*/, "", top)
        if (target ~ /\// && (top in folders)) {
            if (folder == "include/offloop")
                bad("a public header sees public headers only")
            else if (top != folder && !may(allowed, top))
                bad(folder " may not see the inside of " top)
        } else if (may(watched, target) && !may(allowed_outside, target))
            bad("not in this file; see the table in tests/arrows/arrows.sh")
    }
}
END {
    if (NR == 0) {
        print "no source file found"
        exit 2
    }
    exit n_bad > 0
}'
