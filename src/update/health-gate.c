/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/health-gate.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/string-util.h"
#include "base/utf16.h"
#include "format/canonical-json.h"

#define COUNT_VARIABLE "LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

enum {
	ATTRIBUTES_SIZE =
		4, /* in front of a variable's value, Linux: Documentation/filesystems/efivarfs.rst */
	VARIABLE_MAX = 4096,
	TRIES_MAX = 1000000,
	REPORT_MAX = 1 << 20, /* bytes */
};

const struct health_gate_paths health_gate_paths = {
	.report = "/run/orlop/health.json",
	.failure = "/var/lib/orlop/update/health-failure.json",
	.stay = "/run/orlop/health-stay",
};

/* Reads digits at *text and moves it behind them. */
static bool take_number(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value > TRIES_MAX)
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	*ret = value;
	return true;
}

int health_trial_parse(const char *path, struct health_trial *ret)
{
	const char *name = strrchr(path, '/'), *at = strrchr(name ? name : path, '+');
	struct health_trial trial = {.counted = true};

	if (!at || strlen(path) >= sizeof(trial.entry))
		return -EBADMSG;
	at++;
	if (!take_number(&at, &trial.left) || (*at == '-' && (at++, !take_number(&at, &trial.done))))
		return -EBADMSG;
	/* What follows is the name's extension. */
	if (*at != '.')
		return -EBADMSG;
	memcpy(trial.entry, path, strlen(path) + 1);
	*ret = trial;
	return 0;
}

/* The path that a variable holds, with "/" as its separators. */
static int read_path(const char *data, size_t size, char ret[UTF8_SIZE(HEALTH_ENTRY_MAX)])
{
	uint16_t units[HEALTH_ENTRY_MAX];
	size_t count;

	if (size < ATTRIBUTES_SIZE || (size - ATTRIBUTES_SIZE) % 2 != 0)
		return -EBADMSG;
	count = (size - ATTRIBUTES_SIZE) / 2;
	if (count > ARRAY_SIZE(units))
		return -EBADMSG;
	for (size_t i = 0; i < count; i++)
		units[i] = read_le16(data + ATTRIBUTES_SIZE + 2 * i);
	if (!utf16_to_utf8(units, count, ret))
		return -EBADMSG;
	for (char *at = ret; *at; at++)
		if (*at == '\\')
			*at = '/';
	return 0;
}

int health_trial_read(const char *efivars, const char *blessed, struct health_trial *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/" COUNT_VARIABLE, efivars), *data = NULL;
	char entry[UTF8_SIZE(HEALTH_ENTRY_MAX)];
	struct health_trial trial = {};
	size_t size;
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", efivars);
	if (access(path, F_OK) < 0 || access(blessed, F_OK) == 0) {
		*ret = (struct health_trial){};
		return 0;
	}
	r = file_read(path, VARIABLE_MAX, &data, &size, err);
	if (r < 0)
		return r;
	r = read_path(data, size, entry);
	if (r >= 0)
		r = health_trial_parse(entry, &trial);
	if (r < 0)
		return error_set(err, r, "%s: is no path of a boot entry with a counter", path);
	*ret = trial;
	return 0;
}

enum health_verdict health_decide(const struct health_trial *trial, bool passed)
{
	if (passed)
		return HEALTH_VERDICT_GOOD;
	return trial->counted && trial->done <= HEALTH_TRIES ? HEALTH_VERDICT_RESTART : HEALTH_VERDICT_STAY;
}

static json_t *trial_json(const struct health_trial *trial)
{
	if (!trial->counted)
		return json_null();
	return json_pack("{s:s, s:I, s:I}", "entry", trial->entry, "left", (json_int_t)trial->left, "done",
		(json_int_t)trial->done);
}

json_t *health_gate_json(const struct health_gate *gate)
{
	static const char *const verdicts[] = {[HEALTH_VERDICT_GOOD] = "good",
		[HEALTH_VERDICT_RESTART] = "restart",
		[HEALTH_VERDICT_STAY] = "stay"};

	/* What is packed with "o" belongs to json_pack(), also where it fails or is NULL. */
	return json_pack("{s:s?, s:s?, s:I, s:o, s:s, s:o}", "version", gate->version, "slot", gate->slot,
		"time", (json_int_t)gate->time, "trial", trial_json(&gate->trial), "verdict",
		verdicts[gate->verdict], "health", health_report_json(gate->report));
}

static int write_text(const char *path, const char *text, mode_t mode, struct error **err)
{
	return file_write_atomic(path, text, strlen(text), mode, err);
}

int health_gate_write(
	const struct health_gate_paths *paths, const struct health_gate *gate, struct error **err)
{
	_cleanup_error_ struct error *stay_err = NULL, *failure_err = NULL;
	_cleanup_json_ json_t *object = health_gate_json(gate);
	_cleanup_free_ char *text = object ? json_dumps(object, JSON_INDENT(2)) : NULL;
	int r = 0, stay = 0, failure = 0;

	/* First what decides, then what only tells. */
	if (gate->verdict == HEALTH_VERDICT_STAY)
		stay = write_text(paths->stay, "", 0644, &stay_err);
	if (!text)
		return error_set_errno(err, -ENOMEM, "%s", paths->report);
	r = write_text(paths->report, text, 0644, err);
	if (gate->verdict != HEALTH_VERDICT_GOOD)
		failure = write_text(paths->failure, text, 0600, &failure_err);
	if (r >= 0 && stay < 0)
		r = (error_move(err, TAKE_PTR(stay_err)), stay);
	if (r >= 0 && failure < 0)
		r = (error_move(err, TAKE_PTR(failure_err)), failure);
	return r;
}

int health_gate_load(const char *path, struct health_report *ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *object = NULL;
	json_error_t why;
	size_t size;
	int r = file_read(path, REPORT_MAX, &text, &size, err);

	if (r < 0)
		return r;
	object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!object)
		return error_set(err, -EBADMSG, "%s: line %d: %s", path, why.line, why.text);
	r = health_report_parse(json_object_get(object, "health"), ret, err);
	return r < 0 ? (error_wrap(err, "%s", path), r) : 0;
}
