# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# Orlop, as a node does it: in two processes, into a slot with O_DIRECT.

orlop_publish() { "$bin/bench-delta" publish --threads 1 --level "$level" "$1" "$new" "$new_tree" "$old" "$old_tree"; }
orlop_prepare() {
	[ "$made/orlop" -nt "$bin/bench-delta" ] || rm -rf "$made/orlop" "$made/orlop-kernel"
	once "$made/orlop" orlop_publish
	once "$made/orlop-kernel" orlop_publish_kernel
}

# The kernel images of the same releases, which a node brings in the same way. $1: the folder; the images are beside what is served of them.
orlop_publish_kernel() {
	mkdir -p "$1"
	"$bin/bench-delta" hash "$(image_of old .efi)" "$1/old" "$1/old.tree"
	"$bin/bench-delta" hash "$(image_of "$pair" .efi)" "$1/new" "$1/new.tree"
	"$bin/bench-delta" publish --threads 1 --level 1 "$1" "$1/new" "$1/new.tree" "$1/old" "$1/old.tree"
}
orlop_kernel() {
	local made_kernel=$made/orlop-kernel
	local old=$made_kernel/old old_tree=$made_kernel/old.tree new=$made_kernel/new new_tree=$made_kernel/new.tree after=orlop_steps
	measure orlop_kernel orlop_check "$bin/bench-delta" update --worker "$made_kernel" "$nginx_url/$place/orlop-kernel" "$slot" \
		"$slot.tree" "$old" "$old_tree"
}

orlop_check() { slot_check && cmp "$slot.tree" "$new_tree"; }

# What the program itself says of its steps, beside what was measured from outside.
orlop_steps() {
	jq --slurpfile own "$log.out" '. + {own: $own[0]}' "$log.$i.json" >"$log.json"
	mv "$log.json" "$log.$i.json"
}
orlop_update() { # METHOD OPTION… -- [ACTIVE TREE]
	local method=$1 options=() after=orlop_steps
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	measure "$method" orlop_check "$bin/bench-delta" update --worker --direct "${options[@]}" "$made/orlop" \
		"$nginx_url/$place/orlop" "$slot" "$slot.tree" "$@"
}
# An image of 1 GiB and more, from one of as much: what that takes of memory. Both are made of the images that there are.
orlop_publish_large() {
	local old_image kernel_image
	old_image=$(image_of old .usr.erofs) kernel_image=$(image_of "$pair" .usr.erofs)
	mkdir -p "$1"
	cat "$old_image" "$kernel_image" "$old_image" "$old_image" >"$1/image"
	"$bin/bench-delta" hash "$1/image" "$1/old" "$1/old.tree"
	cat "$kernel_image" "$kernel_image" "$old_image" "$kernel_image" >"$1/image"
	"$bin/bench-delta" hash "$1/image" "$1/new" "$1/new.tree"
	rm "$1/image"
	"$bin/bench-delta" publish --no-patch --level 1 "$1" "$1/new" "$1/new.tree" "$1/old" "$1/old.tree"
}
orlop_large() {
	local large=$out/www/large runs=1
	local old=$large/old old_tree=$large/old.tree new=$large/new new_tree=$large/new.tree after=orlop_steps
	once "$large" orlop_publish_large
	measure orlop_large orlop_check "$bin/bench-delta" update --worker --direct "$large" "$nginx_url/large" "$slot" "$slot.tree" \
		"$old" "$old_tree"
	rm -rf "$large"
}

orlop_measure() {
	orlop_update orlop -- "$old" "$old_tree"
	orlop_update orlop_plain --no-patch --no-tree-delta -- "$old" "$old_tree"
	orlop_update orlop_whole --
	orlop_kernel
	orlop_large
}
