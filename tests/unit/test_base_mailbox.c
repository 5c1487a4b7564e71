/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include "base/clock.h"
#include "base/thread.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Long enough that only a hang reaches it. */
#define DEADLINE_MS 20000
#define SENDERS     4
#define LETTERS     20000

struct letter {
    struct mail mail;
    int sender;
    int number;
};

static struct letter *letter_of(struct mail *m)
{
    return (struct letter *)(void *)m;
}

static void gives_letters_in_the_order_of_posting(void **state)
{
    struct mailbox *mb = mailbox_create(8);
    struct letter letters[5];
    struct mail *first;
    (void)state;
    for (int i = 0; i < 5; i++) {
        letters[i].number = i;
        assert_int_equal(mailbox_post(mb, &letters[i].mail), ST_OK);
    }
    assert_int_equal(mailbox_depth(mb), 5);
    assert_int_equal(mailbox_take(mb, 3, 0, &first), 3);
    for (int i = 0; i < 3; i++, first = first->next)
        assert_int_equal(letter_of(first)->number, i);
    assert_null(first);
    assert_int_equal(mailbox_take(mb, 3, -1, &first), 2);
    assert_int_equal(letter_of(first)->number, 3);
    assert_int_equal(letter_of(first->next)->number, 4);
    assert_null(first->next->next);
    assert_int_equal(mailbox_depth(mb), 0);
    mailbox_destroy(mb);
}

static void can_be_filled_again_after_it_was_emptied(void **state)
{
    struct mailbox *mb = mailbox_create(2);
    struct letter a, b;
    struct mail *first;
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mailbox_post(mb, &a.mail), ST_OK);
        assert_int_equal(mailbox_post(mb, &b.mail), ST_OK);
        assert_int_equal(mailbox_take(mb, 10, 0, &first), 2);
        assert_ptr_equal(first, &a.mail);
        assert_ptr_equal(first->next, &b.mail);
    }
    mailbox_destroy(mb);
}

static void refuses_a_letter_over_its_capacity(void **state)
{
    struct mailbox *mb = mailbox_create(2);
    struct letter letters[3];
    struct mail *first;
    (void)state;
    assert_int_equal(mailbox_post(mb, &letters[0].mail), ST_OK);
    assert_int_equal(mailbox_post(mb, &letters[1].mail), ST_OK);
    assert_int_equal(mailbox_post(mb, &letters[2].mail), ST_FULL);
    assert_int_equal(mailbox_take(mb, 1, 0, &first), 1);
    assert_int_equal(mailbox_post(mb, &letters[2].mail), ST_OK);
    assert_int_equal(mailbox_take(mb, 9, 0, &first), 2);
    mailbox_destroy(mb);
}

static void a_closed_one_refuses_letters_but_gives_what_it_holds(void **state)
{
    struct mailbox *mb = mailbox_create(2);
    struct letter a, b;
    struct mail *first;
    (void)state;
    assert_int_equal(mailbox_post(mb, &a.mail), ST_OK);
    assert_false(mailbox_is_closed(mb));
    mailbox_close(mb);
    assert_true(mailbox_is_closed(mb));
    assert_int_equal(mailbox_post(mb, &b.mail), ST_DENIED);
    assert_int_equal(mailbox_take(mb, 9, -1, &first), 1);
    assert_int_equal(mailbox_take(mb, 9, -1, &first), 0);
    assert_null(first);
    mailbox_destroy(mb);
}

static void waits_no_longer_than_it_was_told(void **state)
{
    struct mailbox *mb = mailbox_create(1);
    struct mail *first;
    struct mono before = clock_mono(clock_system());
    (void)state;
    assert_int_equal(mailbox_take(mb, 1, 30, &first), 0);
    assert_null(first);
    assert_true(mono_diff_ns(clock_mono(clock_system()), before) >= 30 * 1000000);
    assert_int_equal(mailbox_take(mb, 1, 0, &first), 0);
    mailbox_destroy(mb);
}

