# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
libraries() {
    local room file
    for room in base event; do
        mkdir -p "$tree/build/dev/src/$room"
        for file in "$tree/src/$room"/*.c; do
            gcc -std=c11 -I "$tree/src" -c -o "$tree/build/dev/src/$room/$(basename "$file").o" "$file"
        done
        ar rcs "$tree/build/dev/src/$room/librelay_$room.a" "$tree/build/dev/src/$room"/*.o
    done
}

planted() { # what it must say, room, line that needs a symbol
    new_tree
    put_c "src/$2/bad.c" "$3"
    libraries
    catches "^librelay_$2.a:bad.c.o: $1" lint_symbols "$tree/build/dev"
}
new_tree
catches 'src/base:1: has no library' lint_symbols "$tree/build/dev"
put_c src/event/good.c '#include <stdio.h>' '#include <math.h>' 'double good(double x) { puts("x"); return pow(x, x); }'
put_c src/base/good.c 'int pthread_yield_now(void); int good2(void) { return pthread_yield_now(); }'
libraries
passes lint_symbols "$tree/build/dev"
planted 'room base may not need high_is_even of room event' base 'int high_is_even(int); int f(void) { return high_is_even(1); }'
planted 'sqlite3_open may be used in src/journal only' event 'int sqlite3_open(void); int f(void) { return sqlite3_open(); }'
planted 'pthread_create may be used in src/base only' event 'int pthread_create(void); int f(void) { return pthread_create(); }'
planted 'mystery comes from no room' event 'int mystery(void); int f(void) { return mystery(); }'
