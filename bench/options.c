/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "bodies.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/random.h>

/* The port range of one loopback client address has fewer than 30000 free ports by default. */
#define CONNECTIONS_MAX 20000
#define DURATION_MAX_S  86400
#define DURATION_S      10
/* With --requests alone: a guard against a server that never answers. */
#define DURATION_OF_REQUESTS_S 600
#define REQUESTS_MAX           UINT64_C(1000000000000)
#define RATE_MAX               10000000
#define WAIT_MAX_MS            3600000
/* The largest whole number that every JSON reader keeps exact (RFC 8259, section 6). */
#define SEED_MAX ((UINT64_C(1) << 53) - 1)

static const char help[] =
    "usage: loadgen --url http://127.0.0.1:PORT/PATH [options]\n"
    "\n"
    "Sends Gladly-shaped webhook events over HTTP/1.1 and measures the answers.\n"
    "\n"
    "target\n"
    "  --url URL             http, loopback only (127.x.y.z or localhost)\n"
    "  --method M            POST (default), PUT or GET (GET sends no body)\n"
    "  --header 'N: V'       adds a request header; may be given up to 16 times\n"
    "load\n"
    "  --connections N       1..20000, default 16\n"
    "  --duration S          seconds up to 86400, decimals allowed; default 10, or 600 with "
    "--requests\n"
    "  --requests N          ends after N distinct requests\n"
    "  --rate R              open loop: R arrivals per second on a fixed schedule, up to "
    "10000000;\n"
    "                        latency counts from the intended time. Without it: closed loop\n"
    "  --drain-ms N          waits so long for the last answers after the load, default 5000\n"
    "  --timeout-ms N        a connection without an answer for so long is broken, default 30000\n"
    "bodies\n"
    "  --mix S:W,S:W,...     body sizes in bytes (400..1048576) and weights,\n"
    "                        default " BODIES_MIX_DEFAULT "\n"
    "  --keys N              distinct conversations, 1..10000000, default 1000\n"
    "  --key-per-connection  every key belongs to one connection, so that its requests are never\n"
    "                        under way together; raises --keys to --connections when it is lower\n"
    "  --seed N              makes ids, sizes and keys the same in every run, 0..2^53-1; default "
    "random\n"
    "failures\n"
    "  --reconnect           connects again when a connection fails; without it a failure is "
    "final\n"
    "  --retry-unanswered    sends a request again, with the same id, until it is answered 2xx;\n"
    "                        implies --reconnect\n"
    "  --retry-ms N          waits so long before connecting or sending again, default 20\n"
    "results\n"
    "  --ledger FILE         appends '<id> <status> <seq> <key> <n> <send_us> <answer_us>' for "
    "each\n"
    "                        finished request, before the next request on its connection\n"
    "  --status-file FILE    every 50 ms: '<sent> <answered 2xx> <other answers> <under way>'\n"
    "  --json                one JSON object instead of text\n"
    "  --help\n"
    "\n"
    "SIGTERM or SIGINT ends the load, waits for the answers under way and reports; a second one\n"
    "ends at once. Exit status: 0 fine; 1 a connection failed without --reconnect, the server "
    "broke\n"
    "HTTP, nothing was answered 2xx, or a result could not be written; 2 wrong usage.\n";

enum option_code {
    OPT_URL = 256,
    OPT_METHOD,
    OPT_HEADER,
    OPT_CONNECTIONS,
    OPT_DURATION,
    OPT_REQUESTS,
    OPT_RATE,
    OPT_DRAIN_MS,
    OPT_TIMEOUT_MS,
    OPT_MIX,
    OPT_KEYS,
    OPT_KEY_PER_CONNECTION,
    OPT_SEED,
    OPT_RECONNECT,
    OPT_RETRY_UNANSWERED,
    OPT_RETRY_MS,
    OPT_LEDGER,
    OPT_STATUS_FILE,
    OPT_JSON,
    OPT_HELP,
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, OPT_URL},
    {"method", required_argument, NULL, OPT_METHOD},
    {"header", required_argument, NULL, OPT_HEADER},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"duration", required_argument, NULL, OPT_DURATION},
    {"requests", required_argument, NULL, OPT_REQUESTS},
    {"rate", required_argument, NULL, OPT_RATE},
    {"drain-ms", required_argument, NULL, OPT_DRAIN_MS},
    {"timeout-ms", required_argument, NULL, OPT_TIMEOUT_MS},
    {"mix", required_argument, NULL, OPT_MIX},
    {"keys", required_argument, NULL, OPT_KEYS},
    {"key-per-connection", no_argument, NULL, OPT_KEY_PER_CONNECTION},
    {"seed", required_argument, NULL, OPT_SEED},
    {"reconnect", no_argument, NULL, OPT_RECONNECT},
    {"retry-unanswered", no_argument, NULL, OPT_RETRY_UNANSWERED},
    {"retry-ms", required_argument, NULL, OPT_RETRY_MS},
    {"ledger", required_argument, NULL, OPT_LEDGER},
    {"status-file", required_argument, NULL, OPT_STATUS_FILE},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

const char *options_help(void)
{
    return help;
}

static const char *name_of(int code)
{
    const struct option *o = long_options;
    while (o->val != code)
        o++;
    return o->name;
}

struct range {
    uint64_t min;
    uint64_t max;
};

