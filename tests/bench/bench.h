/*
 * bench.h - what the bench's programs share: time, latencies, the cost of
 * other processes, and one line of JSON as the result.
 *
 * Each program is one .c file, so what is shared is written here as static
 * functions.  Anything that makes a figure worthless (a refused connection, a
 * lost event, a process that is gone) ends the program with a message and
 * status 1: a wrong figure is worse than none.
 */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* --- failing ----------------------------------------------------------------- */

__attribute__((format(printf, 1, 2), noreturn)) static inline void die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static inline void *allocate(size_t count, size_t size)
{
    void *p = calloc(count != 0 ? count : 1, size);

    if (p == NULL)
        die("out of memory");
    return p;
}

/* --- time -------------------------------------------------------------------- */

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) / 1e9;
}

/* --- sockets ----------------------------------------------------------------- */

static inline void raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* "127.0.0.1:8081", up to the first '/' or the end. */
static inline struct sockaddr_in address_of(const char *text)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    const char *colon = strchr(text, ':');
    char host[64];

    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        die("not an address:port: %s", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
        die("not an IPv4 address: %s", host);
    a.sin_port = htons((uint16_t)atoi(colon + 1));
    return a;
}

static inline int connect_to(const struct sockaddr_in *a)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        die("socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) != 0)
        die("connect to port %u: %s", ntohs(a->sin_port), strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* --- latencies --------------------------------------------------------------- */

/* Log-linear: 32 steps to each power of two, so a quantile is off by 3 % at most. */
enum { HIST_STEPS = 32, HIST_SIZE = 60 * HIST_STEPS };

struct hist {
    uint64_t count;
    uint64_t at[HIST_SIZE];
};

static inline unsigned hist_index(uint64_t ns)
{
    unsigned exponent;

    if (ns < HIST_STEPS)
        return (unsigned)ns;
    exponent = 63u - (unsigned)__builtin_clzll(ns);
    return (exponent - 4) * HIST_STEPS + ((unsigned)(ns >> (exponent - 5)) & (HIST_STEPS - 1));
}

static inline void hist_add(struct hist *h, uint64_t ns)
{
    h->count++;
    h->at[hist_index(ns)]++;
}

/* Microseconds; the middle of the step that holds the quantile. */
static inline double hist_quantile_us(const struct hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->count), seen = 0;
    unsigned i = 0;

    while (i < HIST_SIZE - 1 && (seen += h->at[i]) <= want)
        i++;
    if (i < HIST_STEPS)
        return (double)i / 1e3;
    return ((double)(HIST_STEPS + i % HIST_STEPS) + 0.5) *
           (double)(UINT64_C(1) << (i / HIST_STEPS - 1)) / 1e3;
}

/* --- what other processes cost -------------------------------------------------- */

enum { MAX_WATCHED = 16 };

struct watched {
    unsigned count;
    struct {
        long pid;
        char name[32];
        double cpu_s; /* user and system time so far, all threads */
        double pss;   /* bytes; shared pages counted by share */
    } of[MAX_WATCHED];
};

static inline void read_proc(long pid, const char *file, char *out, size_t cap)
{
    char path[64];
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "/proc/%ld/%s", pid, file);
    f = fopen(path, "re");
    if (f == NULL)
        die("process %ld is gone", pid);
    n = fread(out, 1, cap - 1, f);
    out[n] = '\0';
    fclose(f);
}

/* All threads, user and system, to the nanosecond: /proc/PID/stat counts in ticks
 * of 10 ms, which is as long as a whole replay. */
static inline double cpu_seconds(long pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        die("process %ld is gone", pid);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double pss_bytes(long pid)
{
    char text[2048];
    const char *line;

    read_proc(pid, "smaps_rollup", text, sizeof text);
    line = strstr(text, "\nPss:");
    if (line == NULL)
        die("process %ld: no Pss", pid);
    return strtod(line + 5, NULL) * 1024.0;
}

/* list: "12,34,56" */
static inline void watch_pids(struct watched *w, const char *list)
{
    char *end;

    for (; *list != '\0'; list = *end == ',' ? end + 1 : end) {
        if (w->count == MAX_WATCHED)
            die("more than %d processes to watch", MAX_WATCHED);
        w->of[w->count].pid = strtol(list, &end, 10);
        if (end == list)
            die("not a list of processes: %s", list);
        read_proc(w->of[w->count].pid, "comm", w->of[w->count].name, sizeof w->of[0].name);
        w->of[w->count].name[strcspn(w->of[w->count].name, "\n")] = '\0';
        w->count++;
    }
}

static inline void watch_cpu(struct watched *w)
{
    for (unsigned i = 0; i < w->count; i++)
        w->of[i].cpu_s = cpu_seconds(w->of[i].pid);
}

static inline void watch_memory(struct watched *w)
{
    for (unsigned i = 0; i < w->count; i++)
        w->of[i].pss = pss_bytes(w->of[i].pid);
}

/* --- the result ---------------------------------------------------------------- */

static inline void json_open(const char *mode)
{
    printf("{\"mode\":\"%s\"", mode);
}

static inline void json_number(const char *name, double value)
{
    printf(",\"%s\":%.9g", name, value);
}

/* The processes' figures by name; two of one name are added by the reader. */
static inline void json_by_process(const char *name, const struct watched *w, const double *values)
{
    printf(",\"%s\":[", name);
    for (unsigned i = 0; i < w->count; i++)
        printf("%s[\"%s\",%.9g]", i != 0 ? "," : "", w->of[i].name, values[i]);
    printf("]");
}

static inline void json_close(void)
{
    printf("}\n");
    fflush(stdout);
}

#endif
