/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include "update/node-config.h"

#define ZONES "/usr/share/zoneinfo"

static const char complete[] = "# of the site\n"
			       "repository: https://releases.example.org/orlop/\n"
			       "channel: SecurityPatch\n"
			       "pin: 202611.23.0\n"
			       "maximum: \"202612.1.0\"\n"
			       "windows:\n"
			       "  - weekly: {intervalWeeks: 2, daysOfWeek: [Tuesday, Sunday]}\n"
			       "    startDate: 2026-11-24\n"
			       "    startTime: 02:30\n"
			       "    durationHours: 4\n"
			       "    timeZone: Europe/Berlin\n"
			       "    notAllowedDates:\n"
			       "      - {start: 2026-12-24, end: 2027-01-02}\n"
			       "      - {start: 2027-04-05, end: 2027-04-05}\n"
			       "  - relativeMonthly:\n"
			       "      intervalMonths: 1\n"
			       "      daysOfWeek: [Saturday]\n"
			       "      weekIndex: Last\n"
			       "    startTime: '23:00'\n"
			       "    durationHours: 5\n"
			       "    utcOffset: -03:30\n"
			       "  - absoluteMonthly: {intervalMonths: 3, dayOfMonth: 31}\n"
			       "    startTime: 00:00\n"
			       "    durationHours: 24\n"
			       "  - daily: {intervalDays: 3}\n"
			       "    startTime: 12:00\n"
			       "    durationHours: 1\n"
			       "    utcOffset: +05:45\n"
			       "reboot: false\n"
			       "checkInterval: 15\n"
			       "healthTimeout: 600\n"
			       "proxy: http://proxy.example.org:3128\n"
			       "rateLimit: 10M\n"
			       "certificateAuthorities: /etc/orlop/ca.pem\n";

static void read_config(const char *text, struct node_config *ret)
{
	_cleanup_error_ struct error *err = NULL;

	assert_ok(node_config_parse(text, strlen(text), "node.yaml", ZONES, ret, &err), err);
}

static void assert_window(const struct window *window, const struct window *expected, int32_t offset)
{
	struct window seen = *window;

	assert_int_equal(time_zone_offset(window->zone, 1795608000), offset); /* 2026-11-25 12:00 UTC */
	seen.zone = NULL;
	seen.forbidden = NULL;
	assert_int_equal(seen.schedule, expected->schedule);
	assert_int_equal(seen.interval, expected->interval);
	assert_int_equal(seen.weekdays, expected->weekdays);
	assert_memory_equal(&seen.start, &expected->start, sizeof(seen.start));
	assert_int_equal(seen.minute, expected->minute);
	assert_int_equal(seen.hours, expected->hours);
	assert_int_equal(seen.forbidden_count, expected->forbidden_count);
	if (seen.schedule == WINDOW_ABSOLUTE_MONTHLY)
		assert_int_equal(seen.day, expected->day);
	if (seen.schedule == WINDOW_RELATIVE_MONTHLY)
		assert_int_equal(seen.week, expected->week);
}

static void reads_every_key(void **state)
{
	static const struct window windows[] = {
		{.schedule = WINDOW_WEEKLY,
			.interval = 2,
			.weekdays = 1 << 1 | 1 << 6,
			.start = {2026, 11, 24},
			.minute = 150,
			.hours = 4,
			.forbidden_count = 2},
		{.schedule = WINDOW_RELATIVE_MONTHLY,
			.interval = 1,
			.weekdays = 1 << 5,
			.week = WINDOW_WEEK_LAST,
			.minute = 1380,
			.hours = 5},
		{.schedule = WINDOW_ABSOLUTE_MONTHLY, .interval = 3, .day = 31, .hours = 24},
		{.schedule = WINDOW_DAILY, .interval = 3, .minute = 720, .hours = 1},
	};
	static const int32_t offsets[] = {3600, -12600, 0, 20700};
	static const struct window_dates christmas = {{2026, 12, 24}, {2027, 1, 2}};
	_cleanup_node_config_ struct node_config config = {};

	(void)state;
	read_config(complete, &config);
	assert_string_equal(config.repository, "https://releases.example.org/orlop");
	assert_int_equal(config.channel, NODE_CHANNEL_SECURITY_PATCH);
	assert_string_equal(config.pin, "202611.23.0");
	assert_string_equal(config.maximum, "202612.1.0");
	assert_int_equal(config.window_count, ARRAY_SIZE(windows));
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
		assert_window(&config.windows[i], &windows[i], offsets[i]);
	assert_memory_equal(config.windows[0].forbidden, &christmas, sizeof(christmas));
	assert_false(config.reboot);
	assert_int_equal(config.check_interval, 15);
	assert_int_equal(config.health_timeout, 600);
	assert_string_equal(config.proxy, "http://proxy.example.org:3128");
	assert_int_equal(config.rate_limit, MiB(10));
	assert_string_equal(config.certificate_authorities, "/etc/orlop/ca.pem");
}

