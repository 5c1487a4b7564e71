/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_DEF_H
#define RELAY_CONF_CONF_DEF_H

/*
 * The one table of options. The fields of struct conf, the parser, the checks, the masked dump,
 * config/README.md and config/relay.conf all come from it.
 *
 * A row is X(kind, key, field, text, min, max, flags, doc):
 *   kind   what a value looks like and the C type of the field, see CONF_MEMBER_... in conf.h;
 *   key    as written in the file; the part in capitals stands for a name that the operator
 * chooses; field  the member of the section's struct, with its unit; rows of a list share one
 * field; text   the default, or with CONF_EXAMPLE or CONF_REQUIRED an example (then the default is
 *          nothing);
 *   min, max  bounds as an operator writes them; the length in bytes for texts and secrets; of a
 * CHOICE its words in min, "a, b or c"; "" where the kind alone decides; flags  CONF_RELOAD: a
 * reload applies a change; CONF_RESTART: only a restart does; doc    one line: what it is for, and
 * the reason of the default or bound.
 *
 * Secret are the kinds SECRET, SECRET_PROPERTY and HEADERS: they are masked in the dump and each
 * may come from a file by the key with "_file" behind its first word (token_file, header_file.NAME)
 * or at its end (sasl.password_file).
 */

#define CONF_RESTART  0u
#define CONF_RELOAD   1u
#define CONF_REQUIRED 2u /* must be given; text is an example */
#define CONF_EXAMPLE  4u /* text is an example */
#define CONF_SHOWN    8u /* an example that the sample file does not comment out */

#define CONF_HTTP(X)                                                                           \
    X(LISTEN, "listen", listen, "127.0.0.1:8080", "", "", CONF_RESTART,                        \
      "Address and port for webhooks, IPv6 as [::1]:8080; port 0 lets the kernel choose.")     \
    X(COUNT, "threads", threads, "2", "1", "16", CONF_RESTART,                                 \
      "Server threads; each has its own listening socket and connections.")                    \
    X(COUNT, "connections_max", connections_max, "2048", "16", "65536", CONF_RESTART,          \
      "Open connections over all threads; more are closed at once, each costs a descriptor.")  \
    X(SIZE, "header_bytes_max", header_bytes_max, "8KiB", "4KiB", "64KiB", CONF_RESTART,       \
      "Request line and headers of one request; more is answered 431.")                        \
    X(COUNT, "header_count_max", header_count_max, "64", "8", "256", CONF_RESTART,             \
      "Headers of one request; more is answered 431.")                                         \
    X(SIZE, "body_max", body_max_bytes, "16MiB", "1KiB", "16MiB", CONF_RESTART,                \
      "Body of one request; more is answered 413, so keep it above the largest webhook.")      \
    X(SIZE, "memory_max", memory_max_bytes, "256MiB", "16MiB", "4GiB", CONF_RESTART,           \
      "Bodies of all requests together; over it new requests are answered 503.")               \
    X(COUNT, "waiting_max", waiting_max, "8192", "16", "65536", CONF_RESTART,                  \
      "Requests that wait for their commit; over it new requests are answered 503.")           \
    X(DURATION, "request_timeout", request_timeout_ms, "30s", "1s", "10m", CONF_RESTART,       \
      "From the first byte of a request to its last; cuts off clients that trickle.")          \
    X(DURATION, "idle_timeout", idle_timeout_ms, "75s", "1s", "1h", CONF_RESTART,              \
      "How long a kept-alive connection may wait for its next request.")                       \
    X(DURATION, "answer_timeout", answer_timeout_ms, "10s", "100ms", "14s", CONF_RESTART,      \
      "How long a request waits for its commit before 503; under Gladly's own 15 s.")          \
    X(DURATION, "ack_timeout", ack_timeout_ms, "5s", "10ms", "13s", CONF_RESTART,              \
      "How long sources with ack = kafka wait for Kafka; must be below answer_timeout.")       \
    X(DURATION, "drain_timeout", drain_timeout_ms, "10s", "0", "60s", CONF_RESTART,            \
      "How long a stop waits for requests that are being answered.")                           \
    X(TEXT, "tls_cert_file", tls_cert_file, "/etc/gladly-relay/tls.crt", "1", "4000",          \
      CONF_RELOAD | CONF_EXAMPLE,                                                              \
      "Certificate chain (PEM) for HTTPS; without it the server speaks plain HTTP.")           \
    X(TEXT, "tls_key_file", tls_key_file, "/etc/gladly-relay/tls.key", "1", "4000",            \
      CONF_RELOAD | CONF_EXAMPLE, "Private key (PEM) of tls_cert_file; both or neither.")      \
    X(ADDRESSES, "trusted_proxies", trusted_proxies, "", "", "", CONF_RELOAD,                  \
      "Comma-separated addresses of proxies; forwarded headers are believed only from these.") \
    X(COUNT, "auth_failures_max", auth_failures_max, "60", "0", "10000", CONF_RELOAD,          \
      "Failed authentications of one address a minute before it is answered 429; 0 is off.")

