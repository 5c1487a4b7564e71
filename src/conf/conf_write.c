/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_write.h"

#include "conf/conf_option.h"

#include <string.h>

static const char minimal[] =
    "; The least that works; set GLADLY_TOKEN in the environment. relay.conf shows every option.\n"
    "\n"
    "[http]\n"
    "listen = 127.0.0.1:8080\n"
    "\n"
    "[journal]\n"
    "path = relay.db\n"
    "\n"
    "[kafka]\n"
    "bootstrap.servers = 127.0.0.1:9092\n"
    "\n"
    "[source gladly]\n"
    "path = /gladly\n"
    "token = ${GLADLY_TOKEN}\n";

static const char sample_head[] =
    "; Every option of gladly-relay. A line that begins with ';' and a key shows the default, or\n"
    "; after 'Example:' a value for an option that has none. README.md has the rules of this "
    "file.\n"
    "; Generated from the table of options; a test compares the two.\n";

static const char reference_head[] =
    "# Configuration reference\n"
    "\n"
    "One INI file holds everything. `minimal.conf` is the least that works, `relay.conf` shows\n"
    "every option. Both, and this page, are generated from the table in `src/conf/conf_def.h`, "
    "and\n"
    "a test compares them with it: `CONF_UPDATE=1 test_conf` writes them anew.\n"
    "\n"
    "The file is checked as a whole before anything starts: all mistakes are listed at once, each\n"
    "as `FILE:LINE: [section] key: reason`. Unknown keys and sections are mistakes, and so are\n"
    "keys and sections that come twice.\n"
    "\n"
    "## Rules of the file\n"
    "\n"
    "- A line is empty, a comment, `[SECTION]`, `[SECTION NAME]` or `KEY = VALUE`, and has at "
    "most\n"
    "  4096 bytes. The file has at most 1 MiB.\n"
    "- A key or heading begins in the first column: a line that begins with a space is refused, "
    "so\n"
    "  that nobody takes it for the rest of the value above. Space around a key or a value is\n"
    "  dropped.\n"
    "- A line that begins with `;` or `#`, spaces before it or not, is a comment. Behind a value,\n"
    "  a `;` with a space before it begins a comment; a `;` without one is part of the value. A\n"
    "  `#` with a space before it is refused, because it looks like a comment and would be part "
    "of\n"
    "  the value. A value that needs one of the two comes from a variable or a file.\n"
    "- `${NAME}` in a value is replaced by the environment variable NAME. It must be set and not\n"
    "  empty. What it holds is taken as it is and not searched for `${` again. `$${` is a plain\n"
    "  `${`.\n"
    "- A secret can be read from a file: the key then ends in `_file` (`token_file`,\n"
    "  `sasl.password_file`; `header_file.NAME`) and the value is the path. One line end at the\n"
    "  end of the file is dropped. The file must be a regular file of at most 4096 bytes and give\n"
    "  other users no rights (`chmod o-rwx`). Giving both the secret and its file is a mistake.\n"
    "- Relative paths start at the working directory.\n"
    "- NAME of an `[org NAME]` or `[source NAME]` has 1 to 32 of `a-z`, `0-9`, `_` and `-`. There\n"
    "  are at most 32 orgs and 64 sources.\n"
    "- Sizes are `512`, `16KiB`, `16MiB`, `2GiB`; durations `250ms`, `10s`, `5m`, `48h`, `4d`;\n"
    "  `true` may also be `yes` or `on`, `false` also `no` or `off`.\n"
    "- *Reload* says whether a reload applies a change. Otherwise only a restart does. Orgs and\n"
    "  sources are added and removed by a restart.\n";

static bool is_commented(const struct conf_option *row)
{
    return !(row->flags & (CONF_REQUIRED | CONF_SHOWN));
}

static enum status append_text(struct buf *out, const char *text)
{
    return buf_append(out, text, strlen(text));
}

