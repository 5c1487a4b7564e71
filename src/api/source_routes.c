/* SPDX-License-Identifier: Apache-2.0 */
#include "api/source_routes.h"

#include <stdlib.h>

static const char *org_of(const struct conf_source *conf)
{
    return conf->org[0] ? conf->org : conf->name;
}

enum status source_routes_create(struct routes **out, const struct conf_source *conf, struct err *e)
{
    struct route_rule *rules = calloc(conf->rules.count + 1, sizeof *rules);
    struct envelope_keys *keys = calloc(conf->rules.count + 1, sizeof *keys);
    struct routes_opts opts = {.template_text = conf->topic,
                               .source = conf->name,
                               .org = org_of(conf),
                               .rules = rules,
                               .rule_count = conf->rules.count};
    enum status st = ST_NO_MEM;
    if (!rules || !keys) {
        err_set(e, ST_NO_MEM, "routes: out of memory");
        goto out_free;
    }
    _Static_assert(sizeof(struct conf_keys) == sizeof(struct envelope_keys), "the same bound");
    for (size_t i = 0; i < conf->rules.count; i++) {
        const struct conf_rule *rule = &conf->rules.items[i];
        memcpy(keys[i].names, rule->keys.names, sizeof keys[i].names);
        rules[i] = (struct route_rule){
            .what = rule->what, .topic = rule->topic, .keys = rule->keys_line ? &keys[i] : NULL};
    }
    memcpy(keys[conf->rules.count].names, conf->key.names, sizeof keys[0].names);
    opts.keys = &keys[conf->rules.count];
    st = routes_create(out, &opts, e);

out_free:
    free(rules);
    free(keys);
    return st;
}

enum status source_routes_dead_letters(struct routes **out, const struct conf_source *conf,
                                       const struct routes *events, struct err *e)
{
    const struct routes_opts opts = {.template_text = conf->dead_letter_topic,
                                     .source = conf->name,
                                     .org = org_of(conf),
                                     .keys = &envelope_keys_default};
    struct routes *letters = NULL;
    struct slice topic;
    enum status st;
    *out = NULL;
    if (!conf->dead_letter_topic[0])
        return ST_OK;
    st = routes_create(&letters, &opts, e);
    if (st == ST_OK && routes_share(letters, events, &topic)) {
        st = err_set(e, ST_BAD_INPUT,
                     "must not give \"%.*s\", which is a topic of this source's events",
                     (int)topic.len, topic.ptr);
        routes_destroy(letters);
        letters = NULL;
    }
    *out = letters;
    return st;
}

enum status source_routes_check(const struct conf_source *conf, struct err *e)
{
    struct routes *events = NULL, *letters = NULL;
    enum status st = source_routes_create(&events, conf, e);
    /* What is wrong with the topics of events is no fault of this option. */
    if (st != ST_OK)
        return ST_OK;
    st = source_routes_dead_letters(&letters, conf, events, e);
    routes_destroy(letters);
    routes_destroy(events);
    return st;
}
