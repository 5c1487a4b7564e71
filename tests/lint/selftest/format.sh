# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
new_tree
passes lint_format
put_c src/base/bad.c 'int  x;'
catches '^src/base/bad.c:2: is not as clang-format writes it' lint_format
new_tree
put_c tests/unit/bad.c 'static int f(void) { return 1; }'
catches '^tests/unit/bad.c:2' lint_format
