/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <fcntl.h>
#include <regex.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/work.h"

/* What was written to the display, which is the writing end of a pipe. */
struct display {
	int read, write;
};

static struct display display_new(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	return (struct display){ends[0], ends[1]};
}

static void display_shows(struct display *display, const char *pattern)
{
	_cleanup_free_ char *text = calloc(1, 65536);
	ssize_t n;
	regex_t regex;

	assert_non_null(text);
	n = read(display->read, text, 65535);
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, n > 0 ? text : "", 0, NULL, 0) != 0)
		fail_msg("\"%s\" is not \"%s\"", text, pattern);
	regfree(&regex);
}

static void display_close(struct display *display)
{
	(void)close(display->read);
	(void)close(display->write);
}

static void steps_are_lines(void **state)
{
	_cleanup_(display_close) struct display display = display_new();
	_cleanup_progress_ struct progress *progress = progress_new(display.write, PROGRESS_LINES);

	(void)state;
	progress_begin(progress, "unpack", 3, PROGRESS_ITEMS);
	progress_add(progress, 2);
	progress_add(progress, 1);
	progress_end(progress, NULL);
	progress_begin(progress, "fetch", MiB(2), PROGRESS_BYTES);
	progress_add(progress, MiB(2));
	progress_end(progress, "%d packages", 7);
	progress_note(progress, "note %s", "well");
	progress_end(progress, NULL); /* no step is open */
	display_shows(&display, "^unpack: 3 of 3 \\([0-9]+\\.[0-9] s\\)\n"
				"fetch: 7 packages \\([0-9]+\\.[0-9] s\\)\nnote well\n$");
}

static void a_new_step_ends_the_one_before(void **state)
{
	_cleanup_(display_close) struct display display = display_new();
	_cleanup_progress_ struct progress *progress = progress_new(display.write, PROGRESS_LINES);

	(void)state;
	progress_begin(progress, "one", 0, PROGRESS_ITEMS);
	progress_add(progress, 5);
	progress_begin(progress, "two", 0, PROGRESS_BYTES);
	display_shows(&display, "^one: 5 \\([0-9.]+ s\\)\n$");
	progress_set_total(progress, KiB(4));
	progress_add(progress, KiB(1));
	progress_end(progress, NULL);
	display_shows(&display, "^two: 1\\.0 KiB of 4\\.0 KiB, [0-9.]+ [KMGTPE]?i?B/s \\([0-9.]+ s\\)\n$");
}

static void a_terminal_line_is_redrawn_and_an_unfinished_one_ended(void **state)
{
	_cleanup_(display_close) struct display display = display_new();
	struct progress *progress = progress_new(display.write, PROGRESS_TERMINAL);

	(void)state;
	progress_begin(progress, "step", 9, PROGRESS_ITEMS);
	display_shows(&display, "^\r\033\\[Kstep: 0 of 9$");
	progress_note(progress, "note");
	display_shows(&display, "^\r\033\\[Knote\n\r\033\\[Kstep: 0 of 9$");
	progress_free(progress); /* after an error: the step was not done */
	display_shows(&display, "^\n$");
}

static void nothing_is_shown_to_nobody(void **state)
{
	_cleanup_(display_close) struct display display = display_new();
	_cleanup_progress_ struct progress *progress = progress_new(display.write, PROGRESS_NONE);
	struct progress *nobody = NULL;

	(void)state;
	progress_begin(progress, "step", 1, PROGRESS_ITEMS);
	progress_note(progress, "note");
	progress_end(progress, "done");
	display_shows(&display, "^$");
	progress_begin(nobody, "step", 1, PROGRESS_ITEMS);
	progress_set_total(nobody, 2);
	progress_add(nobody, 1);
	progress_note(nobody, "note");
	progress_end(nobody, "done");
	assert_int_equal(progress_style_of(display.write), PROGRESS_LINES);
}

static void a_warning_is_shown_in_any_style(void **state)
{
	static const struct {
		enum progress_style style;
		const char *pattern;
	} cases[] = {
		{PROGRESS_NONE, "^warning: line 7\n$"},
		{PROGRESS_LINES, "^warning: line 7\n$"},
		{PROGRESS_TERMINAL, "^\r\033\\[Kwarning: line 7\n$"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(display_close) struct display display = display_new();
		_cleanup_progress_ struct progress *progress = progress_new(display.write, cases[i].style);

		progress_warn(progress, "line %d", 7);
		display_shows(&display, cases[i].pattern);
	}
	progress_warn(NULL, "line %d", 7);
}

static int add_one(size_t index, void *userdata, struct error **err)
{
	(void)index;
	(void)err;
	progress_add(userdata, 1);
	return 0;
}

static void counts_of_several_threads_add_up(void **state)
{
	_cleanup_(display_close) struct display display = display_new();
	_cleanup_progress_ struct progress *progress = progress_new(display.write, PROGRESS_LINES);

	(void)state;
	progress_begin(progress, "step", 20000, PROGRESS_ITEMS);
	assert_int_equal(work_run(4, 20000, add_one, progress, NULL), 0);
	progress_end(progress, NULL);
	display_shows(&display, "step: 20000 of 20000 \\([0-9.]+ s\\)\n$");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_lines),
		cmocka_unit_test(a_new_step_ends_the_one_before),
		cmocka_unit_test(a_terminal_line_is_redrawn_and_an_unfinished_one_ended),
		cmocka_unit_test(nothing_is_shown_to_nobody),
		cmocka_unit_test(a_warning_is_shown_in_any_style),
		cmocka_unit_test(counts_of_several_threads_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