#define CONF_JOURNAL(X)                                                                         \
    X(TEXT, "path", path, "relay.db", "1", "4000", CONF_RESTART | CONF_REQUIRED,                \
      "The journal's database file; relative to the working directory, on a local disk.")       \
    X(COUNT, "commit_rows_max", commit_rows_max, "1024", "1", "8192", CONF_RESTART,             \
      "Webhooks in one commit; larger batches trade latency for throughput.")                   \
    X(COUNT, "checkpoint_pages", checkpoint_pages, "200", "100", "100000", CONF_RESTART,        \
      "Pages in the write-ahead log before it is moved into the database file.")                \
    X(SIZE, "wal_max", wal_max_bytes, "64MiB", "1MiB", "4GiB", CONF_RESTART,                    \
      "Bound of the write-ahead log's file; it is moved into the database file before.")        \
    X(SIZE, "free_space_floor", free_space_floor_bytes, "256MiB", "0", "1024GiB", CONF_RESTART, \
      "Free disk space below which webhooks are refused, so that the disk never fills up.")     \
    X(SIZE, "ballast", ballast_bytes, "32MiB", "0", "4GiB", CONF_RESTART,                       \
      "A file that is given up when the disk is full all the same; 0 is none.")                 \
    X(DURATION, "dedupe_window", dedupe_window_ms, "48h", "24h", "30d", CONF_RESTART,           \
      "How long an event id is remembered; longer than Gladly goes on retrying.")               \
    X(COUNT, "dedupe_ids_max", dedupe_ids_max, "2000000", "1000", "100000000", CONF_RESTART,    \
      "Event ids in the window; the oldest leave first, each costs memory.")                    \
    X(DURATION, "retention", retention_ms, "4d", "0", "3650d", CONF_RELOAD,                     \
      "How long published webhooks stay for replay; 0 keeps none.")                             \
    X(SIZE, "retention_bytes", retention_bytes, "0", "0", "16384GiB", CONF_RELOAD,              \
      "Published webhooks kept at most, the oldest leave first; 0 is no limit.")                \
    X(BOOL, "secure_delete", secure_delete, "false", "", "", CONF_RESTART,                      \
      "Overwrite deleted webhooks with zeros; costs writes.")

