/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/feed_part.h"

#include <stdlib.h>

enum status feed_part_open(struct kafka_reader **out, const struct conf_kafka *conf, int timeout_ms,
                           struct err *e)
{
    struct kafka_property *properties = calloc(conf->properties.count + 1, sizeof *properties);
    struct kafka_reader_opts opts = {.properties = properties, .timeout_ms = timeout_ms};
    enum status st;
    if (!properties)
        return err_set(e, ST_NO_MEM, "out of memory");
    for (size_t i = 0; i < conf->properties.count; i++)
        properties[opts.property_count++] = (struct kafka_property){
            conf->properties.items[i].name, conf->properties.items[i].value};
    st = kafka_reader_create(out, &opts, e);
    free(properties);
    return st;
}
