/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "finish-tree.h"

/* Certificates of which two have one subject, one stands there twice, and one has a name that needs care. */
static const char sources[] = "mkdir -p c/mozilla c/other e h l;"
			      "make() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
			      "-keyout key -out \"c/$1\" "
			      "  -days 9 -subj \"$2\" 2>/dev/null; };"
			      "make mozilla/B_two.crt '/CN=Same'; make mozilla/A_one.crt '/CN=Same'; make "
			      "'mozilla/C (x), y.crt' '/O=Ő/CN=C';"
			      "make other/z.crt '/C=DE/O=Z'; cp c/other/z.crt c/other/twice.crt; printf '%s' "
			      "\"$(cat c/mozilla/A_one.crt)\" > t; "
			      "mv t c/mozilla/A_one.crt; echo no certificate > c/other/README;";

static void add_sources(struct finish *finish, const char *folder)
{
	static const char *const names[] = {"mozilla/A_one.crt", "mozilla/B_two.crt", "mozilla/C (x), y.crt",
		"other/twice.crt", "other/z.crt", "other/README"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *name = string_format("c/%s", names[i]);
		_cleanup_free_ char *path = string_format("usr/share/ca-certificates/%s", names[i]);
		_cleanup_free_ char *text = scratch_read(folder, name, NULL);

		finish_tree_add(finish, path, text);
	}
}

static void makes_what_update_ca_certificates_makes(void **state)
{
	_cleanup_scratch_ char *folder = scratch_new();
	_cleanup_finish_ struct finish finish = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *listing = NULL, *bundle = NULL;
	_cleanup_buffer_ struct buffer seen = {};
	const struct tree_inode *made;

	(void)state;
	if (!have_program("update-ca-certificates") || !have_program("openssl"))
		skip(); /* because ca-certificates is not installed */
	shell(folder, sources);
	shell(folder, "(cd c; find . -name '*.crt' | sed 's,^./,,' | LC_ALL=C sort) > conf; LC_ALL=C "
		      "update-ca-certificates --certsconf \"$PWD/conf\" --certsdir \"$PWD/c\" "
		      "--localcertsdir \"$PWD/l\" "
		      "--etccertsdir \"$PWD/e\" --hooksdir \"$PWD/h\" >/dev/null 2>&1;"
		      "(cd e; for f in *; do if [ -L \"$f\" ]; then echo \"$f $(readlink \"$f\")\"; else "
		      "echo \"$f\"; fi; "
		      "done) | sed \"s,$PWD/c,/usr/share/ca-certificates,\" | LC_ALL=C sort > listing");
	add_sources(&finish, folder);
	assert_ok(finish_certificates(&finish, &err), err);
	made = tree_lookup(finish.tree, "etc/ssl/certs");
	for (size_t i = 0; i < made->entry_count; i++) {
		const struct tree_entry *entry = &made->entries[i];
		bool link = S_ISLNK(entry->inode->mode);

		buffer_printf(
			&seen, "%s%s%s\n", entry->name, link ? " " : "", link ? entry->inode->target : "");
	}
	buffer_append_u8(&seen, 0);
	listing = scratch_read(folder, "listing", NULL);
	assert_string_equal((char *)seen.data, listing);
	bundle = scratch_read(folder, "e/ca-certificates.crt", NULL);
	assert_string_equal(finish_text(&finish, "etc/ssl/certs/ca-certificates.crt"), bundle);
	assert_string_equal(tree_lookup(finish.tree, "usr/lib/ssl/cert.pem")->target,
		"/etc/ssl/certs/ca-certificates.crt");
}

static void refuses_what_is_no_certificate(void **state)
{
	_cleanup_finish_ struct finish finish = finish_tree_new();
	_cleanup_error_ struct error *err = NULL;

	(void)state;
	finish_tree_add(&finish, "usr/share/ca-certificates/x/bad.crt",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_error(finish_certificates(&finish, &err), -EBADMSG, err, "x/bad.crt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_what_update_ca_certificates_makes),
		cmocka_unit_test(refuses_what_is_no_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
