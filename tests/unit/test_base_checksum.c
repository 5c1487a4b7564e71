/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* RFC 3720 appendix B.4, whose bytes are in network order, and the usual check of a CRC. */
static void gives_the_published_check_values(void **state)
{
    static const unsigned char zeros[32];
    unsigned char ones[32], rising[32], falling[32];
    (void)state;
    for (unsigned char i = 0; i < 32; i++) {
        ones[i] = 0xff;
        rising[i] = i;
        falling[i] = (unsigned char)(31 - i);
    }
    assert_int_equal(checksum_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(checksum_crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(checksum_crc32c(0, rising, 32), 0x46dd794e);
    assert_int_equal(checksum_crc32c(0, falling, 32), 0x113fdb5c);
    assert_int_equal(checksum_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(checksum_crc32c_portable(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(checksum_crc32c_portable(0, "123456789", 9), 0xe3069283);
    assert_int_equal(checksum_crc32c(0, NULL, 0), 0);
}

static void the_instruction_and_the_table_free_code_agree(void **state)
{
    unsigned char bytes[600];
    uint64_t x = 88172645463325252u; /* a fixed start: the test is the same every time */
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (unsigned char)(x >> 32);
    }
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; from + len <= sizeof bytes; len++)
            assert_int_equal(checksum_crc32c(0, bytes + from, len),
                             checksum_crc32c_portable(0, bytes + from, len));
}

static void continues_over_pieces(void **state)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog";
    uint32_t whole = checksum_crc32c(0, text, sizeof text);
    (void)state;
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        uint32_t crc = checksum_crc32c(0, text, cut);
        assert_int_equal(checksum_crc32c(crc, text + cut, sizeof text - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_check_values),
        cmocka_unit_test(the_instruction_and_the_table_free_code_agree),
        cmocka_unit_test(continues_over_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