static void a_nudge_before_the_wait_ends_it_once(void **state)
{
    struct mailbox *mb = mailbox_create(1);
    struct mail *first;
    struct mono before = clock_mono(clock_system());
    (void)state;
    mailbox_nudge(mb);
    mailbox_nudge(mb);
    assert_int_equal(mailbox_take(mb, 1, DEADLINE_MS, &first), 0);
    assert_true(mono_diff_ns(clock_mono(clock_system()), before) < DEADLINE_MS * INT64_C(1000000));
    before = clock_mono(clock_system());
    assert_int_equal(mailbox_take(mb, 1, 20, &first), 0);
    assert_true(mono_diff_ns(clock_mono(clock_system()), before) >= 20 * 1000000);
    mailbox_destroy(mb);
}

static void nudge_it(void *mb)
{
    mailbox_nudge(mb);
}

static void close_it(void *mb)
{
    mailbox_close(mb);
}

static struct letter lone_letter;

static void post_it(void *mb)
{
    assert_int_equal(mailbox_post(mb, &lone_letter.mail), ST_OK);
}

/* Another thread ends a wait that has no limit of its own. */
static size_t wait_for(void (*other)(void *), struct mailbox *mb, struct mail **first)
{
    struct thread *t;
    struct err e;
    assert_int_equal(thread_start(&t, "other", other, mb, &e), ST_OK);
    size_t n = mailbox_take(mb, 1, -1, first);
    thread_join(t);
    return n;
}

static void post_nudge_and_close_from_another_thread_end_a_wait(void **state)
{
    struct mailbox *mb = mailbox_create(1);
    struct mail *first;
    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(wait_for(post_it, mb, &first), 1);
        assert_ptr_equal(first, &lone_letter.mail);
        assert_int_equal(wait_for(nudge_it, mb, &first), 0);
    }
    assert_int_equal(wait_for(close_it, mb, &first), 0);
    mailbox_destroy(mb);
}

struct sender {
    struct mailbox *mb;
    struct letter *letters;
    int refused;
};

static void send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < LETTERS; i++)
        while (mailbox_post(s->mb, &s->letters[i].mail) != ST_OK) {
            s->refused++;
            sched_yield();
        }
}

static void many_senders_lose_and_double_nothing(void **state)
{
    struct mailbox *mb = mailbox_create(64);
    struct sender senders[SENDERS] = {0};
    struct thread *threads[SENDERS];
    int next[SENDERS] = {0};
    struct mail *m;
    struct err e;
    (void)state;
    for (int s = 0; s < SENDERS; s++) {
        senders[s].mb = mb;
        senders[s].letters = calloc(LETTERS, sizeof(struct letter));
        assert_non_null(senders[s].letters);
        for (int i = 0; i < LETTERS; i++)
            senders[s].letters[i] = (struct letter){.sender = s, .number = i};
        assert_int_equal(thread_start(&threads[s], "sender", send_all, &senders[s], &e), ST_OK);
    }
    for (int got = 0; got < SENDERS * LETTERS;) {
        size_t n = mailbox_take(mb, 16, DEADLINE_MS, &m);
        assert_in_range(n, 1, 16);
        for (; m; m = m->next, got++)
            assert_int_equal(letter_of(m)->number, next[letter_of(m)->sender]++);
    }
    for (int s = 0; s < SENDERS; s++) {
        thread_join(threads[s]);
        assert_int_equal(next[s], LETTERS);
        free(senders[s].letters);
    }
    assert_int_equal(mailbox_depth(mb), 0);
    mailbox_destroy(mb);
    mailbox_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_letters_in_the_order_of_posting),
        cmocka_unit_test(can_be_filled_again_after_it_was_emptied),
        cmocka_unit_test(refuses_a_letter_over_its_capacity),
        cmocka_unit_test(a_closed_one_refuses_letters_but_gives_what_it_holds),
        cmocka_unit_test(waits_no_longer_than_it_was_told),
        cmocka_unit_test(a_nudge_before_the_wait_ends_it_once),
        cmocka_unit_test(post_nudge_and_close_from_another_thread_end_a_wait),
        cmocka_unit_test(many_senders_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
