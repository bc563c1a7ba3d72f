/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build/survey.h"

#include <errno.h>
#include <linux/capability.h>

#include "base/buffer.h"
#include "base/bytes.h"

static const char *const capability_names[] = {"chown", "dac_override", "dac_read_search", "fowner", "fsetid",
	"kill", "setgid", "setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast",
	"net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
	"sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time",
	"sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override",
	"mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore"};

/* Adds the names of the bits, separated by commas. */
static void add_names(struct buffer *text, uint64_t bits)
{
	const char *separator = "";

	for (unsigned i = 0; i < 64; i++) {
		if (!(bits >> i & 1))
			continue;
		if (i < ARRAY_SIZE(capability_names))
			buffer_printf(text, "%scap_%s", separator, capability_names[i]);
		else
			buffer_printf(text, "%s%u", separator, i);
		separator = ",";
	}
}

/* Adds a group "names=flags" for the bits that have just these flags. */
static void add_group(struct buffer *text, uint64_t bits, const char *flags)
{
	if (bits == 0)
		return;
	if (text->size > 0)
		buffer_append_u8(text, ' ');
	add_names(text, bits);
	buffer_printf(text, "=%s", flags);
}

int capability_text(const void *value, size_t size, char **ret)
{
	const uint8_t *at = value;
	_cleanup_buffer_ struct buffer text = {};
	uint64_t permitted, inheritable;
	uint32_t magic;
	const char *effective;

	if (size < sizeof(magic))
		return -EBADMSG;
	magic = read_le32(at);
	if (!((magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_2 && size == XATTR_CAPS_SZ_2) &&
		!((magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3 && size == XATTR_CAPS_SZ_3))
		return -EBADMSG;
	permitted = read_le32(at + 4) | (uint64_t)read_le32(at + 12) << 32;
	inheritable = read_le32(at + 8) | (uint64_t)read_le32(at + 16) << 32;
	effective = magic & VFS_CAP_FLAGS_EFFECTIVE ? "e" : "";
	for (unsigned group = 0; group < 3; group++) {
		static const char *const flags[] = {"ip", "p", "i"};
		const uint64_t bits[] = {
			permitted & inheritable, permitted & ~inheritable, inheritable & ~permitted};
		_cleanup_free_ char *flag = string_format("%s%s", effective, flags[group]);

		if (!flag)
			return -ENOMEM;
		add_group(&text, bits[group], flag);
	}
	*ret = buffer_take(&text, NULL);
	return *ret ? 0 : -ENOMEM;
}

/* Adds a file to one of the two lists. */
static int note_file(struct privileged_file **list, size_t *count, const char *path,
	const struct tree_inode *inode, const struct tree_xattr *capability)
{
	struct privileged_file *grown = reallocarray(*list, *count + 1, sizeof(**list)), *file;
	int r = 0;

	if (!grown)
		return -ENOMEM;
	*list = grown;
	file = &grown[(*count)++];
	*file = (struct privileged_file){
		.path = strdup(path), .mode = inode->mode, .uid = inode->uid, .gid = inode->gid};
	if (!file->path)
		return -ENOMEM;
	if (capability)
		r = capability_text(capability->value, capability->size, &file->capabilities);
	return r;
}

static int look(const char *path, struct tree_inode *inode, void *userdata, struct error **err)
{
	const struct tree_xattr *capability = inode_get_xattr(inode, "security.capability");
	struct survey *survey = userdata;
	int r = 0;

	if (S_ISDIR(inode->mode)) {
		survey->folders++;
		return 0;
	}
	if (S_ISLNK(inode->mode)) {
		survey->links++;
		return 0;
	}
	survey->files++;
	survey->bytes += content_size(inode->content);
	if (inode->mode & (S_ISUID | S_ISGID))
		r = note_file(&survey->setuid, &survey->setuid_count, path, inode, NULL);
	if (r >= 0 && capability)
		r = note_file(&survey->capable, &survey->capable_count, path, inode, capability);
	return r < 0 ? error_set_errno(err, r, "%s", path) : 0;
}

int survey_tree(const struct tree *tree, struct survey *ret, struct error **err)
{
	_cleanup_survey_ struct survey survey = {};
	int r = tree_walk(tree, look, &survey, err);

	if (r < 0)
		return r;
	*ret = survey;
	survey = (struct survey){};
	return 0;
}

static void files_release(struct privileged_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(files[i].path);
		free(files[i].capabilities);
	}
	free(files);
}

void survey_release(struct survey *survey)
{
	files_release(survey->setuid, survey->setuid_count);
	files_release(survey->capable, survey->capable_count);
	*survey = (struct survey){};
}
