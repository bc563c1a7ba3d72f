/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init/settings.h"

#include <errno.h>

#include "base/string-util.h"

#define NEVER_WAIT_LONGER 3600 /* seconds */

enum kind {
	KIND_TEXT,
	KIND_PATH, /* absolute */
	KIND_FLAG, /* yes or no */
	KIND_SIZE,
	KIND_SECONDS,
	KIND_CORRUPTION,
	KIND_FAILURE,
	KIND_SIGNATURE,
	KIND_STATE_FAILURE,
	KIND_PLACE,
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
};

#define KEY(name, kind, member)                               \
	{                                                     \
		name, kind, offsetof(struct settings, member) \
	}
static const struct key keys[] = {
	KEY("command-line", KIND_TEXT, command_line),
	KEY("disk-timeout", KIND_SECONDS, disk_timeout),
	KEY("etc", KIND_PATH, etc),
	KEY("failure", KIND_FAILURE, failure),
	KEY("failure-delay", KIND_SECONDS, failure_delay),
	KEY("init", KIND_PATH, init),
	KEY("root-hash-signature", KIND_SIGNATURE, signature),
	KEY("sealed", KIND_PATH, sealed),
	KEY("secure-boot", KIND_FLAG, secure_boot),
	KEY("signature-type", KIND_TEXT, signature_type),
	KEY("state", KIND_FLAG, state),
	KEY("state-failure", KIND_STATE_FAILURE, state_required),
	KEY("state-label", KIND_TEXT, state_label),
	KEY("state-minimum", KIND_SIZE, state_minimum),
	KEY("state-type", KIND_TEXT, state_type),
	KEY("tpm2", KIND_FLAG, tpm2),
	KEY("usr-from", KIND_PLACE, carried),
	KEY("usr-type", KIND_TEXT, usr_type),
	KEY("verity-corruption", KIND_CORRUPTION, corruption),
	KEY("verity-type", KIND_TEXT, verity_type),
};
#undef KEY

void settings_release(struct settings *settings)
{
	free(settings->command_line);
	free(settings->etc);
	free(settings->sealed);
	free(settings->init);
	free(settings->usr_type);
	free(settings->verity_type);
	free(settings->signature_type);
	free(settings->state_type);
	free(settings->state_label);
	*settings = (struct settings){};
}

/* Which of the words, separated by "|", *value* is; -EINVAL where it is none. */
static int word_index(const char *value, const char *words)
{
	size_t length = strlen(value);

	for (int i = 0;; i++) {
		size_t word = strcspn(words, "|");

		if (word == length && memcmp(words, value, word) == 0)
			return i;
		if (!words[word])
			return -EINVAL;
		words += word + 1;
	}
}

static int set_text(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int set_flag(bool *to, const char *value, const char *words)
{
	int word = word_index(value, words);

	if (word < 0)
		return word;
	*to = word == 1;
	return 0;
}

static int set_seconds(uint64_t *to, const char *value)
{
	int r = parse_u64(value, to);

	return r < 0 || *to > NEVER_WAIT_LONGER ? -EINVAL : 0;
}

static int set_word(unsigned *to, const char *value, const char *words)
{
	int word = word_index(value, words);

	if (word < 0)
		return word;
	*to = (unsigned)word;
	return 0;
}

static int set_value(const struct key *key, const char *value, struct settings *settings)
{
	void *to = (char *)settings + key->offset;

	switch (key->kind) {
	case KIND_PATH:
		return *value == '/' ? set_text(to, value) : -EINVAL;
	case KIND_TEXT:
		return *value ? set_text(to, value) : -EINVAL;
	case KIND_FLAG:
		return set_flag(to, value, "no|yes");
	case KIND_SIGNATURE:
		return set_flag(to, value, "none|required");
	case KIND_STATE_FAILURE:
		return set_flag(to, value, "volatile|restart");
	case KIND_PLACE:
		return set_flag(to, value, "disk|initrd");
	case KIND_SIZE:
		return parse_size(value, to);
	case KIND_SECONDS:
		return set_seconds(to, value);
	case KIND_CORRUPTION:
		return set_word(to, value, "error|restart|panic");
	case KIND_FAILURE:
		return set_word(to, value, "restart|poweroff");
	}
	return -EINVAL;
}

static const struct key *find_key(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strlen(keys[i].name) == length && memcmp(keys[i].name, name, length) == 0)
			return &keys[i];
	return NULL;
}

static int parse_line(
	const char *line, unsigned number, uint64_t *seen, struct settings *settings, struct error **err)
{
	size_t length = strcspn(line, "=");
	const struct key *key = line[length] ? find_key(line, length) : NULL;
	uint64_t bit;
	int r;

	if (!key)
		return error_set(err, -EINVAL, "init.conf:%u: unknown setting \"%.*s\"", number,
			(int)MIN(length, 64u), line);
	bit = (uint64_t)1 << (key - keys);
	if (*seen & bit)
		return error_set(err, -EINVAL, "init.conf:%u: %s is given twice", number, key->name);
	*seen |= bit;
	r = set_value(key, line + length + 1, settings);
	if (r == -ENOMEM)
		return error_set_errno(err, r, "init.conf");
	if (r < 0)
		return error_set(err, -EINVAL, "init.conf:%u: %s cannot be \"%s\"", number, key->name,
			line + length + 1);
	return 0;
}

static int settings_default(struct settings *ret)
{
	*ret = (struct settings){
		.secure_boot = true,
		.tpm2 = true,
		.signature = true,
		.state = true,
		.state_required = true,
		.state_minimum = MiB(256),
		.disk_timeout = 60,
		.failure_delay = 5,
		.init = strdup("/usr/lib/systemd/systemd"),
		.state_label = strdup("state"),
		.state_type = strdup("4d21b016-b534-45c2-a9fb-5c16e091fd2d"),
	};
	return ret->init && ret->state_label && ret->state_type ? 0 : -ENOMEM;
}

static int check_types(const struct settings *settings, struct error **err)
{
	const char *missing = !settings->usr_type				 ? "usr-type"
			      : !settings->verity_type				 ? "verity-type"
			      : settings->signature && !settings->signature_type ? "signature-type"
										 : NULL;

	return missing ? error_set(err, -EINVAL, "init.conf: %s is missing", missing) : 0;
}

int settings_parse(const char *text, struct settings *ret, struct error **err)
{
	_cleanup_settings_ struct settings settings = {};
	uint64_t seen = 0;
	int r = settings_default(&settings);

	if (r < 0)
		return error_set_errno(err, r, "init.conf");
	for (unsigned number = 1; *text; number++) {
		size_t length = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, length);

		if (!line)
			return error_set_errno(err, -ENOMEM, "init.conf");
		if (*line && *line != '#')
			r = parse_line(line, number, &seen, &settings, err);
		if (r < 0)
			return r;
		text += length + (text[length] == '\n');
	}
	r = check_types(&settings, err);
	if (r < 0)
		return r;
	*ret = settings;
	settings = (struct settings){};
	return 0;
}
