# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-build and these files set for each other
# What a compression of /usr means for a node: reading cold files, and updates between two real sets of packages, the archive's without
# the security suite's fixes and with them.

# choice_read COMPRESSION: all files of the image, of which nothing is in memory. Mounted anew, nothing of the file system is; and of
# the image's own pages the kernel is told to let go.
choice_read() {
	local image mount=$out/mount
	image=$(echo "$out/images/$1/"*.usr.erofs)
	mkdir -p "$mount"
	mount -o ro,loop "$image" "$mount" || { say "read-$1: this kernel cannot mount it, left out"; return 0; }
	dd if="$image" iflag=nocache count=0 status=none
	# shellcheck disable=SC2016 # what the inner shell is to see
	measure "read-$1" sh -ec 'find "$0" -xdev -type f -exec cat {} + >/dev/null' "$mount" || { umount "$mount"; return 1; }
	umount "$mount"
}

# choice_images COMPRESSION: the same build of the packages before the fixes.
choice_images() {
	rm -rf "$out/image"
	orlop_build new "$out/packages-cache" --security-mirror none >"$out/log/build-before.json"
	rm -rf "$out/images/$1-before"
	mv "$out/image" "$out/images/$1-before"
	rm "$out/images/$1-before/"*.raw
}

choice_reuse() { # COMPRESSION
	local old new old_tree new_tree served=$out/www/$1
	choice_images "$1"
	old=$(echo "$out/images/$1-before/"*.usr.erofs) old_tree=$(echo "$out/images/$1-before/"*.usr.verity)
	new=$(echo "$out/images/$1/"*.usr.erofs) new_tree=$(echo "$out/images/$1/"*.usr.verity)
	rm -rf "$served"
	mkdir -p "$served"
	"$bin/bench-delta" publish --level 9 "$served" "$new" "$new_tree" "$old" "$old_tree"
	truncate -s "$(stat -L -c %s "$new")" "$out/slot"
	truncate -s "$(stat -L -c %s "$new_tree")" "$out/slot.tree"
	figures=reuse_figures measure "update-$1" "$bin/bench-delta" update "$served" "$nginx_url/$1" "$out/slot" "$out/slot.tree" "$old" "$old_tree"
	cmp "$out/slot" "$new"
	rm -rf "$out/slot" "$out/slot.tree" "$served"
}
reuse_figures() {
	python3 tests/bench/builder/reuse.py "$old" "$new"
	jq '{own: .}' "$log.out"
	find "$served" -name '*.blocks*' -printf '{"whole": %s}\n'
}

choice_measure() { # COMPRESSION
	choice_read "$1"
	choice_reuse "$1"
}
