/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/shadow_fault.h"

#include "shadow/shadow.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A test that needs more has stopped being one story. */
#define PLANS_MAX 8
#define TEXT_MAX  512

struct plan {
    enum shadow_op op;
    unsigned long nth; /* counts down; 0 is due */
    int error;
    bool sticky;
    bool spent;
};

static const char *const op_names[SHADOW_OP_COUNT] = {
    [SHADOW_OPEN] = "open",           [SHADOW_WRITE] = "write",
    [SHADOW_PWRITE] = "pwrite",       [SHADOW_FTRUNCATE] = "ftruncate",
    [SHADOW_FALLOCATE] = "fallocate", [SHADOW_FDATASYNC] = "fdatasync",
    [SHADOW_FSYNC] = "fsync",         [SHADOW_UNLINK] = "unlink",
    [SHADOW_RENAME] = "rename",
};

static const struct {
    const char *name;
    int value;
} errors[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS},
    {"EACCES", EACCES}, {"EPERM", EPERM},   {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"ENOMEM", ENOMEM}, {"EINTR", EINTR},   {"ENOENT", ENOENT},
};

static struct plan plans[PLANS_MAX];
static size_t n_plans;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static enum shadow_op op_of(const char *word, const char *plan)
{
    for (int i = 0; i < SHADOW_OP_COUNT; i++) {
        if (strcmp(word, op_names[i]) == 0)
            return (enum shadow_op)i;
    }
    shadow_refuse("SHADOW_FAIL: unknown operation '%s' in '%s'", word, plan);
}

static int error_of(const char *word, const char *plan)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (strcmp(word, errors[i].name) == 0)
            return errors[i].value;
    }
    shadow_refuse("SHADOW_FAIL: unknown errno '%s' in '%s'", word, plan);
}

static unsigned long nth_of(const char *word, const char *plan)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end || errno != 0 || n == 0)
        shadow_refuse("SHADOW_FAIL: '%s' in '%s' is not a count from 1", word, plan);
    return n;
}

static void add_plan(char *text)
{
    char copy[TEXT_MAX];
    char *words[4] = {NULL};
    size_t n_words = 0;
    char *rest = text;
    memcpy(copy, text, strlen(text) + 1);
    for (char *word; (word = strsep(&rest, ":"));) {
        if (n_words == 4)
            shadow_refuse("SHADOW_FAIL: too many parts in '%s'", copy);
        words[n_words++] = word;
    }
    if (n_words < 3)
        shadow_refuse("SHADOW_FAIL: '%s' is not <op>:<n>:<ERRNO>[:sticky]", copy);
    if (n_words == 4 && strcmp(words[3], "sticky") != 0)
        shadow_refuse("SHADOW_FAIL: '%s' in '%s' is not 'sticky'", words[3], copy);
    if (n_plans == PLANS_MAX)
        shadow_refuse("SHADOW_FAIL: more than %d plans", PLANS_MAX);
    plans[n_plans++] = (struct plan){
        .op = op_of(words[0], copy),
        .nth = nth_of(words[1], copy),
        .error = error_of(words[2], copy),
        .sticky = n_words == 4,
    };
}

void shadow_fault_start(const char *text)
{
    char copy[TEXT_MAX];
    char *rest = copy;
    if (!text || !*text)
        return;
    if (strlen(text) >= sizeof copy)
        shadow_refuse("SHADOW_FAIL: longer than %d bytes", TEXT_MAX - 1);
    memcpy(copy, text, strlen(text) + 1);
    for (char *plan; (plan = strsep(&rest, ","));)
        add_plan(plan);
}

bool shadow_fault_is_planned(enum shadow_op op)
{
    for (size_t i = 0; i < n_plans; i++) {
        if (plans[i].op == op)
            return true;
    }
    return false;
}

int shadow_fault_take(enum shadow_op op)
{
    int error = 0;
    if (!shadow_fault_is_planned(op))
        return 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_plans; i++) {
        struct plan *p = &plans[i];
        if (p->op != op || p->spent)
            continue;
        if (p->nth > 0)
            p->nth--;
        if (p->nth > 0)
            continue;
        p->spent = !p->sticky;
        if (error == 0)
            error = p->error;
    }
    pthread_mutex_unlock(&lock);
    return error;
}
