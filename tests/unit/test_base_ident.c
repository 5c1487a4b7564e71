/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int init(void **state)
{
    struct err e;
    (void)state;
    return ident_init(&e) != ST_OK;
}

static void random_ids_are_version_4_uuids_and_differ(void **state)
{
    struct ident ids[64];
    (void)state;
    for (size_t i = 0; i < 64; i++) {
        ids[i] = ident_random();
        assert_int_equal(ids[i].bytes[6] >> 4, 4);
        assert_int_equal(ids[i].bytes[8] >> 6, 2);
        for (size_t j = 0; j < i; j++)
            assert_false(ident_eq(&ids[i], &ids[j]));
    }
}

static void formats_and_reads_back(void **state)
{
    struct ident id = ident_random();
    struct ident back;
    char text[IDENT_TEXT_MAX];
    (void)state;
    for (unsigned char i = 0; i < IDENT_BYTES; i++)
        id.bytes[i] = (unsigned char)(i * 17);
    ident_format(&id, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    assert_true(ident_parse(slice_of(text), &back));
    assert_true(ident_eq(&id, &back));
}

static void refuses_what_it_did_not_write(void **state)
{
    static const char *const texts[] = {
        "",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233445566778899aabbccddeeff",
        "0011223-34455-6677-8899-aabbccddeeff",
        "----00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeefg",
        "00112233-4455-6677-8899-AABBCCDDEEFF",
        "00112233_4455_6677_8899_aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddee-f",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ident out = {{1, 2, 3}};
        const struct ident before = out;
        if (ident_parse(slice_of(texts[i]), &out))
            fail_msg("\"%s\" is taken", texts[i]);
        assert_true(ident_eq(&out, &before));
    }
}

static void digests_depend_on_key_and_text(void **state)
{
    const struct ident key = ident_random();
    const struct ident other = ident_random();
    struct ident a = ident_digest(&key, slice_of("a"));
    struct ident again = ident_digest(&key, slice_of("a"));
    struct ident b = ident_digest(&key, slice_of("b"));
    struct ident c = ident_digest(&other, slice_of("a"));
    (void)state;
    assert_true(ident_eq(&a, &again));
    assert_false(ident_eq(&a, &b));
    assert_false(ident_eq(&a, &c));
    struct ident empty = ident_digest(&key, (struct slice){NULL, 0});
    assert_false(ident_eq(&a, &empty));
}

static void secrets_match_only_themselves(void **state)
{
    const struct secret s = secret_of(slice_of("correct horse"));
    (void)state;
    assert_true(secret_matches(&s, slice_of("correct horse")));
    assert_false(secret_matches(&s, slice_of("correct horsE")));
    assert_false(secret_matches(&s, slice_of("correct hors")));
    assert_false(secret_matches(&s, slice_of("correct horse ")));
    assert_false(secret_matches(&s, (struct slice){NULL, 0}));
}

static void wipes(void **state)
{
    char text[] = "secret";
    static const char zeros[sizeof text];
    (void)state;
    secret_wipe(text, sizeof text);
    assert_memory_equal(text, zeros, sizeof text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_ids_are_version_4_uuids_and_differ),
        cmocka_unit_test(formats_and_reads_back),
        cmocka_unit_test(refuses_what_it_did_not_write),
        cmocka_unit_test(digests_depend_on_key_and_text),
        cmocka_unit_test(secrets_match_only_themselves),
        cmocka_unit_test(wipes),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
