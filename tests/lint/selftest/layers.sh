# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # variables come from lint_selftest
new_tree
passes lint_layers
put_c src/http/door.c '#include <microhttpd.h>' '#include <gnutls/gnutls.h>' '#include <sys/epoll.h>'
put_c src/json/door.c '#include <cjson/cJSON.h>' '/* #include <sqlite3.h> */'
put_c src/cli/all.c '#include "event/high.h"'
passes lint_layers

planted() { # file, line to include, what it must say
    new_tree
    put_c "$1" "$2"
    catches "^$1:2: $3" lint_layers
}
planted src/base/bad.c '#include "event/high.h"' 'room base may not include room event'
planted src/json/bad.h '  #  include "event/high.h"' 'room json may not include room event'
planted src/journal/bad.c '#include "kafka/x.h"' '.*does not exist'
planted src/event/bad.c '#include "high.h"' '.*must be written "room/file.h"'
planted src/event/bad.c '#include "../base/low.h"' '.*must be written "room/file.h"'
planted src/relay/bad.c '#include <sqlite3.h>' '<sqlite3.h> may be included in src/journal only'
planted src/api/bad.c '#include <microhttpd.h>' '.*in src/http only'
planted src/kafka/bad.c '#include <pthread.h>' '.*in src/base only'
planted src/cli/bad.c '#include <librdkafka/rdkafka.h>' '.*in src/kafka only'
planted src/event/bad.c '#include <cjson/cJSON.h>' '.*in src/json only'
planted src/json/bad.c '#include <ini.h>' '.*in src/conf only'
planted src/api/bad.c '#include <sodium.h>' '.*in src/base only'
planted src/gladly/bad.c '#include <curl/curl.h>' '.*in src/http only'
planted src/base/bad.c '#include <zlib.h>' '<zlib.h> has no door'
planted src/base/bad.c '#include <base/low.h>' '.*has no door'
planted src/base/bad.c '#include HEADER' '.*include by macro'

new_tree
put_c src/stray.c ''
catches '^src/stray.c:1: lies in no room' lint_layers
new_tree
put_c src/misc/x.c ''
catches '^src/misc/x.c:1: lies in no room' lint_layers
new_tree
put_c src/base/a.h '#include "base/b.h"'
put_c src/base/b.h '#include "base/c.h"'
put_c src/base/c.h '#include "base/a.h"'
catches 'a.h -> src/base/b.h -> src/base/c.h -> src/base/a.h' lint_layers
new_tree
rm -r "$tree/src"
catches 'found nothing to look at' lint_layers
