# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# (a) The whole image, compressed, from nothing.

full_compress() { zstd -q "-$level" --long=27 -T1 "$new" -o "$1"; }
full_prepare() { once "$made/full.zst" full_compress; }
full_measure() {
	measure full slot_check sh -c 'curl -sSf "$0" | zstd -dc --long=27 | dd of="$1" bs=1M iflag=fullblock oflag=direct \
		conv=notrunc,fsync status=none' "$nginx_url/$place/full.zst" "$slot"
}
