# shellcheck shell=bash disable=SC2154 # $out is the caller's
# What all benchmarks share. $out: the folder of the benchmark, kept between runs.

say() { printf '%5d s  %s\n' "$SECONDS" "$*" >&2; }

# once PATH COMMAND…: makes PATH, a file or a folder, unless it is there. The command writes to the path that it is given last.
once() {
	local path=$1
	shift
	[ ! -e "$path" ] || return 0
	rm -rf "$path.part"
	"$@" "$path.part"
	mv "$path.part" "$path"
	say "made ${path#"$out"/}"
}
