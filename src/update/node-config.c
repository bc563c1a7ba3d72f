/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-config.h"

#include <ctype.h>
#include <errno.h>

#include "base/file.h"
#include "base/string-util.h"
#include "format/release-index.h"
#include "format/yaml.h"

#define OFFSET_MAX (14 * 60) /* minutes; no place on Earth is further from UTC */

enum {
	WINDOWS_MAX = 64,
	FORBIDDEN_MAX = 366,
	URL_MAX = 2048,
	ZONE_NAME_MAX = 64,
};

static const char *const channels[] = {
	[NODE_CHANNEL_NONE] = "None",
	[NODE_CHANNEL_UNMANAGED] = "Unmanaged",
	[NODE_CHANNEL_SECURITY_PATCH] = "SecurityPatch",
	[NODE_CHANNEL_NODE_IMAGE] = "NodeImage",
	NULL,
};

/* Bit 0 is Monday, as in struct window. */
static const char *const weekdays[] = {
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", NULL};
static const char *const weeks[] = {"First", "Second", "Third", "Fourth", "Last", NULL};

/* ---- Single values ---- */

/* A scheme of *schemes*, a host or path behind it, and nothing that a path could not be put behind. */
static bool is_url(const char *text, const char *const *schemes)
{
	const char *rest = NULL;

	for (; *schemes && !rest; schemes++)
		rest = startswith(text, *schemes);
	if (!rest || !*rest || *rest == '/' || strlen(text) > URL_MAX)
		return false;
	for (; *rest; rest++)
		if (*rest <= ' ' || *rest > '~' || strchr("?#\"<>\\^`{|}", *rest))
			return false;
	return true;
}

static bool parse_repository(const char *text, void *value)
{
	(void)value;
	return is_url(text, (const char *const[]){"https://", "http://", "file:///", NULL});
}

static bool parse_proxy(const char *text, void *value)
{
	(void)value;
	return is_url(text, (const char *const[]){"http://", "https://", "socks5://", "socks5h://", NULL});
}

static bool parse_version(const char *text, void *value)
{
	(void)value;
	return release_version_is_valid(text);
}

static bool parse_path(const char *text, void *value)
{
	(void)value;
	return text[0] == '/' && text[strspn(text, "/")];
}

/* The name of a file below the folder of all zones, and of none elsewhere. */
static bool parse_zone(const char *text, void *value)
{
	(void)value;
	if (strlen(text) > ZONE_NAME_MAX || !isalpha((unsigned char)text[0]))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("+-_/", *text))
			return false;
	return true;
}

static bool parse_date(const char *text, void *value)
{
	return date_parse(text, value);
}

static int two_digits(const char *text)
{
	if (!isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]))
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* HH:MM in minutes; -1 where the text is none. */
static int parse_clock(const char *text)
{
	int hour = two_digits(text), minute;

	if (hour < 0 || text[2] != ':')
		return -1;
	minute = two_digits(text + 3);
	return minute < 0 || minute > 59 || text[5] ? -1 : hour * 60 + minute;
}

static bool parse_time(const char *text, void *value)
{
	int minutes = parse_clock(text);

	if (minutes < 0 || minutes >= 24 * 60)
		return false;
	*(unsigned *)value = (unsigned)minutes;
	return true;
}

struct utc_offset {
	bool given;
	int32_t seconds; /* east of UTC */
};

static bool parse_offset(const char *text, void *value)
{
	int minutes = text[0] == '+' || text[0] == '-' ? parse_clock(text + 1) : -1;

	if (minutes < 0 || minutes > OFFSET_MAX)
		return false;
	*(struct utc_offset *)value = (struct utc_offset){true, (text[0] == '-' ? -60 : 60) * minutes};
	return true;
}

/* ---- The file ---- */

/* A schedule; its interval is 0 where the file does not have it. */
struct schedule {
	unsigned interval, weekdays, day, week;
};

struct window_item {
	size_t line;
	struct schedule daily, weekly, absolute, relative;
	struct date start;
	unsigned minute, hours;
	struct utc_offset offset;
	char *zone;
	struct yaml_list forbidden; /* of struct window_dates */
};

/* The file as it is written; what *config* has of its own is made of it afterwards. */
struct config_file {
	struct node_config config;
	unsigned channel;
	struct yaml_list windows; /* of struct window_item */
};

#define FIELD(structure, name, kind, member, text, ...)                                                      \
	{                                                                                                    \
		.key = (name), .type = (kind), .offset = offsetof(struct structure, member), .help = (text), \
		__VA_ARGS__                                                                                  \
	}
#define INTERVAL(name, units, limit)                                                                       \
	FIELD(schedule, name, YAML_NUMBER, interval, "every so many " units, .required = true, .least = 1, \
		.most = (limit))
#define WEEKDAYS                                                                            \
	FIELD(schedule, "daysOfWeek", YAML_CHOICES, weekdays, "a list of Monday to Sunday", \
		.required = true, .choices = weekdays)