#define CONF_KAFKA(X)                                                                              \
    X(PROPERTY, "bootstrap.servers", properties, "127.0.0.1:9092", "", "",                         \
      CONF_RESTART | CONF_REQUIRED, "Comma-separated brokers to start from, as host:port.")        \
    X(BOOL, "create_topics", create_topics, "true", "", "", CONF_RESTART,                          \
      "Create missing topics; otherwise their records wait until somebody does.")                  \
    X(COUNT, "partitions", partitions, "6", "1", "10000", CONF_RESTART,                            \
      "Partitions of topics created here; raising it later moves keys to other partitions.")       \
    X(COUNT, "replication", replication, "0", "0", "10", CONF_RESTART,                             \
      "Replication factor of topics created here; 0 is the broker's default.")                     \
    X(COUNT, "lane_in_flight", lane_in_flight, "2000", "1", "100000", CONF_RESTART,                \
      "Records of one lane sent and not yet reported; bounds what a restart sends again.")         \
    X(CHOICE, "delivery", delivery, "at_least_once", "at_least_once or exactly_once", "",          \
      CONF_RESTART,                                                                                \
      "exactly_once publishes in transactions; consumers must read committed records only.")       \
    X(TEXT, "transactional_id", transactional_id, "gladly-relay-eu", "1", "200",                   \
      CONF_RESTART | CONF_EXAMPLE,                                                                 \
      "With exactly_once: no other relay's; without it, gladly-relay- and the journal's id.")      \
    X(TEXT, "checkpoint_topic", checkpoint_topic, "gladly-relay-checkpoint-eu", "1", "249",        \
      CONF_RESTART | CONF_EXAMPLE,                                                                 \
      "With exactly_once: no other relay's; without it, the transactional id and -checkpoint.")    \
    X(PROPERTY, "acks", properties, "all", "", "", CONF_RESTART | CONF_EXAMPLE,                    \
      "Client property; only all keeps the promise that nothing acknowledged is lost.")            \
    X(PROPERTY, "retries", properties, "2147483647", "", "", CONF_RESTART | CONF_EXAMPLE,          \
      "Client property: attempts inside the client before a record is reported as failed.")        \
    X(PROPERTY, "partitioner", properties, "murmur2_random", "", "", CONF_RESTART | CONF_EXAMPLE,  \
      "Client property: murmur2_random places keys as Java producers do.")                         \
    X(PROPERTY, "debug", properties, "broker,security", "", "", CONF_RESTART | CONF_EXAMPLE,       \
      "Client property: debug contexts of the client library, for a short while only.")            \
    X(SECRET_PROPERTY, "sasl.password", properties, "${KAFKA_PASSWORD}", "", "",                   \
      CONF_RESTART | CONF_EXAMPLE, "Client property: password for SASL PLAIN and SCRAM.")          \
    X(SECRET_PROPERTY, "sasl.oauthbearer.client.secret", properties, "${KAFKA_CLIENT_SECRET}", "", \
      "", CONF_RESTART | CONF_EXAMPLE, "Client property: secret for SASL OAUTHBEARER with OIDC.")  \
    X(SECRET_PROPERTY, "sasl.oauthbearer.config", properties, "${KAFKA_OAUTHBEARER}", "", "",      \
      CONF_RESTART | CONF_EXAMPLE, "Client property: settings for SASL OAUTHBEARER.")              \
    X(SECRET_PROPERTY, "ssl.key.password", properties, "${KAFKA_KEY_PASSWORD}", "", "",            \
      CONF_RESTART | CONF_EXAMPLE, "Client property: passphrase of ssl.key.location.")             \
    X(SECRET_PROPERTY, "ssl.key.pem", properties, "${KAFKA_KEY}", "", "",                          \
      CONF_RESTART | CONF_EXAMPLE, "Client property: private key (PEM) of the client.")            \
    X(SECRET_PROPERTY, "ssl.keystore.password", properties, "${KAFKA_KEYSTORE_PASSWORD}", "", "",  \
      CONF_RESTART | CONF_EXAMPLE, "Client property: password of ssl.keystore.location.")          \
    X(PROPERTIES, "ANY.PROPERTY", properties, "value", "", "", CONF_RESTART | CONF_EXAMPLE,        \
      "Every other key with a dot goes to librdkafka as it is; at most 256 properties in all.")

#define CONF_ADMIN(X)                                                                             \
    X(LISTEN, "listen", listen, "127.0.0.1:9464", "0", "", CONF_RESTART,                          \
      "Address and port for health, metrics and administration; empty is off.")                   \
    X(TEXT, "socket", socket, "", "0", "4000", CONF_RESTART,                                      \
      "Unix socket of the commands, mode 0600; empty: the journal's path and -admin; off: none.") \
    X(SECRET, "token", token, "${ADMIN_TOKEN}", "16", "1024", CONF_RELOAD | CONF_EXAMPLE,         \
      "Bearer token that may operate over listen; without tokens it serves only /metrics.")       \
    X(SECRET, "read_token", read_token, "${ADMIN_READ_TOKEN}", "16", "1024",                      \
      CONF_RELOAD | CONF_EXAMPLE, "Bearer token that may look at everything over listen.")

