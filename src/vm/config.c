/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/config.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/string-util.h"

#define CREDENTIAL_SIZE_MAX MiB(1)

enum {
	CREDENTIAL_NAME_MAX = 255,
	CPUS_MAX = 255,
	PORTS_MAX = 64,
	CREDENTIALS_MAX = 64,
};

void vm_config_init(struct vm_config *config)
{
	*config = (struct vm_config){.memory = GiB(2), .cpus = 2, .tpm = true};
}

void vm_config_release(struct vm_config *config)
{
	for (size_t i = 0; i < config->credential_count; i++) {
		free(config->credentials[i].name);
		free(config->credentials[i].value);
	}
	free(config->credentials);
	free(config->ports);
	strv_release(&config->smbios);
	*config = (struct vm_config){};
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int vm_name_check(const char *name, struct error **err)
{
	size_t length = strlen(name);
	bool good = length > 0 && length <= VM_NAME_MAX && is_letter(name[0]);

	for (const char *at = name; good && *at; at++)
		good = is_letter(*at) || (*at >= '0' && *at <= '9') || *at == '-' || *at == '_';
	if (!good)
		return error_set(err, -EINVAL,
			"\"%s\" is no name for a machine: 1 to %d letters, digits, \"-\" and \"_\", a letter "
			"first",
			name, VM_NAME_MAX);
	return 0;
}

/* A port number of *length* characters. */
static int parse_port(const char *text, size_t length, uint16_t *ret)
{
	char digits[8] = {};
	uint64_t value;

	if (length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, length);
	if (parse_u64(digits, &value) < 0 || value > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)value;
	return 0;
}

int vm_config_add_port(struct vm_config *config, const char *text, struct error **err)
{
	size_t host = strcspn(text, ":"), guest = text[host] ? strcspn(text + host + 1, "/") : 0;
	const char *protocol = text[host] ? text + host + 1 + guest : "";
	struct vm_port port = {.udp = streq(protocol, "/udp")}, *ports;

	if (!text[host] || parse_port(text, host, &port.host) < 0 ||
		parse_port(text + host + 1, guest, &port.guest) < 0 || port.guest == 0 ||
		(*protocol && !port.udp && !streq(protocol, "/tcp")))
		return error_set(err, -EINVAL,
			"port %s: not of the form HOST:GUEST or HOST:GUEST/udp, with numbers up to 65535 "
			"(HOST 0: a free "
			"port is chosen)",
			text);
	if (config->port_count == PORTS_MAX)
		return error_set(err, -EINVAL, "port %s: more than %d ports", text, PORTS_MAX);
	ports = reallocarray(config->ports, config->port_count + 1, sizeof(*ports));
	if (!ports)
		return error_set_errno(err, -ENOMEM, "port %s", text);
	config->ports = ports;
	ports[config->port_count++] = port;
	return 0;
}

static bool credential_name_good(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > CREDENTIAL_NAME_MAX || streq(name, ".") || streq(name, ".."))
		return false;
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || strchr("/:=", *name))
			return false;
	return true;
}

/* The credential of that name, a new one where there is none; NULL where memory is out. */
static struct vm_credential *credential_slot(struct vm_config *config, const char *name)
{
	struct vm_credential *credentials;
	char *copy;

	for (size_t i = 0; i < config->credential_count; i++)
		if (streq(config->credentials[i].name, name))
			return &config->credentials[i];
	credentials = reallocarray(config->credentials, config->credential_count + 1, sizeof(*credentials));
	if (!credentials)
		return NULL;
	config->credentials = credentials;
	copy = strdup(name);
	if (!copy)
		return NULL;
	credentials[config->credential_count] = (struct vm_credential){.name = copy};
	return &credentials[config->credential_count++];
}

int vm_config_add_credential(
	struct vm_config *config, const char *name, const void *value, size_t size, struct error **err)
{
	_cleanup_free_ uint8_t *copy = NULL;
	struct vm_credential *credential;

