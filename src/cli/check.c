/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "api/source_routes.h"
#include "base/num.h"
#include "conf/conf.h"
#include "conf/conf_dump.h"
#include "kafka/kafka_publisher.h"

struct conf *cli_load_conf(const struct cli_args *args)
{
    const struct conf_load_opts opts = {.demo = args->demo,
                                        .kafka_check = kafka_property_check,
                                        .dead_letter_check = source_routes_check};
    struct conf_errors *errors = conf_errors_create();
    struct conf *conf = NULL;
    struct buf text;
    if (!errors) {
        fputs("gladly-relay: out of memory\n", stderr);
        return NULL;
    }
    buf_init(&text, 1 << 20);
    if (conf_load(args->config, &opts, &conf, errors) != ST_OK &&
        conf_errors_write(errors, &text) == ST_OK)
        fwrite(text.ptr, 1, text.len, stderr);
    buf_fini(&text);
    conf_errors_destroy(errors);
    return conf;
}

bool cli_is_seq(const char *text)
{
    uint64_t number;
    return num_parse_u64(slice_of(text), 1, INT64_MAX, &number, NULL) == ST_OK;
}

enum cli_exit cli_check(const struct cli_args *args)
{
    struct conf *conf = cli_load_conf(args);
    if (!conf)
        return CLI_FAILED;
    printf("%s: ok\n", args->config);
    conf_destroy(conf);
    return CLI_OK;
}

enum cli_exit cli_config(const struct cli_args *args)
{
    struct conf *conf = cli_load_conf(args);
    enum cli_exit code = CLI_FAILED;
    struct buf text;
    if (!conf)
        return CLI_FAILED;
    buf_init(&text, 4 << 20);
    if (conf_dump(conf, &text) == ST_OK) {
        fwrite(text.ptr, 1, text.len, stdout);
        code = CLI_OK;
    }
    buf_fini(&text);
    conf_destroy(conf);
    return code;
}
