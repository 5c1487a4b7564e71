/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_BUILD_H
#define RELAY_CONF_CONF_BUILD_H

/*
 * A configuration in the making: what conf_lines found, put into the structs entry by entry, with
 * the line of each for the checks that follow.
 *
 * Owns: nothing but its own memory; the conf and the errors are the loader's. Threads: belongs to
 * its caller.
 */

#include "conf/conf.h"
#include "conf/conf_option.h"

/* One section of the file (or one that the file lacks: then line is 0). */
struct conf_build_section {
    enum conf_section_kind kind;
    void *base;                     /* its struct */
    char title[16 + CONF_NAME_MAX]; /* "source gladly" */
    int line;                       /* of its heading */
    int lines[CONF_ROWS_MAX];       /* where each row's key is; 0: not given */
    bool by_file[CONF_ROWS_MAX];    /* given as NAME_file */
};

#define CONF_BUILD_SECTIONS_MAX (CONF_SECTION_COUNT + CONF_ORGS_MAX + CONF_SOURCES_MAX)

struct conf_build;

/* c has its defaults afterwards. NULL when out of memory. */
struct conf_build *conf_build_create(struct conf *c, const struct conf_load_opts *opts,
                                     struct conf_errors *errs);
void conf_build_destroy(struct conf_build *b);

/* Reads all of text into the conf. ST_OK even with errors in errs; ST_NO_MEM. */
MUST_CHECK enum status conf_build_read(struct conf_build *b, struct slice text);

/* The sections, those that stand once first, then the others in the order of the file. */
size_t conf_build_count(const struct conf_build *b);
const struct conf_build_section *conf_build_section(const struct conf_build *b, size_t i);

#endif
