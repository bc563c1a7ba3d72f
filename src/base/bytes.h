/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Integers in byte arrays, whatever their alignment: read_le32(), write_be64() and so on.
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DEFINE_BYTES(order, bits)                                              \
	static inline uint##bits##_t read_##order##bits(const void *from)      \
	{                                                                      \
		uint##bits##_t value;                                          \
		memcpy(&value, from, sizeof(value));                           \
		return order##bits##toh(value);                                \
	}                                                                      \
	static inline void write_##order##bits(void *to, uint##bits##_t value) \
	{                                                                      \
		value = hto##order##bits(value);                               \
		memcpy(to, &value, sizeof(value));                             \
	}                                                                      \
	struct order##bits##_needs_semicolon

DEFINE_BYTES(le, 16);
DEFINE_BYTES(le, 32);
DEFINE_BYTES(le, 64);
DEFINE_BYTES(be, 16);
DEFINE_BYTES(be, 32);
DEFINE_BYTES(be, 64);

#undef DEFINE_BYTES
