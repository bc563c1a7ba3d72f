/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a long operation tells of itself. A library function takes a `struct progress *` (NULL: tell nobody),
 * opens a step, counts what it has done and closes the step; only the program decides what a person sees: a
 * line that is redrawn on a terminal, plain lines elsewhere, JSON lines, nothing.
 *
 * Counting is safe from several threads at once; beginning and ending a step is not.
 */
#pragma once

#include "base/macro.h"

enum progress_style {
	PROGRESS_NONE,	   /* warnings alone */
	PROGRESS_LINES,	   /* one line for each finished step, and one every few seconds in between */
	PROGRESS_TERMINAL, /* a line that is redrawn */
};

enum progress_unit {
	PROGRESS_ITEMS,
	PROGRESS_BYTES,
};

struct progress;

/* A progress display on *fd*, which stays the caller's. NULL where memory is out. */
struct progress *progress_new(int fd, enum progress_style style);
struct progress *progress_free(struct progress *progress);
DEFINE_CLEANUP(struct progress *, progress_free);
#define _cleanup_progress_ _cleanup_(progress_freep)

/* PROGRESS_TERMINAL where *fd* is a terminal that can redraw a line, PROGRESS_LINES otherwise. */
enum progress_style progress_style_of(int fd);

/* Begins a step with a *total* in *unit*s (0: not known). A step that is open is ended first. */
void progress_begin(struct progress *progress, const char *name, uint64_t total, enum progress_unit unit);
void progress_set_total(struct progress *progress, uint64_t total);
void progress_add(struct progress *progress, uint64_t done);

/* Ends the step; the formatted text ("127.0 MiB, 168 packages") says what came out, NULL: the count alone. */
void progress_end(struct progress *progress, const char *format, ...) _printf_(2, 3);

/* Writes a line of its own, above what is being redrawn. */
void progress_note(struct progress *progress, const char *format, ...) _printf_(2, 3);

/* The same of what may be a mistake: "warning: " stands before it, and it is shown in any style. */
void progress_warn(struct progress *progress, const char *format, ...) _printf_(2, 3);
