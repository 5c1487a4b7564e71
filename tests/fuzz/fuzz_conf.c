/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a configuration file. A text that loads has a dump that loads again and has the same
 * dump, and differs in nothing from itself; one that does not load has a message.
 *
 * Files that a text names are opened, so the corpus names none that matters.
 */
#include "conf/conf.h"

#include "conf/conf_diff.h"
#include "conf/conf_dump.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("GLADLY_TOKEN", "0123456789abcdef", 1);
    return 0;
}

static enum status refuse_some(const char *name, const char *value, struct err *e)
{
    if (strstr(name, "refused"))
        return err_set(e, ST_BAD_INPUT, "refused: %s", value);
    return ST_OK;
}

static const struct conf_load_opts opts = {.kafka_check = refuse_some};

static void no_change(void *ctx, const struct conf_change *change)
{
    (void)ctx;
    (void)change;
    CHECK(change == NULL);
}

static void check_dump(const struct conf *c, struct conf_errors *errs)
{
    struct buf first, second;
    struct conf *again = NULL;
    buf_init(&first, CONF_DUMP_MAX);
    buf_init(&second, CONF_DUMP_MAX);
    CHECK(conf_dump(c, &first) == ST_OK);
    if (conf_load_text("dump", buf_slice(&first), &opts, &again, errs) == ST_OK) {
        CHECK(conf_dump(again, &second) == ST_OK);
        CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
    } else {
        /* "a=b" is "a = b" in the dump, and so may be over the limit. */
        CHECK(strstr(conf_errors_text(errs, 0), "longer than") || first.len > CONF_FILE_MAX);
    }
    conf_destroy(again);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_errors *errs = conf_errors_create();
    struct conf *c = NULL;
    CHECK(errs);
    enum status st =
        conf_load_text("fuzz", (struct slice){(const char *)data, size}, &opts, &c, errs);
    CHECK((st == ST_OK) == (conf_errors_count(errs) == 0));
    CHECK((st == ST_OK) == (c != NULL));
    if (c) {
        CHECK(conf_diff(c, c, no_change, NULL) == ST_OK);
        check_dump(c, errs);
    }
    conf_destroy(c);
    conf_errors_destroy(errs);
    return 0;
}
