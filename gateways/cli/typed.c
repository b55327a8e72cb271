/*
 * typed.c - the terminal without its echo.
 *
 * A signal that ends us is kept until the terminal is as it was, and sent again then.
 */
#include "typed.h"

#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "mem.h"

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t ended_by;

static void note_signal(int number)
{
    ended_by = number;
}

static void catch_signals(struct sigaction *before)
{
    const struct sigaction note = {.sa_handler = note_signal}; /* reading is broken off */

    ended_by = 0;
    for (size_t i = 0; i < ARRAY_LEN(ending); i++)
        (void)sigaction(ending[i], &note, &before[i]);
}

static void let_signals(const struct sigaction *before)
{
    for (size_t i = 0; i < ARRAY_LEN(ending); i++)
        (void)sigaction(ending[i], &before[i], NULL);
    if (ended_by != 0)
        (void)raise(ended_by);
}

/* Without stdio, whose buffer would keep it. */
static bool read_line(int fd, char out[TYPED_MAX])
{
    size_t len = 0;
    ssize_t n = 0;

    while (len < TYPED_MAX - 1 && ended_by == 0 && (n = read(fd, out + len, 1)) == 1 &&
           out[len] != '\n')
        len++;
    if (n != 1 || out[len] != '\n')
        return false;
    out[len] = '\0';
    return true;
}

static bool ask_silently(FILE *tty, const char *prompt, const char *whose, char out[TYPED_MAX])
{
    struct sigaction before[ARRAY_LEN(ending)];
    struct termios was, silent;
    bool got;

    if (tcgetattr(fileno(tty), &was) != 0)
        return false;
    catch_signals(before);
    silent = was;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(fileno(tty), TCSAFLUSH, &silent);
    fprintf(tty, "%s %s: ", prompt, whose); /* after the flush, which would take the answer */
    (void)fflush(tty);
    got = read_line(fileno(tty), out);
    (void)tcsetattr(fileno(tty), TCSAFLUSH, &was);
    fputc('\n', tty);
    let_signals(before);
    return got;
}

bool typed_secret(const char *prompt, const char *whose, char out[TYPED_MAX])
{
    FILE *tty = fopen("/dev/tty", "r+e");
    bool got;

    if (tty == NULL)
        return false;
    got = ask_silently(tty, prompt, whose, out);
    (void)fclose(tty);
    return got;
}
