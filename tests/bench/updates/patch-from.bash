# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# (e) The lower bound of general programs: Zstandard's patch between the two images, at a high level, and at one that may make a
# smaller one of two images.

patch_from_make() { zstd -q "-$1" --long=30 --patch-from="$old" "$new" -o "$2"; }
patch_from_prepare() {
	once "$made/patch_from" patch_from_make 19
	once "$made/patch_from_9" patch_from_make 9
}
patch_from_measure() {
	local method
	for method in patch_from patch_from_9; do
		measure "$method" slot_check sh -c 'curl -sSf "$0" | zstd -dc --long=30 --patch-from="$1" | dd of="$2" bs=1M \
			iflag=fullblock oflag=direct conv=notrunc,fsync status=none' "$nginx_url/$place/$method" "$old" "$slot"
	done
}
