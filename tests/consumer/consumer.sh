#!/bin/sh
# consumer.sh BUILD_DIR SCRATCH_DIR CC CXX: installs, moves the result elsewhere, and builds and runs a program against it
# in every way that is promised: pkg-config and CMake package, shared and static, C and C++.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1
scratch=$2
cc=$3
cxx=$4

rm -rf "$scratch"
mkdir -p "$scratch"
cmake --install "$build" --prefix "$scratch/before" >"$scratch/install.log"
# Nothing installed may remember where it was installed.
mv "$scratch/before" "$scratch/prefix"

pc=$(find "$scratch/prefix" -name offloop.pc)
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH

# ran NAME COMMAND...: the command works, and says what it should
ran()
{
    name=$1
    shift
    if out=$("$@") && [ "$out" = "7 squared, off the loop: 49 (done)" ]; then
        echo "ok: $name"
    else
        echo "FAIL: $name: $out"
        exit 1
    fi
}

# shellcheck disable=SC2046 # pkg-config prints words
{
    "$cc" -std=c17 -Wall -Wextra -Werror -o "$scratch/shared" "$here/consumer.c" $(pkg-config --cflags --libs offloop)
    "$cc" -std=c17 -Wall -Wextra -Werror -o "$scratch/static" "$here/consumer.c" $(pkg-config --cflags offloop) \
        "$libdir/liboffloop.a" $(pkg-config --static --libs offloop | sed 's/-loffloop//')
    "$cxx" -x c++ -std=c++11 -Wall -Wextra -Werror -o "$scratch/cxx" "$here/consumer.c" \
        $(pkg-config --cflags --libs offloop)
}
ran "pkg-config, shared" env LD_LIBRARY_PATH="$libdir" "$scratch/shared"
ran "pkg-config, static" "$scratch/static"
ran "pkg-config, shared, C++" env LD_LIBRARY_PATH="$libdir" "$scratch/cxx"

readelf -d "$scratch/shared" | grep -q 'NEEDED.*liboffloop\.so\.0\]' || { echo "FAIL: the SONAME is not liboffloop.so.0"; exit 1; }
if readelf -d "$scratch/static" | grep -q 'NEEDED.*liboffloop'; then
    echo "FAIL: the static program wants the shared library"
    exit 1
fi

if ! { cmake -S "$here/package" -B "$scratch/package" -G Ninja -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_PREFIX_PATH="$scratch/prefix" && cmake --build "$scratch/package"; } >"$scratch/package.log" 2>&1; then
    cat "$scratch/package.log"
    exit 1
fi
ran "CMake package, shared" "$scratch/package/consumer_shared"
ran "CMake package, static" "$scratch/package/consumer_static"

# What the shared library shows is its public functions and nothing else, not llhttp either.
if nm -D --defined-only "$libdir/liboffloop.so" | awk '{ print $3 }' | grep -vE '^ol_[a-z]'; then
    echo "FAIL: these are visible and should not be"
    exit 1
fi
echo "ok: only ol_ functions are visible"

# A static archive hides nothing from the linker, so every global name in it is ours by its prefix.
if nm -g --defined-only "$libdir/liboffloop.a" | awk 'NF == 3 { print $3 }' | grep -vE '^ol_'; then
    echo "FAIL: these names of the static library may collide with the program's"
    exit 1
fi
echo "ok: the static library's global names all begin with ol_"

rm -rf "$scratch"
