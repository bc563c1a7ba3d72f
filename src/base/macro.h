/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership and arithmetic helpers that every file uses.
 *
 * A variable marked _cleanup_…_ is released when it goes out of scope; TAKE_PTR and TAKE_FD hand its value on
 * and leave nothing behind to release. Arithmetic on numbers from outside goes through the checked helpers
 * below.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CLAMP(value, low, high) MIN(MAX(value, low), high)
#define KiB(n) ((uint64_t)(n) << 10)
#define MiB(n) ((uint64_t)(n) << 20)
#define GiB(n) ((uint64_t)(n) << 30)

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(text, first) __attribute__((format(printf, text, first)))
#define _unused_ __attribute__((unused))
#define _warn_unused_ __attribute__((warn_unused_result))

/* Takes the value out of a pointer variable, which is NULL afterwards. */
#define TAKE_PTR(pointer)                                         \
	({                                                        \
		__typeof__(pointer) *_take_address = &(pointer);  \
		__typeof__(pointer) _take_value = *_take_address; \
		*_take_address = NULL;                            \
		_take_value;                                      \
	})

/* Takes the value out of a file descriptor variable, which is -1 afterwards. */
#define TAKE_FD(fd)                               \
	({                                        \
		int *_take_address = &(fd);       \
		int _take_value = *_take_address; \
		*_take_address = -1;              \
		_take_value;                      \
	})

/*
 * Defines NAMEp(), the function that a cleanup attribute calls for a variable of pointer type *type*, from a
 * destructor that takes NULL and returns NULL.
 */
#define DEFINE_CLEANUP(type, destructor)                 \
	static inline void destructor##p(type *variable) \
	{                                                \
		if (*variable)                           \
			(void)destructor(*variable);     \
	}                                                \
	struct destructor##_needs_semicolon

static inline void cleanup_freep(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_fclosep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

/* Checked arithmetic: each returns true where *ret holds the result, false on overflow. */
#define checked_add(a, b, ret) (!__builtin_add_overflow((a), (b), (ret)))
#define checked_sub(a, b, ret) (!__builtin_sub_overflow((a), (b), (ret)))
#define checked_mul(a, b, ret) (!__builtin_mul_overflow((a), (b), (ret)))

/* Rounds up to a multiple of *align*, a power of two. The caller knows that the result fits. */
static inline uint64_t round_up_u64(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static inline uint64_t div_round_up_u64(uint64_t value, uint64_t divisor)
{
	return value / divisor + (value % divisor != 0);
}

static inline bool is_power_of_two_u64(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}
