/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_send.h"

static enum status make_headers(const struct publisher_record *rec, rd_kafka_headers_t **out,
                                struct err *e)
{
    *out = NULL;
    if (rec->header_count == 0)
        return ST_OK;
    CHECK(rec->header_count <= PUBLISHER_HEADERS_MAX);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(rec->header_count);
    for (size_t i = 0; i < rec->header_count; i++) {
        const struct publisher_header *h = &rec->headers[i];
        rd_kafka_resp_err_t err = rd_kafka_header_add(
            headers, h->name, -1, h->value.ptr ? h->value.ptr : "", (ssize_t)h->value.len);
        if (err) {
            rd_kafka_headers_destroy(headers);
            return err_set_detail(e, ST_BAD_INPUT, err, "header %s: %s", h->name,
                                  rd_kafka_err2str(err));
        }
    }
    *out = headers;
    return ST_OK;
}

static enum status status_of(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return ST_FULL;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return ST_TOO_BIG;
    default:
        return ST_AGAIN;
    }
}

enum status kafka_send(rd_kafka_t *client, const struct publisher_record *rec, void *opaque,
                       rd_kafka_resp_err_t *why, struct err *e)
{
    rd_kafka_headers_t *headers;
    enum status st = make_headers(rec, &headers, e);
    *why = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (st)
        return st;
    /* The tags stand without the macros of rdkafka.h, which are no ISO C. */
    *why = rd_kafka_producev(
        client, RD_KAFKA_VTYPE_TOPIC, rec->topic, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY,
        RD_KAFKA_VTYPE_KEY, rec->key.ptr, rec->key.len, RD_KAFKA_VTYPE_VALUE, rec->value.ptr,
        rec->value.len, RD_KAFKA_VTYPE_TIMESTAMP, rec->timestamp.us / 1000, RD_KAFKA_VTYPE_HEADERS,
        headers, RD_KAFKA_VTYPE_OPAQUE, opaque, RD_KAFKA_VTYPE_END);
    if (!*why)
        return ST_OK;
    if (headers)
        rd_kafka_headers_destroy(headers);
    return err_set_detail(e, status_of(*why), *why, "librdkafka does not take the record: %s",
                          rd_kafka_err2str(*why));
}
