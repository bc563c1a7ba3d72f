/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which systemd units start: what `systemctl preset-all` does, and with --global for users, done to a tree. A
 * unit is enabled or not as the preset files say (systemd.preset(5)), and enabling it makes the links that
 * its [Install] section asks for (systemd.unit(5)).
 */
#pragma once

#include "base/string-util.h"
#include "build/finish.h"

/*
 * Makes the links in /etc/systemd/system of every unit in the tree that the presets enable. Preset files are
 * those in /etc/systemd/system-preset and /usr/lib/systemd/system-preset, in the order of their names; a file
 * in /etc replaces one of the same name. The first line that matches a unit counts; a unit without any is
 * enabled. The same for the units of users' managers, in /etc/systemd/user and so on.
 *
 * Returns 0; -EINVAL with *err* naming file and line for a preset file or [Install] section that can't be
 * read.
 */
int finish_presets(struct finish *finish, struct error **err);

/* Whether the tree has all units, and of those to be enabled whether there is something that would start
 * them. -ENOENT and -EINVAL are about the unit (error_about()). Instances of a template are its own. */
int finish_check_units(const struct finish *finish, const struct strv *units, struct error **err);
int finish_check_enabled(const struct finish *finish, const struct strv *units, struct error **err);

/* Makes units impossible to start. -ENOENT where the tree has no unit of that name, which is then a mistake;
 * -EINVAL where the definition has the unit in /etc (own_check()). */
int finish_masks(struct finish *finish, const struct strv *units, struct error **err);

/* Makes /etc/systemd/system/default.target lead to *unit*, which the tree must have, unless the definition
 * has a default.target, which must lead to a unit. */
int finish_default_target(struct finish *finish, const char *unit, struct error **err);
