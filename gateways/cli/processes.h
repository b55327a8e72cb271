/*
 * processes.h - the processes of a system, in the order in which they start.
 *
 * A process belongs to the system when its binary lies beside our own.
 */
#ifndef CLI_PROCESSES_H
#define CLI_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>

struct process_spec {
    const char *name; /* also its section of the configuration */
    const char *binary;
};

#define PROCESS_BROKER 0 /* its place; the others are gateways */
#define PROCESSES_MAX 7
extern const struct process_spec process_specs[PROCESSES_MAX];

/* The path of a binary beside our own: allocated, or NULL when it is not there. */
char *processes_path(const struct process_spec *spec);

#endif