#define CONF_LOG(X)                                       \
    X(LEVEL, "level", level, "info", "", "", CONF_RELOAD, \
      "Least level that is written to stderr: debug, info, warn or error.")

/* An org has only its name so far: an empty section declares it. */
#define CONF_ORG(X)

#define CONF_SOURCE(X)                                                                             \
    X(PATH, "path", path, "/gladly", "1", "256", CONF_RESTART | CONF_REQUIRED,                     \
      "URL path of this webhook; no other source's, nor /healthz, /readyz or /metrics.")           \
    X(ORG, "org", org, "acme", "1", "32", CONF_RESTART | CONF_EXAMPLE,                             \
      "The [org] that it belongs to; otherwise the source is an org of its own, of its name.")     \
    X(SECRET, "token", token, "${GLADLY_TOKEN}", "8", "1024",                                      \
      CONF_RELOAD | CONF_EXAMPLE | CONF_SHOWN,                                                     \
      "Secret that Gladly sends in the header; shorter ones are guessed too easily.")              \
    X(SECRET, "token_previous", token_previous, "${GLADLY_TOKEN_PREVIOUS}", "8", "1024",           \
      CONF_RELOAD | CONF_EXAMPLE, "Second token that is accepted while tokens are rotated.")       \
    X(HEADER, "header", header, "x-api-key", "1", "64", CONF_RELOAD,                               \
      "Name of the request header that carries the token.")                                        \
    X(HEADERS, "header.NAME", headers, "${GLADLY_HEADER}", "1", "1024",                            \
      CONF_RELOAD | CONF_EXAMPLE, "A further header that every request must carry; at most 8.")    \
    X(USER, "basic_user", basic_user, "gladly", "1", "256", CONF_RELOAD | CONF_EXAMPLE,            \
      "User of HTTP basic authentication; together with basic_password.")                          \
    X(SECRET, "basic_password", basic_password, "${GLADLY_PASSWORD}", "8", "1024",                 \
      CONF_RELOAD | CONF_EXAMPLE, "Password of basic_user.")                                       \
    X(SECRET, "basic_password_previous", basic_password_previous, "${GLADLY_PASSWORD_PREVIOUS}",   \
      "8", "1024", CONF_RELOAD | CONF_EXAMPLE,                                                     \
      "Second password that is accepted while passwords are rotated.")                             \
    X(CHOICE, "ack", ack, "journal", "journal or kafka", "", CONF_RESTART,                         \
      "What 200 waits for: the journal's commit, or Kafka's confirmation too (see ack_timeout).")  \
    X(TOPIC, "topic", topic, "gladly.{family}", "1", "249", CONF_RESTART,                          \
      "Topic of its records; {family}, {source} and {org} are filled in.")                         \
    X(TOPIC_RULES, "topic.FAMILY", rules, "gladly.calls", "1", "249", CONF_RESTART | CONF_EXAMPLE, \
      "Topic of one FAMILY or one type FAMILY/NAME, or - to keep it in the journal only.")         \
    X(TOPIC, "dead_letter_topic", dead_letter_topic, "gladly.dead-letters", "1", "249",            \
      CONF_RESTART | CONF_EXAMPLE,                                                                 \
      "Topic that gets a copy of what is parked; {family}, {source} and {org} are filled in.")     \
    X(KEYS, "key", key, "conversationId,customerId,destinationCustomerId,taskId,agentId,jobId,id", \
      "", "", CONF_RESTART,                                                                        \
      "Where the record key is looked for, in this order; records of one key stay in order.")      \
    X(KEY_RULES, "key.FAMILY", rules, "customerId,id", "", "", CONF_RESTART | CONF_EXAMPLE,        \
      "The same for one FAMILY or one type FAMILY/NAME.")

#endif
