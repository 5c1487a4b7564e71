# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
new_tree
passes lint_shell
# shellcheck disable=SC2016 # the planted script expands it
put script/bad '#!/bin/bash' 'set -e' 'rm $1'
chmod +x "$tree/script/bad"
catches '^script/bad:3:.*SC2086' lint_shell
new_tree
put script/bad '#!/bin/sh' 'echo'
chmod +x "$tree/script/bad"
catches '^script/bad:1: does not set -e' lint_shell
new_tree
put script/bad '#!/bin/sh' 'set -e' 'echo'
catches '^script/bad:1: is not executable' lint_shell
