/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_CHECKSUM_H
#define RELAY_BASE_CHECKSUM_H

/*
 * CRC-32C (Castagnoli; polynomial and check value: RFC 3720 appendix B.4). It guards journal rows:
 * SQLite's pages carry no checksum of their own. Uses the processor's instruction where there is
 * one. Re-entrant.
 */

#include <stddef.h>
#include <stdint.h>

/* Continues crc (0 at the start) over len bytes. */
uint32_t checksum_crc32c(uint32_t crc, const void *bytes, size_t len);
/* The same without the instruction, so that tests can hold one against the other. */
uint32_t checksum_crc32c_portable(uint32_t crc, const void *bytes, size_t len);

#endif
