# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
compile_commands() {
    local file
    mkdir -p "$tree/build/dev"
    for file in "$tree"/src/*/*.c; do
        jq -n --arg tree "$tree" --arg file "$file" \
            '{directory: $tree, file: $file, command: ("gcc -std=c11 -Isrc -Wall -c " + $file)}'
    done | jq -s . >"$tree/build/dev/compile_commands.json"
}

new_tree
catches 'no build/dev/compile_commands.json' lint_tidy
compile_commands
passes lint_tidy
passes lint_tidy build/dev # from what it remembers
put_c src/base/low.c '#include "base/low.h"' '' 'size_t low_twice(size_t n)' '{' '    int *p = NULL;' \
    '    return 2 * n + (size_t)*p;' '}'
catches '^src/base/low.c:7: Dereference of null pointer' lint_tidy
new_tree
put_c src/base/many.c 'int many_sum(int a, int b, int c, int d, int e, int f, int g);' \
    'int many_sum(int a, int b, int c, int d, int e, int f, int g)' '{' '    return a + b + c + d + e + f + g;' '}'
catches 'no build/dev' lint_tidy
compile_commands
catches '^src/base/many.c:3: 7 parameters \(threshold 6\)' lint_tidy "$tree/build/dev"
new_tree
compile_commands
put_c src/base/forgotten.c 'int forgotten;'
catches '^src/base/forgotten.c:1: the build does not compile it' lint_tidy
new_tree
put_c src/base/low.c '#include "base/low.h"' 'size_t low_twice(size_t n)' '{' '    return 2 * n; // NOLINT' '}'
compile_commands
catches 'an exception reads NOLINT' lint_tidy