static bool read_u64(int code, struct range r, uint64_t *out, struct fail *f)
{
    char *end = NULL;
    errno = 0;
    *out = optarg[0] >= '0' && optarg[0] <= '9' ? strtoull(optarg, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || *out < r.min || *out > r.max)
        return fail_set(f, "--%s '%s' is not a whole number from %llu to %llu", name_of(code),
                        optarg, (unsigned long long)r.min, (unsigned long long)r.max);
    return true;
}

static bool read_u32(int code, struct range r, uint32_t *out, struct fail *f)
{
    uint64_t v = 0;
    bool ok = read_u64(code, r, &v, f);
    *out = (uint32_t)v;
    return ok;
}

static bool read_ms(int code, struct range r, int64_t *out, struct fail *f)
{
    uint64_t v = 0;
    bool ok = read_u64(code, r, &v, f);
    *out = (int64_t)v;
    return ok;
}

static bool read_duration(int64_t *out_ms, struct fail *f)
{
    char *end = NULL;
    double s = optarg[0] >= '0' && optarg[0] <= '9' ? strtod(optarg, &end) : 0.0;
    if (end == NULL || *end != '\0' || !(s >= 0.001) || !(s <= DURATION_MAX_S))
        return fail_set(f, "--duration '%s' is not a number of seconds from 0.001 to %d", optarg,
                        DURATION_MAX_S);
    *out_ms = (int64_t)(s * 1000.0 + 0.5);
    return true;
}

static bool add_header(struct options *o, struct fail *f)
{
    if (o->header_count == TARGET_HEADERS_MAX)
        return fail_set(f, "more than %d headers", TARGET_HEADERS_MAX);
    o->headers[o->header_count++] = optarg;
    return true;
}

static bool take_number(struct options *o, int code, struct fail *f)
{
    switch (code) {
    case OPT_CONNECTIONS:
        return read_u32(code, (struct range){1, CONNECTIONS_MAX}, &o->connections, f);
    case OPT_DURATION:
        return read_duration(&o->duration_ms, f);
    case OPT_REQUESTS:
        return read_u64(code, (struct range){1, REQUESTS_MAX}, &o->requests, f);
    case OPT_RATE:
        return read_u32(code, (struct range){1, RATE_MAX}, &o->rate, f);
    case OPT_DRAIN_MS:
        return read_ms(code, (struct range){0, WAIT_MAX_MS}, &o->drain_ms, f);
    case OPT_TIMEOUT_MS:
        return read_ms(code, (struct range){1, WAIT_MAX_MS}, &o->timeout_ms, f);
    case OPT_KEYS:
        return read_u32(code, (struct range){1, BODIES_KEYS_MAX}, &o->keys, f);
    case OPT_SEED:
        return read_u64(code, (struct range){0, SEED_MAX}, &o->seed, f);
    case OPT_RETRY_MS:
        return read_ms(code, (struct range){1, WAIT_MAX_MS}, &o->retry_ms, f);
    default:
        return fail_set(f, "unknown option; see --help");
    }
}

static bool take_option(struct options *o, int code, struct fail *f)
{
    switch (code) {
    case OPT_URL:
        o->url = optarg;
        return true;
    case OPT_METHOD:
        o->method = optarg;
        return true;
    case OPT_HEADER:
        return add_header(o, f);
    case OPT_MIX:
        o->mix = optarg;
        return true;
    case OPT_KEY_PER_CONNECTION:
        o->key_per_connection = true;
        return true;
    case OPT_RECONNECT:
        o->reconnect = true;
        return true;
    case OPT_RETRY_UNANSWERED:
        o->reconnect = o->retry_unanswered = true;
        return true;
    case OPT_LEDGER:
        o->ledger_path = optarg;
        return true;
    case OPT_STATUS_FILE:
        o->status_path = optarg;
        return true;
    case OPT_JSON:
        o->json = true;
        return true;
    case OPT_HELP:
        o->help = true;
        return true;
    default:
        return take_number(o, code, f);
    }
}

static bool draw_seed(uint64_t *seed, struct fail *f)
{
    if (getrandom(seed, sizeof *seed, 0) != (ssize_t)sizeof *seed)
        return fail_set_errno(f, errno, "cannot draw a seed");
    *seed &= SEED_MAX;
    return true;
}

bool options_read(struct options *o, int argc, char *const *argv, struct fail *f)
{
    *o = (struct options){
        .method = "POST",
        .connections = 16,
        .mix = BODIES_MIX_DEFAULT,
        .keys = 1000,
        .retry_ms = 20,
        .timeout_ms = 30000,
        .drain_ms = 5000,
    };
    if (!draw_seed(&o->seed, f))
        return false;
    for (;;) {
        int at = optind;
        opterr = 0;
        int code = getopt_long(argc, argv, "", long_options, NULL);
        if (code == -1)
            break;
        if (code == '?')
            return fail_set(f, "option '%s' is unknown or lacks its value; see --help",
                            argv[at < argc ? at : argc - 1]);
        if (!take_option(o, code, f))
            return false;
        if (o->help)
            return true;
    }
    if (optind < argc)
        return fail_set(f, "'%s' is not an option; see --help", argv[optind]);
    if (o->url == NULL)
        return fail_set(f, "--url is required; see --help");
    if (o->duration_ms == 0)
        o->duration_ms = INT64_C(1000) * (o->requests > 0 ? DURATION_OF_REQUESTS_S : DURATION_S);
    if (o->key_per_connection && o->keys < o->connections)
        o->keys = o->connections;
    return true;
}