#define DATE(structure, name, member, text, ...)                               \
	FIELD(structure, name, YAML_PARSED, member, text, .parse = parse_date, \
		.expected = "a date such as 2026-11-24", __VA_ARGS__)

static const struct yaml_field daily_fields[] = {
	INTERVAL("intervalDays", "days", 366),
	{},
};

static const struct yaml_field weekly_fields[] = {
	INTERVAL("intervalWeeks", "weeks", 52),
	WEEKDAYS,
	{},
};

static const struct yaml_field absolute_fields[] = {
	INTERVAL("intervalMonths", "months", 12),
	FIELD(schedule, "dayOfMonth", YAML_NUMBER, day, "1 to 31; the last day where a month is shorter",
		.required = true, .least = 1, .most = 31),
	{},
};

static const struct yaml_field relative_fields[] = {
	INTERVAL("intervalMonths", "months", 12),
	WEEKDAYS,
	FIELD(schedule, "weekIndex", YAML_CHOICE, week, "First to Fourth, or Last", .required = true,
		.choices = weeks),
	{},
};

static const struct yaml_field dates_fields[] = {
	DATE(window_dates, "start", first, "the first day", .required = true),
	DATE(window_dates, "end", last, "the last day", .required = true),
	{},
};

static const struct yaml_field window_fields[] = {
	{.key = "", .type = YAML_LINE, .offset = offsetof(struct window_item, line)},
	FIELD(window_item, "daily", YAML_MAPPING, daily, "every so many days", .fields = daily_fields),
	FIELD(window_item, "weekly", YAML_MAPPING, weekly, "on days of a week", .fields = weekly_fields),
	FIELD(window_item, "absoluteMonthly", YAML_MAPPING, absolute, "on a day of the month",
		.fields = absolute_fields),
	FIELD(window_item, "relativeMonthly", YAML_MAPPING, relative, "on the n-th weekday of the month",
		.fields = relative_fields),
	DATE(window_item, "startDate", start, "none before"),
	FIELD(window_item, "startTime", YAML_PARSED, minute, "when the window begins", .required = true,
		.parse = parse_time, .expected = "a time of the day such as 02:00"),
	FIELD(window_item, "durationHours", YAML_NUMBER, hours, "how long it lasts", .required = true,
		.least = 1, .most = WINDOW_HOURS_MAX),
	FIELD(window_item, "utcOffset", YAML_PARSED, offset, "of the time zone", .parse = parse_offset,
		.expected = "an offset from UTC such as +01:00, up to 14 hours"),
	FIELD(window_item, "timeZone", YAML_STRING, zone, "the time zone", .parse = parse_zone,
		.expected = "the name of a time zone such as Europe/Berlin"),
	FIELD(window_item, "notAllowedDates", YAML_LIST, forbidden, "days without a window",
		.fields = dates_fields, .size = sizeof(struct window_dates), .most = FORBIDDEN_MAX),
	{},
};

static const struct yaml_field fields[] = {
	FIELD(config_file, "repository", YAML_STRING, config.repository, "URL of the releases",
		.parse = parse_repository,
		.expected = "a URL that begins with https://, http:// or file:///"),
	FIELD(config_file, "channel", YAML_CHOICE, channel, "which releases", .choices = channels),
	FIELD(config_file, "pin", YAML_STRING, config.pin, "the version to stay at", .parse = parse_version,
		.expected = "a version such as 202611.23.0"),
	FIELD(config_file, "maximum", YAML_STRING, config.maximum, "no version above", .parse = parse_version,
		.expected = "a version such as 202611.23.0"),
	FIELD(config_file, "windows", YAML_LIST, windows, "when the machine may restart",
		.fields = window_fields, .size = sizeof(struct window_item), .most = WINDOWS_MAX),
	FIELD(config_file, "reboot", YAML_BOOLEAN, config.reboot, "the agent may restart the machine"),
	FIELD(config_file, "checkInterval", YAML_NUMBER, config.check_interval, "minutes between checks",
		.least = 5, .most = 7 * 24 * 60),
	FIELD(config_file, "healthTimeout", YAML_NUMBER, config.health_timeout,
		"seconds until a new release has to be healthy", .least = 30, .most = 3600),
	FIELD(config_file, "proxy", YAML_STRING, config.proxy, "URL of a proxy", .parse = parse_proxy,
		.expected = "a URL that begins with http://, https://, socks5:// or socks5h://"),
	FIELD(config_file, "rateLimit", YAML_SIZE, config.rate_limit, "bytes a second"),
	FIELD(config_file, "certificateAuthorities", YAML_STRING, config.certificate_authorities,
		"PEM file of who may vouch for the server", .parse = parse_path,
		.expected = "the path of a file, from / on"),
	{},
};

