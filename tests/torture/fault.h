/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Faults on purpose: in the program of a build with -Dtorture=true, calls that can fail go through a function
 * of these files (ld's --wrap), which lets one of them fail where tools/torture asks for that. Only calls of
 * Orlop's own code are meant; what libraries do by themselves stays as it is, but for sockets
 * (fault-network.c).
 *
 * A call is told from others by its site: the function that is called, and the FAULT_DEPTH calls that lead
 * there. However the threads of a build run, the same sites come up, and each fails at its first call.
 *
 *     ORLOP_FAULT_LOG=FILE     what happens is written there, one line each:
 *                                  site CLASS ID FUNCTION ADDRESS...   a site of the class, where none is
 * asked for hit CLASS ID FUNCTION               the fault was made open DESCRIPTOR PATH                still
 * open at the end ORLOP_FAULT=CLASS        write down the sites of a class; "all": of all of them
 *     ORLOP_FAULT=CLASS:ID     let the first call from that site fail; with ":always" behind it, every one
 */
#pragma once

#include <errno.h>
#include <stdbool.h>

#define FAULT_DEPTH 4

enum fault_class {
	FAULT_MEMORY,	   /* functions of the C library that allocate: ENOMEM */
	FAULT_LIBRARY,	   /* functions of other libraries that say that they had no memory */
	FAULT_OPEN,	   /* opening, looking up and locking files: EMFILE, EIO, ENOLCK */
	FAULT_READ,	   /* EIO */
	FAULT_SHORT_READ,  /* a part of what was asked for, which is no failure */
	FAULT_WRITE,	   /* ENOSPC; for names that are made or removed, too */
	FAULT_SHORT_WRITE, /* as with reads */
	FAULT_SYNC,	   /* EIO */
	FAULT_RENAME,	   /* EIO; and links, which files without a name get theirs by */
	FAULT_REMOVE,	   /* EIO, of files and folders */
	FAULT_CONNECTION,  /* ENFILE, ECONNREFUSED, ECONNRESET */
	FAULT_PROCESS,	   /* programs, pipes and threads: EAGAIN, EMFILE */
	FAULT_CLASSES,
};

/* Whether this call shall fail; *frame* is that of the function that stands for the one of this name. */
bool fault_of(enum fault_class class, const char *function, void *const *frame);

/* The same where frames can't be followed, since a library calls. */
bool fault_unwound(enum fault_class class, const char *function);

#define fault(class, function) fault_of(class, function, __builtin_frame_address(0))

/* The function that stands for *name*, with the parameters of the C library's, and fails with *code* and
 * *result*. */
#define FAULTY(class, code, result, type, name, parameters, arguments) \
	extern __typeof__(name) __real_##name;                         \
	type __wrap_##name parameters;                                 \
	type __wrap_##name parameters                                  \
	{                                                              \
		if (fault(class, #name)) {                             \
			errno = code;                                  \
			return result;                                 \
		}                                                      \
		return __real_##name arguments;                        \
	}                                                              \
	struct name##_needs_semicolon
