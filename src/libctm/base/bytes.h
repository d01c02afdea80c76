/* base/bytes.h: integers in files: little-endian, read and written byte by byte, at any alignment. */
#ifndef CTMI_BASE_BYTES_H
#define CTMI_BASE_BYTES_H

#include <stdint.h>

static inline uint16_t ctmi_get_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t ctmi_get_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t ctmi_get_u64(const unsigned char *at)
{
    return (uint64_t)ctmi_get_u32(at) | (uint64_t)ctmi_get_u32(at + 4) << 32;
}

static inline void ctmi_put_u16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
}

static inline void ctmi_put_u32(unsigned char *at, uint32_t value)
{
    ctmi_put_u16(at, (uint16_t)value);
    ctmi_put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void ctmi_put_u64(unsigned char *at, uint64_t value)
{
    ctmi_put_u32(at, (uint32_t)value);
    ctmi_put_u32(at + 4, (uint32_t)(value >> 32));
}

#endif
