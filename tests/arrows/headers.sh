#!/bin/sh
# headers.sh ROOT CC CXX: each public header compiles alone, as C17 and as C++, is reached through offloop.h, and is
# usable from C++ (extern "C").

set -u
root=$1
cc=$2
cxx=$3
status=0

fail()
{
    echo "$1"
    status=1
}

for header in "$root"/include/offloop/*.h; do
    name=${header##*/}
    printf '#include <offloop/%s>\n' "$name" |
        "$cc" -std=c17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$root/include" -x c - ||
        fail "$name does not compile alone in C17"
    printf '#include <offloop/%s>\n' "$name" |
        "$cxx" -std=c++11 -Wall -Wextra -Werror -fsyntax-only -I "$root/include" -x c++ - ||
        fail "$name does not compile alone in C++"
    if [ "$name" != offloop.h ]; then
        grep -q "#include <offloop/$name>" "$root/include/offloop/offloop.h" ||
            fail "$name is not included by offloop.h"
    fi
    if grep -q '^OL_API' "$header" && ! grep -q 'extern "C"' "$header"; then
        fail "$name declares functions without extern \"C\""
    fi
done
exit $status
