/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <string.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

/* For each half byte its remainder by the reflected Castagnoli polynomial, 0x82f63b78. */
static const uint32_t remainders[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

uint32_t checksum_crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (; len; len--) {
        crc ^= *p++;
        crc = (crc >> 4) ^ remainders[crc & 15];
        crc = (crc >> 4) ^ remainders[crc & 15];
    }
    return ~crc;
}

/* The processor's instruction, over eight bytes and over one. */
#if defined(__x86_64__)
#define WITH_CRC        __attribute__((target("sse4.2")))
#define CRC_WORD(c, w)  ((uint32_t)__builtin_ia32_crc32di((c), (w)))
#define CRC_BYTE(c, b)  __builtin_ia32_crc32qi((c), (b))
#define HAS_INSTRUCTION __builtin_cpu_supports("sse4.2")
#elif defined(__aarch64__) && defined(__clang__)
#define WITH_CRC        __attribute__((target("crc")))
#define CRC_WORD(c, w)  __builtin_arm_crc32cd((c), (w))
#define CRC_BYTE(c, b)  __builtin_arm_crc32cb((c), (b))
#define HAS_INSTRUCTION (getauxval(AT_HWCAP) & HWCAP_CRC32)
#elif defined(__aarch64__)
#define WITH_CRC        __attribute__((target("+crc")))
#define CRC_WORD(c, w)  __builtin_aarch64_crc32cx((c), (w))
#define CRC_BYTE(c, b)  __builtin_aarch64_crc32cb((c), (b))
#define HAS_INSTRUCTION (getauxval(AT_HWCAP) & HWCAP_CRC32)
#endif

#ifdef HAS_INSTRUCTION
WITH_CRC static uint32_t by_instruction(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = CRC_WORD(crc, word);
    }
    for (; len; len--)
        crc = CRC_BYTE(crc, *p++);
    return ~crc;
}
#endif

uint32_t checksum_crc32c(uint32_t crc, const void *bytes, size_t len)
{
#ifdef HAS_INSTRUCTION
    if (HAS_INSTRUCTION)
        return by_instruction(crc, bytes, len);
#endif
    return checksum_crc32c_portable(crc, bytes, len);
}
