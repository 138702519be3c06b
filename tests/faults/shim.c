/* Lets the system calls of a process fail, one at a time: for LD_PRELOAD.

   A point is one call that changes a file below a path. After fault_arm(), the point number `nth`
   fails with an error code, or kills the process where the code is 0; and so do all later points
   where the fault lasts, as on a full disk. A write that is killed has written its first half. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char part[4096];
static int nth, code, lasts, tally = -1;
static atomic_int passed;

/* `told` is an open file that gets a line for every point. */
void fault_arm(const char *below, int number, int error, int forever, int told) {
    snprintf(part, sizeof part, "%s", below);
    nth = number, code = error, lasts = forever, tally = told;
    passed = 0;
}

static int is_there(const char *path) { return *part && path && strstr(path, part); }

static int is_file(int descriptor) {
    char link[64], path[4096];
    if (!*part || descriptor == tally) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_there(path);
}

/* Says whether this point fails. */
static int fails(const char *call) {
    int number = ++passed;
    if (tally >= 0) {
        char line[32];
        int length = snprintf(line, sizeof line, "%s\n", call);
        NEXT(write)(tally, line, length);
    }
    return number == nth || (lasts && number > nth);
}

static int die(void) {
    if (!code) kill(getpid(), SIGKILL);
    errno = code;
    return -1;
}

ssize_t write(int descriptor, const void *bytes, size_t n) {
    if (is_file(descriptor) && fails("write")) {
        if (!code) NEXT(write)(descriptor, bytes, n / 2);
        return die();
    }
    return NEXT(write)(descriptor, bytes, n);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t n, off64_t at) {
    if (is_file(descriptor) && fails("write")) {
        if (!code) NEXT(pwrite64)(descriptor, bytes, n / 2, at);
        return die();
    }
    return NEXT(pwrite64)(descriptor, bytes, n, at);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t n, off_t at) {
    return pwrite64(descriptor, bytes, n, at);
}

#define OF_A_DESCRIPTOR(name, label, parameters, arguments)                                        \
    int name parameters {                                                                          \
        return is_file(descriptor) && fails(label) ? die() : NEXT(name) arguments;                 \
    }

OF_A_DESCRIPTOR(fsync, "fsync", (int descriptor), (descriptor))
OF_A_DESCRIPTOR(fdatasync, "fsync", (int descriptor), (descriptor))
OF_A_DESCRIPTOR(ftruncate, "truncate", (int descriptor, off_t length), (descriptor, length))
OF_A_DESCRIPTOR(ftruncate64, "truncate", (int descriptor, off64_t length), (descriptor, length))

int rename(const char *from, const char *to) {
    return is_there(to) && fails("rename") ? die() : NEXT(rename)(from, to);
}

int unlink(const char *path) {
    /* A full disk lets go of a file. */
    return is_there(path) && code != ENOSPC && fails("unlink") ? die() : NEXT(unlink)(path);
}

#define OPENS(name)                                                                                \
    int name(const char *path, int flags, ...) {                                                   \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                    \
        va_end(rest);                                                                              \
        int writes = (flags & O_ACCMODE) != O_RDONLY;                                              \
        return writes && is_there(path) && fails("open") ? die() : NEXT(name)(path, flags, mode);  \
    }

OPENS(open)
OPENS(open64)
