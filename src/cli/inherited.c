/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inherited.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/num.h"

/* SD_LISTEN_FDS_START of sd-daemon.h. */
#define LISTEN_FDS_START 3

static uint64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    uint64_t value = 0;
    struct err ignored;
    if (!text || num_parse_u64(slice_of(text), 0, INT32_MAX, &value, &ignored) != ST_OK)
        return 0;
    return value;
}

int inherited_listener(void)
{
    uint64_t pid = number_in("LISTEN_PID");
    uint64_t count = number_in("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (pid != (uint64_t)getpid() || count < 1)
        return -1;
    fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC);
    return LISTEN_FDS_START;
}

void inherited_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd;
    if (!path || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    /* A leading @ stands for an abstract socket. */
    if (to.sun_path[0] == '@')
        to.sun_path[0] = 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    ssize_t n = sendto(fd, state, strlen(state), 0, (const struct sockaddr *)&to,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    (void)n;
    close(fd);
}