static void an_empty_file_is_all_defaults(void **state)
{
	static const char *const texts[] = {"", "# channel: None\n", "---\n", "{}\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_node_config_ struct node_config config = {};

		read_config(texts[i], &config);
		assert_null(config.repository);
		assert_int_equal(config.channel, NODE_CHANNEL_NODE_IMAGE);
		assert_null(config.pin);
		assert_null(config.maximum);
		assert_int_equal(config.window_count, 0);
		assert_true(config.reboot);
		assert_int_equal(config.check_interval, 60);
		assert_int_equal(config.health_timeout, 300);
		assert_int_equal(config.rate_limit, 0);
		assert_null(config.proxy);
		assert_null(config.certificate_authorities);
	}
}

/* The complete file with one text in it replaced. */
static const struct {
	const char *from, *to, *message;
} faults[] = {
	{"# of the site", "colour: red", "node.yaml:1: colour: is no key that belongs here"},
	{"reboot: false", "reboot: no", "node.yaml:29: reboot: must be true or false"},
	{"SecurityPatch", "Security",
		"node.yaml:3: channel: \"Security\" is not known; there are None, Unmanaged"},
	{"channel: SecurityPatch", "channel:", "node.yaml:3: channel: must be one of None"},
	{"https://releases", "ftp://releases",
		"node.yaml:2: repository: must be a URL that begins with https://"},
	{"https://releases.example.org/orlop/", "https://", "node.yaml:2: repository: must be a URL"},
	{"https://releases.example.org/orlop/", "https:///x", "node.yaml:2: repository: must be a URL"},
	{"/orlop/", "/orlop?x=y", "node.yaml:2: repository: must be a URL"},
	{"/orlop/", "/or lop", "node.yaml:2: repository: must be a URL"},
	{"pin: 202611.23.0", "pin: ../x", "node.yaml:4: pin: must be a version such as"},
	{"\"202612.1.0\"", "[1]", "node.yaml:5: maximum: must be a version such as"},
	{"http://proxy", "proxy", "node.yaml:32: proxy: must be a URL"},
	{"10M", "10X", "node.yaml:33: rateLimit: must be a size"},
	{"/etc/orlop/ca.pem", "ca.pem", "node.yaml:34: certificateAuthorities: must be the path"},
	{"checkInterval: 15", "checkInterval: 4",
		"node.yaml:30: checkInterval: must be a number from 5 to 10080"},
	{"healthTimeout: 600", "healthTimeout: 5m", "healthTimeout: must be a number from 30 to 3600"},
	{"02:30", "24:00", "node.yaml:9: startTime: must be a time of the day such as 02:00"},
	{"02:30", "2:30", "startTime: must be a time"},
	{"02:30", "02:60", "startTime: must be a time"},
	{"02:30", "02:30:00", "startTime: must be a time"},
	{"    startTime: 02:30\n", "", "node.yaml:7: startTime: is missing"},
	{"durationHours: 4", "durationHours: 25",
		"node.yaml:10: durationHours: must be a number from 1 to 24"},
	{"    durationHours: 4\n", "", "durationHours: is missing"},
	{"startDate: 2026-11-24", "startDate: 2026-02-29", "node.yaml:8: startDate: must be a date"},
	{"end: 2027-01-02", "end: 2026-12-23",
		"node.yaml:7: windows: a range of forbidden dates ends before it begins"},
	{", end: 2027-01-02", "", "node.yaml:13: end: is missing"},
	{"Europe/Berlin", "Europe/Paris2",
		"node.yaml:7: windows: timeZone: there is no time zone Europe/Paris2"},
	{"Europe/Berlin", "Europe", "there is no time zone Europe"},
	{"Europe/Berlin", "../../../etc/passwd", "node.yaml:11: timeZone: must be the name"},
	{"Europe/Berlin", "/etc/localtime", "node.yaml:11: timeZone: must be the name"},
	{"Europe/Berlin", "zone.tab", "node.yaml:11: timeZone: must be the name"},
	{"Europe/Berlin", "tzdata-no-such", "there is no time zone"},
	{"timeZone: Europe/Berlin", "utcOffset: 01:00", "node.yaml:11: utcOffset: must be an offset"},
	{"timeZone: Europe/Berlin", "utcOffset: +14:01", "utcOffset: must be an offset"},
	{"timeZone: Europe/Berlin", "utcOffset: +00:00\n    timeZone: Europe/Berlin",
		"node.yaml:7: windows: a window has utcOffset or timeZone, not both"},
	{"[Tuesday, Sunday]", "[Tuesday, Sun]",
		"node.yaml:7: weekly: daysOfWeek: \"Sun\" is not known; there are Monday"},
	{"[Tuesday, Sunday]", "[]", "node.yaml:7: windows: no day of the week"},
	{"[Tuesday, Sunday]", "Tuesday", "daysOfWeek: must be a list"},
	{"intervalWeeks: 2, ", "", "node.yaml:7: weekly: intervalWeeks: is missing"},
	{"intervalWeeks: 2", "intervalWeeks: 0", "intervalWeeks: must be a number from 1 to 52"},
	{"intervalWeeks", "intervalDays", "node.yaml:7: weekly: intervalDays: is no key that belongs here"},
	{"weekly: {intervalWeeks: 2, daysOfWeek: [Tuesday, Sunday]}", "startDate: 2026-01-01",
		"startDate: is there twice"},
	{"- daily: {intervalDays: 3}\n    startTime", "- startTime",
		"node.yaml:25: windows: a window has exactly one of daily, weekly"},
	{"daily: {intervalDays: 3}",
		"daily: {intervalDays: 3}\n    weekly: {intervalWeeks: 1, daysOfWeek: [Monday]}",
		"windows: a window has exactly one of daily, weekly"},
	{"weekIndex: Last", "weekIndex: Fifth", "weekIndex: \"Fifth\" is not known; there are First"},
	{"dayOfMonth: 31", "dayOfMonth: 32", "dayOfMonth: must be a number from 1 to 31"},
	{"proxy: http", "windows: []\nproxy: http", "node.yaml:32: windows: is there twice"},
};