	if (!credential_name_good(name))
		return error_set(err, -EINVAL,
			"credential \"%s\": a name is printable ASCII without spaces, \"/\", \":\" and \"=\"",
			name);
	if (size > CREDENTIAL_SIZE_MAX)
		return error_set(err, -E2BIG, "credential %s: larger than 1 MiB", name);
	if (config->credential_count == CREDENTIALS_MAX)
		return error_set(
			err, -EINVAL, "credential %s: more than %d credentials", name, CREDENTIALS_MAX);
	copy = malloc(size + 1);
	credential = copy ? credential_slot(config, name) : NULL;
	if (!credential)
		return error_set_errno(err, -ENOMEM, "credential %s", name);
	if (size > 0)
		memcpy(copy, value, size);
	free(credential->value);
	credential->value = TAKE_PTR(copy);
	credential->size = size;
	return 0;
}

int vm_config_parse_credential(struct vm_config *config, const char *text, struct error **err)
{
	size_t length = strcspn(text, ":="), size;
	_cleanup_free_ char *name = strndup(text, length), *content = NULL;
	int r;

	if (!name)
		return error_set_errno(err, -ENOMEM, "credential");
	if (!text[length])
		return error_set(
			err, -EINVAL, "credential %s: not of the form NAME=VALUE or NAME:FILE", name);
	text += length + 1;
	if (text[-1] == '=')
		return vm_config_add_credential(config, name, text, strlen(text), err);
	r = file_read(text, CREDENTIAL_SIZE_MAX, &content, &size, err);
	if (r < 0)
		return error_wrap(err, "credential %s", name);
	return vm_config_add_credential(config, name, content, size, err);
}

int vm_credential_encode(const struct vm_credential *credential, struct buffer *ret)
{
	_cleanup_free_ char *value = base64_encode_new(credential->value, credential->size);

	if (!value)
		return -ENOMEM;
	buffer_printf(ret, "io.systemd.credential.binary:%s=%s", credential->name, value);
	return buffer_failed(ret) ? -ENOMEM : 0;
}

bool vm_image_is_url(const char *image)
{
	return startswith(image, "http://") || startswith(image, "https://");
}

/* What is about a disk or a network that is not there. */
static int check_url(const struct vm_config *config, struct error **err)
{
	for (const char *at = config->image; *at; at++)
		if (*at <= ' ' || *at > '~')
			return error_set(err, -EINVAL, "a URL has printable characters of ASCII only");
	if (config->write || config->disk_size > 0)
		return error_set(err, -EINVAL, "a machine that starts from a URL has no disk to write to");
	if (config->offline)
		return error_set(err, -EINVAL, "a machine that starts from a URL can't be offline");
	if (config->variables != VM_VARIABLES_KEYS && config->variables != VM_VARIABLES_NONE)
		return error_set(err, -EINVAL,
			"the URL is put into a variable store that is made for it: no other can be given, "
			"nor an empty one");
	return 0;
}

int vm_config_check(const struct vm_config *config, struct error **err)
{
	if (config->memory < MiB(128))
		return error_set(err, -EINVAL, "the memory must be at least 128M");
	if (config->memory % MiB(1) != 0)
		return error_set(err, -EINVAL, "the memory must be a multiple of 1M");
	if (config->cpus < 1 || config->cpus > CPUS_MAX)
		return error_set(err, -EINVAL, "the number of processors must be 1 to %d", CPUS_MAX);
	if (config->disk_size % 512 != 0)
		return error_set(err, -EINVAL, "the disk's size must be a multiple of 512 bytes");
	if (config->disk_size > 0 && config->write)
		return error_set(err, -EINVAL,
			"the image would have to grow: no disk size together with writing to it");
	if (config->tpm_state && !config->tpm)
		return error_set(err, -EINVAL, "a TPM's state without a TPM makes no sense");
	return config->image && vm_image_is_url(config->image) ? check_url(config, err) : 0;
}
