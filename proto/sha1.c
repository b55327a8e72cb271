/*
 * sha1.c - SHA-1 of bytes that are all here.
 *
 * Whole blocks are hashed where they lie; the rest, the padding and the length
 * make one or two more on the stack.  Nothing fails.
 */
#include "sha1.h"

#define BLOCK 64
#define LENGTH 8 /* bytes of the message's length at the end of the last block */

static uint32_t rotate(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static uint32_t be32_get(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void be32_put(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* The function and the constant of round t. */
static uint32_t mix(int t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20)
        return ((b & c) | (~b & d)) + 0x5a827999;
    if (t < 40)
        return (b ^ c ^ d) + 0x6ed9eba1;
    if (t < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void hash_block(uint32_t h[5], const uint8_t *p)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (int t = 0; t < 16; t++)
        w[t] = be32_get(p + 4 * t);
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t next = rotate(a, 5) + mix(t, b, c, d) + e + w[t];

        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(struct slice s, uint8_t out[SHA1_SIZE])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    const uint8_t *p = (const uint8_t *)s.p;
    size_t left = s.len, padded;
    uint8_t end[2 * BLOCK] = {0};

    for (; left >= BLOCK; p += BLOCK, left -= BLOCK)
        hash_block(h, p);
    if (left > 0)
        memcpy(end, p, left);
    end[left] = 0x80;
    padded = left + 1 + LENGTH <= BLOCK ? BLOCK : 2 * BLOCK;
    be32_put(end + padded - 8, (uint32_t)((uint64_t)s.len >> 29));
    be32_put(end + padded - 4, (uint32_t)((uint64_t)s.len << 3));
    for (size_t i = 0; i < padded; i += BLOCK)
        hash_block(h, end + i);
    for (int i = 0; i < 5; i++)
        be32_put(out + 4 * i, h[i]);
}
