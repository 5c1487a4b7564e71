# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
lines() { # how many, text
    local i
    for ((i = 0; i < $1; i++)); do
        echo "$2"
    done
}

new_tree
passes lint_size
mapfile -t body < <(lines 68 '    (void)0;')
put_c src/base/long.c 'static void just_right(void)' '{' "${body[@]}" '}'
passes lint_size
put_c src/base/long.c 'static void too_long(int a,' '                     int b)' '{' "${body[@]}" '    (void)0;' '}'
catches '^src/base/long.c:4: function too_long has 71 lines, the limit is 70' lint_size
put tests/lint/size_exceptions 'src/base/long.c:too_long 71 it tells one story only'
passes lint_size
put tests/lint/size_exceptions 'src/base/long.c:too_long 71 because'
catches 'size_exceptions:1: must read' lint_size
put tests/lint/size_exceptions 'src/base/long.c:too_long 71 it tells one story only' 'src/base/low.c 900 it was longer once upon'
catches 'size_exceptions:2: src/base/low.c needs no exception' lint_size
put tests/lint/size_exceptions 'src/base/long.c:too_long 70 it tells one story only'
catches 'too_long has 71 lines' lint_size
new_tree
mapfile -t body < <(lines 599 '')
put_c src/base/long.c "${body[@]}"
passes lint_size
put_c src/base/long.c "${body[@]}" ''
catches '^src/base/long.c:1: file src/base/long.c has 601 lines' lint_size
