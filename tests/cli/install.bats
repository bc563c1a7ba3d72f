#!/usr/bin/env bats
# What `meson install` puts where, and that the installed program finds it.

setup_file() {
	export there=$BATS_FILE_TMPDIR/there
	DESTDIR=$there meson install -C "$(dirname "$ORLOP")" --no-rebuild
	prefix=$there$(meson introspect --buildoptions "$(dirname "$ORLOP")" | jq -er '.[] | select(.name == "prefix").value')
	export prefix
}

setup() { cd "$BATS_TEST_TMPDIR"; }

@test "the installed program has its edition and what goes onto nodes beside it" {
	"$prefix/bin/orlop" --version
	diff -r "$BATS_TEST_DIRNAME/../../editions" "$prefix/share/orlop/editions"
	[ "$(cd "$prefix/lib/orlop" && ls -- */*)" = $'amd64/orlop-init\namd64/orlop-node\narm64/orlop-init\narm64/orlop-node' ]
	[ "$(ls "$prefix/bin")" = orlop ]
	# Edition and init are looked for before the keys, which are not there.
	run env -u ORLOP_EDITIONS -u ORLOP_INIT "$prefix/bin/orlop" build container-linux --offline --keys none --cache none
	[ "$status" = 1 ]
	[[ $output == 'orlop: none/owner.guid is missing'* ]]
	rm "$prefix/lib/orlop/$(dpkg --print-architecture)/orlop-init"
	run env -u ORLOP_EDITIONS -u ORLOP_INIT "$prefix/bin/orlop" build container-linux --offline --keys none --cache none
	[ "$status" = 1 ]
	[[ $output == *'orlop-init for '*'was not found'* ]]
}

@test "every manual page and the completion are installed" {
	local page
	for page in "$BATS_TEST_DIRNAME"/../../docs/man/*.scd; do
		page=$(basename "$page" .scd)
		[ -s "$prefix/share/man/man${page##*.}/$page" ] || { echo "$page is missing"; return 1; }
	done
	cmp "$BATS_TEST_DIRNAME/../../tools/completion.bash" "$prefix/share/bash-completion/completions/orlop"
}
