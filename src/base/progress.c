/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/string-util.h"

#define REDRAW_NS UINT64_C(100000000)
#define LINE_NS UINT64_C(5000000000)

struct progress {
	pthread_mutex_t lock;
	int fd;
	enum progress_style style;
	char *name; /* of the open step, NULL where none is open */
	enum progress_unit unit;
	uint64_t total, done;
	uint64_t begun, shown; /* CLOCK_MONOTONIC, nanoseconds */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

struct progress *progress_new(int fd, enum progress_style style)
{
	struct progress *progress = calloc(1, sizeof(*progress));

	if (!progress)
		return NULL;
	pthread_mutex_init(&progress->lock, NULL);
	progress->fd = fd;
	progress->style = style;
	return progress;
}

struct progress *progress_free(struct progress *progress)
{
	if (progress) {
		/* An open step was left by an error: end its line without saying that it was done. */
		if (progress->name && progress->style == PROGRESS_TERMINAL)
			(void)!write(progress->fd, "\n", 1);
		pthread_mutex_destroy(&progress->lock);
		free(progress->name);
		free(progress);
	}
	return NULL;
}

enum progress_style progress_style_of(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && !streq(term, "dumb") ? PROGRESS_TERMINAL : PROGRESS_LINES;
}

/* Writes one line; a display that can't be written to is no reason to stop the work. */
static void put_line(struct progress *progress, const char *text, bool finished)
{
	_cleanup_free_ char *line = NULL;
	bool redraw = progress->style == PROGRESS_TERMINAL;

	line = string_format("%s%s%s", redraw ? "\r\033[K" : "", text, redraw && !finished ? "" : "\n");
	if (line)
		(void)!write(progress->fd, line, strlen(line));
}

/* "12.0 MiB of 127.0 MiB, 31.5 MiB/s", or "12 of 168" */
static char *describe(const struct progress *progress, uint64_t now)
{
	char done[SIZE_TEXT_MAX], total[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];
	double seconds = (double)(now - progress->begun) / 1e9;

	if (progress->unit == PROGRESS_ITEMS)
		return progress->total > 0
			       ? string_format("%s: %ju of %ju", progress->name, (uintmax_t)progress->done,
					 (uintmax_t)progress->total)
			       : string_format("%s: %ju", progress->name, (uintmax_t)progress->done);
	format_size(progress->done, done);
	format_size(seconds > 0 ? (uint64_t)((double)progress->done / seconds) : 0, rate);
	if (progress->total == 0)
		return string_format("%s: %s, %s/s", progress->name, done, rate);
	format_size(progress->total, total);
	return string_format("%s: %s of %s, %s/s", progress->name, done, total, rate);
}

static void show(struct progress *progress, bool force)
{
	_cleanup_free_ char *text = NULL;
	uint64_t now = now_ns();
	uint64_t interval = progress->style == PROGRESS_TERMINAL ? REDRAW_NS : LINE_NS;

	if (progress->style == PROGRESS_NONE || !progress->name ||
		(!force && now - progress->shown < interval))
		return;
	progress->shown = now;
	text = describe(progress, now);
	if (text)
		put_line(progress, text, false);
}

static void end_locked(struct progress *progress, const char *text)
{
	_cleanup_free_ char *line = NULL, *count = NULL;
	uint64_t now = now_ns();

	if (!progress->name)
		return;
	if (text)
		line = string_format(
			"%s: %s (%.1f s)", progress->name, text, (double)(now - progress->begun) / 1e9);
	else {
		count = describe(progress, now);
		line = string_format(
			"%s (%.1f s)", count ? count : "", (double)(now - progress->begun) / 1e9);
	}
	if (line && progress->style != PROGRESS_NONE)
		put_line(progress, line, true);
	progress->name = string_free(progress->name);
}

void progress_begin(struct progress *progress, const char *name, uint64_t total, enum progress_unit unit)
{
	if (!progress)
		return;
	pthread_mutex_lock(&progress->lock);
	end_locked(progress, NULL);
	progress->name = strdup(name);
	progress->unit = unit;
	progress->total = total;
	progress->done = 0;
	progress->begun = progress->shown = now_ns();
	if (progress->style == PROGRESS_TERMINAL)
		show(progress, true);
	pthread_mutex_unlock(&progress->lock);
}

void progress_set_total(struct progress *progress, uint64_t total)
{
	if (!progress)
		return;
	pthread_mutex_lock(&progress->lock);
	progress->total = total;
	pthread_mutex_unlock(&progress->lock);
}

void progress_add(struct progress *progress, uint64_t done)
{
	if (!progress)
		return;
	pthread_mutex_lock(&progress->lock);
	progress->done += done;
	show(progress, false);
	pthread_mutex_unlock(&progress->lock);
}

void progress_end(struct progress *progress, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	if (!progress)
		return;
	if (format) {
		va_start(args, format);
		if (vasprintf(&text, format, args) < 0)
			text = NULL;
		va_end(args);
	}
	pthread_mutex_lock(&progress->lock);
	end_locked(progress, text);
	pthread_mutex_unlock(&progress->lock);
}

static _printf_(3, 0) void put_note(
	struct progress *progress, const char *prefix, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL, *line = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	line = text ? string_format("%s%s", prefix, text) : NULL;
	if (!line)
		return;
	pthread_mutex_lock(&progress->lock);
	put_line(progress, line, true);
	if (progress->style == PROGRESS_TERMINAL)
		show(progress, true);
	pthread_mutex_unlock(&progress->lock);
}

void progress_note(struct progress *progress, const char *format, ...)
{
	va_list args;

	if (!progress || progress->style == PROGRESS_NONE)
		return;
	va_start(args, format);
	put_note(progress, "", format, args);
	va_end(args);
}

void progress_warn(struct progress *progress, const char *format, ...)
{
	va_list args;

	if (!progress)
		return;
	va_start(args, format);
	put_note(progress, "warning: ", format, args);
	va_end(args);
}