static void faults_are_named_by_file_line_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		const char *at = strstr(complete, faults[i].from);
		_cleanup_node_config_ struct node_config config = {};
		_cleanup_free_ char *text = NULL;
		struct error *err = NULL;

		assert_non_null(at);
		text = string_format("%.*s%s%s", (int)(at - complete), complete, faults[i].to,
			at + strlen(faults[i].from));
		assert_error(node_config_parse(text, strlen(text), "node.yaml", ZONES, &config, &err),
			-EINVAL, err, faults[i].message);
	}
}

static void every_week_index_is_the_week_that_it_says(void **state)
{
	static const char *const names[] = {"First", "Second", "Third", "Fourth", "Last"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_node_config_ struct node_config config = {};
		_cleanup_free_ char *text = string_format("windows: [{relativeMonthly: {intervalMonths: 1, "
							  "daysOfWeek: [Monday], weekIndex: %s}, "
							  "startTime: 01:00, durationHours: 4}]",
			names[i]);

		read_config(text, &config);
		assert_int_equal(config.windows[0].week, i + 1);
	}
}

static void channels_have_their_names(void **state)
{
	enum node_channel channel = NODE_CHANNEL_NONE;
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	assert_ok(node_channel_parse("NodeImage", &channel, &err), err);
	assert_int_equal(channel, NODE_CHANNEL_NODE_IMAGE);
	assert_string_equal(node_channel_name(NODE_CHANNEL_UNMANAGED), "Unmanaged");
	assert_error(node_channel_parse("nodeimage", &channel, &err), -EINVAL, err,
		"there are None, Unmanaged, SecurityPatch and NodeImage");
}

