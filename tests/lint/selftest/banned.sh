# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
new_tree
put_c src/event/good.c '/* strcpy(a, b) and sleep(1) in a comment */' 'static const char *const text = "system(1) /* ";' \
    'int good_strtok_r(int n);' 'int good(struct door *d) { return d->sleep(1) + (*d).system(2) + good_strtok_r(3); }' \
    'char *x = strtok_r(0, 0, 0);' '/* http://example.com/home/page */'
put_c src/base/good.c 'const char *t = strerror(1);'
passes lint_banned

planted() { # what it must say, line
    new_tree
    put_c src/event/bad.c "$2"
    catches "^src/event/bad.c:2: $1" lint_banned
}
for name in nanosleep usleep sleep clock_nanosleep alloca sprintf vsprintf strcpy strcat strncpy strtok atoi atol \
    sscanf rand srand signal system popen gets localtime gmtime; do
    planted "$name\(\) is banned" "int x = 1 + $name (1, 2);"
done
planted 'strcpy\(\) is banned' 'const char *t = "/*"; int n = strcpy(t, "*/");'
planted 'strerror\(\) belongs to src/base' 'const char *t = strerror(1);'
planted 'structs get no typedef' 'typedef struct bad bad_t;'
planted 'unfinished' '/* TO''DO: later */'
planted 'unfinished' '/* FIX''ME */'
planted 'unfinished' '/* X''XX */'
planted "a path of somebody's machine" 'const char *p = "/ho''me/me";'
planted "a path of somebody's machine" '/* see /wo''rk/x */'
planted "a path of somebody's machine" '/* see /ro''ot/x */'
planted 'the name of a package registry' '/* https://pypi.''org/simple */'

new_tree
put src/base/bad.c 'int x;' "$c_licence"
catches '^src/base/bad.c:1: the licence line is missing' lint_banned
new_tree
put script/bad '#!/bin/sh' 'set -e' 'echo'
catches '^script/bad:1: the licence line is missing' lint_banned
new_tree
put src/CMakeLists.txt 'project(x)'
catches '^src/CMakeLists.txt:1: the licence line is missing' lint_banned
new_tree
put script/bad '#!/bin/sh' "$licence" 'set -e' 'until false; do sle''ep 1; done'
catches '^script/bad:4: sleeps' lint_banned
new_tree
put tests/bad.py "$licence" 'time.sle''ep(1)'
catches '^tests/bad.py:2: sleeps' lint_banned
new_tree
put README.md 'Look at /ho''me/me/x'
catches '^README.md:1: a path' lint_banned

# In a git checkout what git ignores is not looked at, and what it does not know yet is.
new_tree
git -C "$tree" init -q
put .gitignore '/build/'
put_c build/bad.c 'int x = atoi("1");'
passes lint_banned
put_c src/base/new.c 'int x = atoi("1");'
catches '^src/base/new.c:2: atoi' lint_banned