/* The text of a table cell; '|' would end it. */
static enum status append_cell(struct buf *out, const char *text)
{
    enum status st = ST_OK;
    for (; *text && st == ST_OK; text++) {
        if (*text == '|')
            st = buf_append(out, "\\", 1);
        if (st == ST_OK)
            st = buf_append(out, text, 1);
    }
    return st;
}

static enum status write_row(struct buf *out, const struct conf_option *row)
{
    enum status st = buf_printf(out, "| `%s` | %s | ", row->key, conf_option_type(row));
    if (st == ST_OK && row->flags & CONF_REQUIRED)
        st = buf_printf(out, "required");
    else if (st == ST_OK && *conf_option_default(row))
        st = buf_printf(out, "`%s`", conf_option_default(row));
    else if (st == ST_OK)
        st = append_text(out, "none");
    if (st == ST_OK && *row->max)
        st = buf_printf(out, " | %s to %s%s", row->min, row->max,
                        conf_option_has_length(row) ? " characters" : "");
    else if (st == ST_OK && row->kind == CONF_KIND_CHOICE)
        st = buf_printf(out, " | %s", row->min);
    else if (st == ST_OK)
        st = append_text(out, " |");
    if (st == ST_OK)
        st = buf_printf(out, " | %s | ", row->flags & CONF_RELOAD ? "yes" : "no");
    if (st == ST_OK)
        st = append_cell(out, row->doc);
    return st == ST_OK ? append_text(out, " |\n") : st;
}

enum status conf_write_reference(struct buf *out)
{
    enum status st = append_text(out, reference_head);
    for (unsigned k = 0; k < CONF_SECTION_COUNT && st == ST_OK; k++) {
        const struct conf_section *s = conf_option_section((enum conf_section_kind)k);
        st = buf_printf(out, "\n## [%s%s]\n\n%s\n", s->word, s->is_named ? " NAME" : "", s->doc);
        if (st == ST_OK && s->row_count)
            st = append_text(out, "\n| Option | Type | Default | Bounds | Reload | Meaning |\n"
                                  "|---|---|---|---|---|---|\n");
        for (size_t i = 0; i < s->row_count && st == ST_OK; i++)
            st = write_row(out, &s->rows[i]);
    }
    return st;
}

static enum status write_option(struct buf *out, const struct conf_option *row)
{
    enum status st = buf_printf(out, "\n; %s\n", row->doc);
    if (st == ST_OK && *row->max)
        st = buf_printf(out, "; From %s to %s%s.\n", row->min, row->max,
                        conf_option_has_length(row) ? " characters" : "");
    if (st == ST_OK && row->kind == CONF_KIND_CHOICE)
        st = buf_printf(out, "; One of %s.\n", row->min);
    if (st == ST_OK && (row->flags & CONF_EXAMPLE) && is_commented(row))
        st = append_text(out, "; Example:\n");
    if (st == ST_OK)
        st = buf_printf(out, "%s%s =%s%s\n", is_commented(row) ? ";" : "", row->key,
                        *row->text ? " " : "", row->text);
    return st;
}

enum status conf_write_sample(struct buf *out)
{
    static const char *const names[CONF_SECTION_COUNT] = {
        [CONF_SECTION_ORG] = "acme", [CONF_SECTION_SOURCE] = "gladly"};
    enum status st = append_text(out, sample_head);
    for (unsigned k = 0; k < CONF_SECTION_COUNT && st == ST_OK; k++) {
        const struct conf_section *s = conf_option_section((enum conf_section_kind)k);
        bool is_optional = s->is_named && s->row_count == 0;
        st = buf_printf(out, "\n; %s\n%s[%s%s%s]\n", s->doc, is_optional ? ";" : "", s->word,
                        names[k] ? " " : "", names[k] ? names[k] : "");
        for (size_t i = 0; i < s->row_count && st == ST_OK; i++)
            st = write_option(out, &s->rows[i]);
    }
    return st;
}

enum status conf_write_minimal(struct buf *out)
{
    return append_text(out, minimal);
}