static void a_file_that_is_not_there_is_empty_and_a_folder_is_a_fault(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/node.yaml", folder);
	_cleanup_node_config_ struct node_config config = {}, other = {};
	struct error *err = NULL;

	(void)state;
	assert_ok(node_config_load(path, ZONES, &config, &err), err);
	assert_null(config.repository);
	assert_error(node_config_load(folder, ZONES, &other, &err), -EISDIR, err, folder);
}

/* ---- Changing it ---- */

static const struct {
	const char *what, *before, *key, *value, *after;
} changes[] = {
	{"an empty file", "", "pin", "1.2", "pin: 1.2\n"},
	{"a file of comments", "# pin: 1\n", "pin", "1.2", "# pin: 1\npin: 1.2\n"},
	{"a file without a newline at its end", "reboot: true", "pin", "1", "reboot: true\npin: 1\n"},
	{"a file with a key that is none", "a_: 1\n", "pin", "1", NULL},
	{"a value with a comment behind it", "channel: None # until 24 June\nreboot: true\n", "channel",
		"NodeImage", "channel: NodeImage # until 24 June\nreboot: true\n"},
	{"a value in quotes", "channel:   \"None\"\n", "channel", "Unmanaged", "channel:   Unmanaged\n"},
	{"a key in quotes", "'channel' : None\n", "channel", "Unmanaged", "'channel' : Unmanaged\n"},
	{"behind letters of several bytes", "# ä€𝄞\nproxy: http://x # ü\npin: 1 # é\n", "pin", "2",
		"# ä€𝄞\nproxy: http://x # ü\npin: 2 # é\n"},
	{"behind a byte order mark", "\xef\xbb\xbfpin: 1\nreboot: true\n", "pin", "2",
		"\xef\xbb\xbfpin: 2\nreboot: true\n"},
	{"with DOS line ends", "pin: 1\r\nreboot: true\r\n", "pin", "22", "pin: 22\r\nreboot: true\r\n"},
	{"a key of the same name further in",
		"windows:\n- daily: {intervalDays: 1}\n  startTime: 01:00\n  durationHours: 4\npin: 1\n",
		"pin", "2",
		"windows:\n- daily: {intervalDays: 1}\n  startTime: 01:00\n  durationHours: 4\npin: 2\n"},
	{"keys that are indented", "  reboot: true\n", "pin", "1", "  reboot: true\n  pin: 1\n"},
	{"within a document's marks", "---\npin: 1\n", "pin", "2", "---\npin: 2\n"},
	{"a value within { }", "{reboot: true, pin: 1}\n", "pin", "2", "{reboot: true, pin: 2}\n"},
	{"a value that nothing follows", "pin: 1", "pin", "2", "pin: 2"},
	{"a value that is broken", "channel: Nonsense\n", "channel", "None", "channel: None\n"},
	{"an empty value", "channel:\nreboot: true\n", "channel", "None", "channel: None\nreboot: true\n"},
	{"a value that needs quotes", "", "repository", "https://[::1]:80/a",
		"repository: \"https://[::1]:80/a\"\n"},
	{"a line, with its comment", "# a\npin: 1 # b\nreboot: true # c\n", "pin", NULL,
		"# a\nreboot: true # c\n"},
	{"the last line", "reboot: true\npin: 1", "pin", NULL, "reboot: true\n"},
	{"the first line", "pin: 1\nreboot: true\n", "pin", NULL, "reboot: true\n"},
	{"the only line", "pin: 1\n", "pin", NULL, ""},
	{"a line with a DOS line end", "pin: 1\r\nreboot: true\r\n", "pin", NULL, "reboot: true\r\n"},
	{"an indented line", "  reboot: true\n  pin: 1\n", "pin", NULL, "  reboot: true\n"},
	{"a line behind a byte order mark", "\xef\xbb\xbfpin: 1\nreboot: true\n", "pin", NULL,
		"\xef\xbb\xbfreboot: true\n"},
	{"a line that is not there", "reboot: true\n", "pin", NULL, "reboot: true\n"},

	/* What is not written: nothing changes. */
	{"a value that is none", "channel: None\n", "channel", "Nonsense", NULL},
	{"a key that is none", "channel: None\n", "colour", "red", NULL},
	{"a value of two lines", "pin: 1\n", "pin", "2\nreboot: false", NULL},
	{"an empty text", "pin: 1\n", "pin", "", NULL},
	{"a fault elsewhere", "reboot: maybe\n", "pin", "2", NULL},
	{"no YAML", "a: b: c\n", "pin", "2", NULL},
	{"a list", "- a\n", "pin", "2", NULL},
	{"a value of several lines", "pin: >\n  1\nreboot: true\n", "pin", "2", NULL},
	{"a value on the line below", "pin:\n  1\nreboot: true\n", "pin", NULL, NULL},
	{"a new key within { }", "{reboot: true}\n", "pin", "2", NULL},
	{"a key to remove within { }", "{reboot: true, pin: 1}\n", "pin", NULL, NULL},
	{"a complex key", "? pin\n: 1\n", "pin", NULL, NULL},
	{"a line that ends for YAML alone", "pin: 1 # x\xc2\x85reboot: false\n", "pin", NULL, NULL},
	{"a line that begins for YAML alone", "reboot: false\xe2\x80\xa8pin: 1\n", "pin", NULL, NULL},
	{"old Macintosh line ends", "pin: 1\rreboot: false\r", "pin", NULL, NULL},
	{"behind the end of the document", "reboot: true\n...\n", "pin", "1", NULL},
	{"a key twice", "pin: 1\npin: 2\n", "pin", "3", NULL},
};

