/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "build/finishers.h"

/* The programs that can stand behind a name, the one that update-alternatives would take first. */
static const struct {
	const char *name;
	const char *programs[3]; /* in the same folder */
} alternatives[] = {
	{"usr/bin/sh", {"dash", "bash"}},
	{"usr/bin/awk", {"gawk", "mawk"}},
	{"usr/bin/nawk", {"gawk", "mawk"}},
	{"usr/bin/which", {"which.debianutils"}},
	{"usr/bin/pager", {"less", "more"}},
	{"usr/bin/mt", {"mt-gnu"}},
	{"usr/bin/nc", {"nc.openbsd", "nc.traditional"}},
	{"usr/bin/vi", {"vim.basic", "vim.tiny"}},
	{"usr/sbin/rmt", {"rmt-tar"}},
	{"usr/sbin/iptables", {"iptables-nft", "iptables-legacy"}},
	{"usr/sbin/iptables-restore", {"iptables-nft-restore", "iptables-legacy-restore"}},
	{"usr/sbin/iptables-save", {"iptables-nft-save", "iptables-legacy-save"}},
	{"usr/sbin/ip6tables", {"ip6tables-nft", "ip6tables-legacy"}},
	{"usr/sbin/ip6tables-restore", {"ip6tables-nft-restore", "ip6tables-legacy-restore"}},
	{"usr/sbin/ip6tables-save", {"ip6tables-nft-save", "ip6tables-legacy-save"}},
	{"usr/sbin/ebtables", {"ebtables-nft", "ebtables-legacy"}},
	{"usr/sbin/ebtables-restore", {"ebtables-nft-restore", "ebtables-legacy-restore"}},
	{"usr/sbin/ebtables-save", {"ebtables-nft-save", "ebtables-legacy-save"}},
	{"usr/sbin/arptables", {"arptables-nft", "arptables-legacy"}},
	{"usr/sbin/arptables-restore", {"arptables-nft-restore", "arptables-legacy-restore"}},
	{"usr/sbin/arptables-save", {"arptables-nft-save", "arptables-legacy-save"}},
};

int finish_alternatives(struct finish *finish, struct error **err)
{
	for (size_t i = 0; i < ARRAY_SIZE(alternatives); i++) {
		const char *name = alternatives[i].name;
		size_t folder = (size_t)(strrchr(name, '/') - name);

		if (tree_lookup(finish->tree, name))
			continue;
		for (size_t k = 0; k < 3 && alternatives[i].programs[k]; k++) {
			const char *program = alternatives[i].programs[k];
			_cleanup_free_ char *path = string_format("%.*s/%s", (int)folder, name, program);
			int r;

			if (!path)
				return error_set_errno(err, -ENOMEM, "finisher alternatives");
			if (!tree_resolve(finish->tree, path))
				continue;
			r = finish_link(finish, "alternatives", name, program, err);
			if (r < 0)
				return r;
			break;
		}
	}
	return 0;
}
