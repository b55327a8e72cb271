/*
 * hex.h - a hexadecimal digit's value, for the codecs of this folder.
 */
#ifndef PROTO_HEX_H
#define PROTO_HEX_H

/* 0 to 15 in either case, or -1. */
static inline int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif
