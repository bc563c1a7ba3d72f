/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mirrors that the host's own apt uses: sources.list(5), in the one-line form (sources.list, *.list) and
 * as deb822 stanzas (*.sources), and its proxy.
 */
#pragma once

#include "base/error.h"

struct apt_config {
	char *mirror;	/* URL of a Debian archive, without a "/" at the end; NULL where none is configured */
	char *security; /* URL of the security archive, or NULL */
	char *proxy;	/* URL of the proxy for http, or NULL */
};

void apt_config_release(struct apt_config *config);
#define _cleanup_apt_config_ _cleanup_(apt_config_release)

/*
 * Reads the sources in *folder* ("/etc/apt"). An archive counts as Debian's where its path has a part
 * "debian" (or "debian-security"), its components have "main", and it is signed by debian-archive-keyring or
 * by no key of its own. Of several the first counts: sources.list, then the files of sources.list.d in order
 * of their names, with what names Debian's keyring first. Files that cannot be read or understood are passed
 * over, as they may belong to anybody. Returns 0 or -ENOMEM.
 */
int apt_config_read_sources(const char *folder, struct apt_config *config, struct error **err);

/* Asks apt-config(8) for Acquire::http::Proxy. No proxy, "DIRECT" or no apt-config: NULL. */
int apt_config_read_proxy(struct apt_config *config, struct error **err);

/* The texts of single files, for apt_config_read_sources() and its tests. Each returns 0, -EBADMSG or
 * -ENOMEM. */
int apt_config_take_list(struct apt_config *config, const char *text, size_t size, bool debian_key);
int apt_config_take_deb822(struct apt_config *config, const char *text, size_t size, bool debian_key);
