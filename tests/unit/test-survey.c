/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "build/survey.h"

/* What `setcap cap_net_raw,cap_net_admin=ep` and `setcap cap_bpf=p` write, read back with getfattr -e hex. */
static const uint8_t net[] = {1, 0, 0, 2, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const uint8_t bpf[] = {0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0};

static void capabilities_are_written_as_getcap_does(void **state)
{
	_cleanup_free_ char *first = NULL, *second = NULL;
	char *none = NULL;

	(void)state;
	assert_int_equal(capability_text(net, sizeof(net), &first), 0);
	assert_string_equal(first, "cap_net_admin,cap_net_raw=ep");
	assert_int_equal(capability_text(bpf, sizeof(bpf), &second), 0);
	assert_string_equal(second, "cap_bpf=p");
	assert_int_equal(capability_text(net, sizeof(net) - 1, &none), -EBADMSG);
	assert_int_equal(capability_text(net, 0, &none), -EBADMSG);
	assert_int_equal(capability_text("\0\0\0\7aaaaaaaaaaaaaaaa", 20, &none), -EBADMSG);
}

static void finds_what_gives_rights(void **state)
{
	_cleanup_tree_ struct tree *tree = tree_new();
	_cleanup_content_ struct content *content = content_copy("12345", 5);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_survey_ struct survey survey = {};
	struct tree_attributes attributes = {.mode = 04755, .origin = "p"};
	struct tree_inode *inode;

	(void)state;
	assert_ok(tree_add_file(tree, "bin/su", &attributes, content, NULL, &err), err);
	attributes.mode = 02755;
	attributes.gid = 42;
	assert_ok(tree_add_file(tree, "bin/chage", &attributes, content, NULL, &err), err);
	attributes.mode = 0755;
	assert_ok(tree_add_file(tree, "bin/ping", &attributes, content, &inode, &err), err);
	assert_int_equal(inode_set_xattr(inode, "security.capability", net, sizeof(net)), 0);
	attributes.mode = 02775;
	assert_ok(tree_add_folder(tree, "mail", &attributes, NULL, &err), err);
	assert_ok(tree_add_symlink(tree, "link", &attributes, "mail", NULL, &err), err);

	assert_ok(survey_tree(tree, &survey, &err), err);
	assert_int_equal(survey.files, 3);
	assert_int_equal(survey.folders, 2);
	assert_int_equal(survey.links, 1);
	assert_int_equal(survey.bytes, 15);
	assert_int_equal(survey.setuid_count, 2);
	assert_string_equal(survey.setuid[0].path, "bin/chage");
	assert_int_equal(survey.setuid[0].gid, 42);
	assert_string_equal(survey.setuid[1].path, "bin/su");
	assert_int_equal(survey.capable_count, 1);
	assert_string_equal(survey.capable[0].capabilities, "cap_net_admin,cap_net_raw=ep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_written_as_getcap_does),
		cmocka_unit_test(finds_what_gives_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