static int load_zone(
	const char *zones, const struct window_item *item, struct time_zone **ret, struct error **err)
{
	_cleanup_free_ char *path = NULL, *data = NULL;
	size_t size;
	int r;

	if (!item->zone) {
		*ret = time_zone_fixed(item->offset.seconds);
		return *ret ? 0 : error_set_errno(err, -ENOMEM, "utcOffset");
	}
	path = string_format("%s/%s", zones, item->zone);
	if (!path)
		return error_set_errno(err, -ENOMEM, "timeZone");
	r = file_read(path, MiB(1), &data, &size, err);
	if (r >= 0)
		r = time_zone_parse((const uint8_t *)data, size, ret, err);
	if (r == -ENOENT || r == -EISDIR || r == -ENOTDIR) {
		if (err)
			*err = error_free(*err);
		return error_set(err, -EINVAL, "timeZone: there is no time zone %s", item->zone);
	}
	return r < 0 ? error_wrap(err, "timeZone: %s", item->zone) : 0;
}

static int set_schedule(struct window *window, const struct window_item *item, struct error **err)
{
	const struct schedule *all[] = {
		[WINDOW_DAILY] = &item->daily,
		[WINDOW_WEEKLY] = &item->weekly,
		[WINDOW_ABSOLUTE_MONTHLY] = &item->absolute,
		[WINDOW_RELATIVE_MONTHLY] = &item->relative,
	};
	unsigned count = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i]->interval == 0)
			continue;
		count++;
		window->schedule = (enum window_schedule)i;
		window->interval = all[i]->interval;
		window->weekdays = all[i]->weekdays;
		window->day = all[i]->day;
		window->week = all[i]->week + 1;
	}
	if (count != 1)
		return error_set(err, -EINVAL,
			"a window has exactly one of daily, weekly, absoluteMonthly and relativeMonthly");
	if (item->zone && item->offset.given)
		return error_set(err, -EINVAL, "a window has utcOffset or timeZone, not both");
	return 0;
}

static int make_window(const char *zones, struct window_item *item, struct window *ret, struct error **err)
{
	int r;

	r = set_schedule(ret, item, err);
	if (r >= 0)
		r = load_zone(zones, item, &ret->zone, err);
	if (r < 0)
		return r;
	ret->start = item->start;
	ret->minute = item->minute;
	ret->hours = item->hours;
	ret->forbidden = TAKE_PTR(item->forbidden.items);
	ret->forbidden_count = item->forbidden.count;
	item->forbidden.count = 0;
	return window_check(ret, err);
}

static int make_windows(struct config_file *file, const char *name, const char *zones, struct error **err)
{
	struct node_config *config = &file->config;
	struct window_item *items = file->windows.items;

	config->windows = calloc(file->windows.count + 1, sizeof(*config->windows));
	if (!config->windows)
		return error_set_errno(err, -ENOMEM, "%s", name);
	for (size_t i = 0; i < file->windows.count; i++) {
		int r = make_window(zones, &items[i], &config->windows[config->window_count++], err);

		if (r < 0)
			return error_wrap(err, "%s:%zu: windows", name, items[i].line);
	}
	return 0;
}

static void release_windows(struct node_config *config)
{
	for (size_t i = 0; i < config->window_count; i++)
		window_release(&config->windows[i]);
	free(config->windows);
	config->windows = NULL;
	config->window_count = 0;
}

static void release_file(struct config_file *file)
{
	yaml_release(fields, file);
	release_windows(&file->config);
}

static void strip_slashes(char *text)
{
	size_t length = text ? strlen(text) : 0;

	while (length > 0 && text[length - 1] == '/')
		text[--length] = 0;
}

int node_config_parse(const char *text, size_t size, const char *name, const char *zones,
	struct node_config *ret, struct error **err)
{
	_cleanup_(release_file) struct config_file file = {
		.channel = NODE_CHANNEL_NODE_IMAGE,
		.config = {.reboot = true, .check_interval = 60, .health_timeout = 300},
	};
	int r;

	r = yaml_parse(text, size, name, fields, &file, NULL, err);
	if (r >= 0)
		r = make_windows(&file, name, zones, err);
	if (r < 0)
		return r;
	strip_slashes(file.config.repository);
	file.config.channel = (enum node_channel)file.channel;
	*ret = file.config;
	file.config = (struct node_config){};
	return 0;
}

int node_config_load(const char *path, const char *zones, struct node_config *ret, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r;

	r = file_read(path, NODE_CONFIG_MAX, &text, &size, &why);
	if (r < 0 && r != -ENOENT) {
		error_move(err, TAKE_PTR(why));
		return r;
	}
	return node_config_parse(text ? text : "", size, path, zones, ret, err);
}

void node_config_release(struct node_config *config)
{
	release_windows(config);
	free(config->repository);
	free(config->pin);
	free(config->maximum);
	free(config->proxy);
	free(config->certificate_authorities);
	*config = (struct node_config){};
}

const char *node_channel_name(enum node_channel channel)
{
	return channels[channel];
}

int node_channel_parse(const char *name, enum node_channel *ret, struct error **err)
{
	for (unsigned i = 0; channels[i]; i++)
		if (streq(channels[i], name)) {
			*ret = (enum node_channel)i;
			return 0;
		}
	return error_set(err, -EINVAL,
		"%s is no channel; there are None, Unmanaged, SecurityPatch and NodeImage", name);
}
