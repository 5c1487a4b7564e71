# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
new_tree
passes lint_cppcheck
put_c src/base/bad.c 'int f(void)' '{' '    const int a[2] = {0};' '    return a[2];' '}'
catches '^src/base/bad.c:5: error: .*arrayIndexOutOfBounds' lint_cppcheck
put tests/lint/cppcheck_suppressions '' '# Only here, to prove that suppressing works.' 'arrayIndexOutOfBounds'
passes lint_cppcheck
put tests/lint/cppcheck_suppressions '# A reason.' '' 'arrayIndexOutOfBounds'
catches 'cppcheck_suppressions:3: arrayIndexOutOfBounds' lint_cppcheck
