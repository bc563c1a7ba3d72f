# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-build and these files set for each other
# What the measurements of the builder share. Each file here has NAME_prepare, which makes what is measured, and NAME_measure.
#
# Set by tools/bench-build: $out (kept between runs), $bin (built benchmarks), $build, $keys, $runs.

# The compressions that are compared, ALGORITHM or ALGORITHM-LEVEL, and how large a piece is that is compressed at a time.
all_compressions=(none lz4 lz4hc-9 zstd-3 zstd-9)
cluster=65536
algorithm_of() { echo "${1%%-*}"; }
level_of() { [[ $1 != *-* ]] || echo "${1#*-}"; }

# Those of them that the program at hand knows.
our_compressions() {
	local known name
	known=$("$build/orlop" build --schema | jq -r '.properties.compression // {} | [.. | strings] | join(" ")')
	for name in "${all_compressions[@]}"; do
		if [ "$name" = none ] || [[ $known =~ (^|[^a-z0-9])"$(algorithm_of "$name")"([^a-z0-9]|$) ]]; then echo "$name"; fi
	done
}

# What mkfs.erofs is given for a compression.
mkfs_options() { # COMPRESSION
	[ "$1" = none ] || echo "-z${1/-/,level=} -C$cluster"
}

# measure NAME COMMAND…: runs the command once, and keeps what it cost as one more line of the results of NAME. $check, where set,
# fails where the command did not do its work; what $figures prints, a JSON object, is kept as well.
measure() {
	local name=$1 log=$out/log/$1
	shift
	sync
	if ! "$bin/bench-run" "$log.json" "$@" >"$log.out" 2>"$log.err" || ! ${check:-true}; then
		echo "bench-build: $name failed: $*" >&2
		tail -n 20 "$log.err" >&2
		return 1
	fi
	{ cat "$log.json"; ${figures:-true}; } | jq -sc add >>"$out/results/$name.jsonl"
	printf '%s\n' "$*" >"$out/results/$name.command"
	say "$name: $(tail -n 1 "$out/results/$name.jsonl")"
}

# The results of all names: of each, the run whose time is the median, with the times of all.
results() {
	local file name
	for file in "$out/results/"*.jsonl; do
		name=${file##*/}
		name=${name%.jsonl}
		jq -s --arg name "$name" --arg command "$(cat "${file%.jsonl}.command")" \
			'{($name): (([.[].seconds] as $all | sort_by(.seconds)[(length - 1) / 2 | floor] + {all_seconds: $all, command: $command}))}' "$file"
	done | jq -s add
}
