/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_HTTP_HTTP_ACCESS_H
#define RELAY_HTTP_HTTP_ACCESS_H

/*
 * libmicrohttpd's view of a request - request line, first call, body pieces, last call, completed -
 * turned into ours: gate, limits, handler, answer. Internal to the http room.
 *
 * Owns nothing; a request's memory is http_req's.
 *
 * Threads: http, all functions. Invariant: a request is answered at most once, and whoever refuses
 * it here tells handler.on_refused exactly once.
 */

#include <microhttpd.h>

/* What follows "?" in a query keeps its escapes: nothing here decodes. */
size_t http_access_unescape(void *cls, struct MHD_Connection *mhd, char *text);
/* Called with the raw target; the result is the request. */
void *http_access_begin(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_access_serve(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context);
void http_access_end(void *cls, struct MHD_Connection *mhd, void **context,
                     enum MHD_RequestTerminationCode how);

#endif
