# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
new_tree
passes lint_headers
put_c src/base/macros.h '#ifndef M' '#define M' '#endif'
passes lint_headers
put_c src/base/bad.h 'size_t needs_stddef(void);'
catches '^src/base/bad.h: does not compile alone' lint_headers
new_tree
put_c src/base/bad.h 'struct unguarded {' '    int n;' '};'
catches 'redefinition of .struct unguarded' lint_headers
new_tree
put_c src/base/bad.h '#ifndef B' '#define B' 'int old_style();' '#endif'
catches 'strict-prototypes' lint_headers
