# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-build and these files set for each other
# The image and its hash tree alone, of one folder that is in memory: our writer beside mkfs.erofs and veritysetup, the newest that
# Debian has. Both end with both files on disk.

writer_check() { [ -s "$out/scratch/image" ] && [ -s "$out/scratch/tree" ]; }
writer_figures() { jq -n --argjson size "$(stat -c %s "$out/scratch/image")" '{size: $size}'; }
writer_begin() {
	rm -rf "$out/scratch"
	mkdir "$out/scratch"
	find "$out/tree" -type f -exec cat {} + >/dev/null
}

# Of what our program says of itself, the reading of the folder apart.
own_figures() { jq '{size, read: .read.seconds, write: .write.seconds, write_cpu: .write.cpu_seconds}' "$out/log/$writer.out"; }
writer_ours() { # COMPRESSION
	local writer=writer-orlop-$1
	writer_begin
	check=writer_check figures=own_figures measure "$writer" "$bin/bench-erofs" write "$out/tree" "$out/scratch/image" "$out/scratch/tree" \
		--compression "${1/-/:}"
}

writer_theirs() { # COMPRESSION
	local inside mkfs
	writer_begin
	inside_newest bin/mkfs.erofs
	read -ra mkfs <<<"${inside[*]} $(mkfs_options "$1")"
	mkfs+=(--quiet -T1700000000 -U00000000-0000-0000-0000-000000000000 --workers="$(nproc)" "$out/scratch/image" "$out/tree")
	inside_newest sbin/veritysetup
	inside+=(format --salt=0000000000000000000000000000000000000000000000000000000000000000 "$out/scratch/image" "$out/scratch/tree")
	check=writer_check figures=writer_figures measure "writer-mkfs-$1" sh -ec "${mkfs[*]}; ${inside[*]}; sync $out/scratch/image $out/scratch/tree"
}

image_measure() { # COMPRESSION
	writer_ours "$1"
	writer_theirs "$1"
	rm -rf "$out/scratch"
}

# Hashing, of a file in memory.
printed() { cat "$log.out"; }
hash_measure() {
	local threads image
	image=$(echo "$out/plain/"*.usr.erofs)
	for threads in 1 "$(nproc)"; do
		figures=printed measure "hash-$threads" "$bin/bench-erofs" hash "$image" --threads "$threads"
	done
}
