/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/who.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void who_am_i(char out[WHO_MAX])
{
    const char *sudo = getenv("SUDO_USER");
    struct passwd entry, *user = NULL;
    char bytes[4096];
    /* Without an entry, or one over the bound, the number stands for the name. */
    if (getpwuid_r(getuid(), &entry, bytes, sizeof bytes, &user) != 0)
        user = NULL;
    if (sudo && sudo[0])
        snprintf(out, WHO_MAX, "%.*s", WHO_MAX - 1, sudo);
    else if (user)
        snprintf(out, WHO_MAX, "%.*s", WHO_MAX - 1, user->pw_name);
    else
        snprintf(out, WHO_MAX, "uid %u", (unsigned)getuid());
}
