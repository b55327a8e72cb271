#include "cli.h"
const struct command command_check = {
    .name = "check", .operands = "", .summary = "", .details = ""};