static void a_change_is_one_of_that_line_alone(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/node.yaml", folder);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		const char *after = changes[i].after ? changes[i].after : changes[i].before;
		_cleanup_error_ struct error *err = NULL, *why = NULL;
		_cleanup_free_ char *seen = NULL;
		int r;

		assert_ok(file_write_atomic(path, changes[i].before, strlen(changes[i].before), 0640, &err),
			err);
		r = node_config_set(path, ZONES, changes[i].key, changes[i].value, &why);
		seen = scratch_read(folder, "node.yaml", NULL);
		if (r != (changes[i].after ? 0 : -EINVAL) || !streq(seen, after) || (r < 0) != (why != NULL))
			fail_msg("%s: %d (%s):\n%s", changes[i].what, r, error_message(why), seen);
	}
}

static void a_changed_file_keeps_its_mode_and_a_new_one_is_readable(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/node.yaml", folder);
	_cleanup_error_ struct error *err = NULL;
	struct stat st;

	(void)state;
	assert_ok(node_config_set(path, ZONES, "pin", "1", &err), err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(chmod(path, 0600), 0);
	assert_ok(node_config_set(path, ZONES, "pin", NULL, &err), err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 0);
}

/* Of the complete file, each plain key in turn: what is read afterwards differs in it alone. */
static void every_plain_key_can_be_removed(void **state)
{
	static const char *const keys[] = {"repository", "channel", "pin", "maximum", "reboot",
		"checkInterval", "healthTimeout", "proxy", "rateLimit", "certificateAuthorities"};
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_free_ char *path = string_format("%s/node.yaml", folder);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *line = string_format("\n%s: ", keys[i]), *seen = NULL, *expected = NULL;
		_cleanup_error_ struct error *err = NULL;
		const char *at = strstr(complete, line), *end;

		assert_non_null(at);
		end = strchr(at + 1, '\n');
		expected = string_format("%.*s%s", (int)(at - complete), complete, end);
		assert_ok(file_write_atomic(path, complete, strlen(complete), 0644, &err), err);
		assert_ok(node_config_set(path, ZONES, keys[i], NULL, &err), err);
		seen = scratch_read(folder, "node.yaml", NULL);
		assert_string_equal(seen, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_key),
		cmocka_unit_test(an_empty_file_is_all_defaults),
		cmocka_unit_test(faults_are_named_by_file_line_and_key),
		cmocka_unit_test(every_week_index_is_the_week_that_it_says),
		cmocka_unit_test(channels_have_their_names),
		cmocka_unit_test(a_file_that_is_not_there_is_empty_and_a_folder_is_a_fault),
		cmocka_unit_test(a_change_is_one_of_that_line_alone),
		cmocka_unit_test(a_changed_file_keeps_its_mode_and_a_new_one_is_readable),
		cmocka_unit_test(every_plain_key_can_be_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
