# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# What the methods that bring an update share. Each method has a file here with two functions: METHOD_prepare makes what a server
# has of it, METHOD_measure brings it and measures that. Both work on the pair that `pair` has chosen.
#
# Set by tools/bench-updates: $out (kept between runs), $bin (built benchmarks), $level (of Zstandard), $runs.

image_of() { echo "$out/images/$1/"*"$2"; }

# pair NAME: from the image "old" to the image NAME. What is made of it is kept in a folder that has both root hashes in its name.
pair() {
	pair=$1
	old=$(image_of old .usr.erofs) old_tree=$(image_of old .usr.verity)
	new=$(image_of "$1" .usr.erofs) new_tree=$(image_of "$1" .usr.verity)
	place=$(root_hash old)-$(root_hash "$1")
	made=$out/www/$place
	mkdir -p "$made"
}
root_hash() { jq -r '.root_hash[0:16]' "$(image_of "$1" .manifest.json)"; }

# mark NAME: a line in the server's log. nginx has one process here, which has written the lines of all requests whose answers are
# complete before it takes the next one.
mark() { curl -s -o /dev/null "$nginx_url/mark-$1"; }

# wire_of NAME: requests, and bytes over the wire with headers both ways, between that mark and the next one.
wire_of() {
	awk -v mark="/mark-$1" '
		$3 == mark { inside = 1; n = sent = received = 0; next }
		$3 ~ "^/mark-" { inside = 0 }
		inside { n++; sent += $1; received += $2 }
		END { printf "{\"bytes\": %d, \"requests\": %d}\n", sent + received, n }' "$out/nginx/wire.log"
}

# The slot is a file whose blocks are all allocated, as a partition's are, and zeros.
slot_clear() {
	local size
	size=$(stat -L -c %s "$new")
	[ "$(stat -c %s "$slot" 2>/dev/null)" = "$size" ] || rm -f "$slot"
	dd if=/dev/zero of="$slot" bs=1M count="$size" iflag=count_bytes oflag=direct conv=notrunc,fsync status=none
	dd if=/dev/zero of="$slot.tree" bs=4096 count="$(stat -L -c %s "$new_tree")" iflag=count_bytes conv=fsync status=none
}
slot_check() { cmp "$slot" "$new"; }

# measure METHOD CHECK COMMAND…: runs the command $runs times, each with a slot of zeros; CHECK fails where it did not do its work.
# Of the runs, the one whose time is the median is kept as the result. $before, where set, is called before each run.
measure() {
	local method=$1 check=$2 i log=$out/log/$pair.$1
	shift 2
	rm -f "$log".*.json
	for i in $(seq "$runs"); do
		slot_clear
		${before:-:}
		mark "$pair-$method-$i"
		if ! "$bin/bench-run" "$log.json" "$@" >"$log.out" 2>"$log.err"; then
			echo "bench-updates: $method failed on the pair \"$pair\": $*" >&2
			tail -n 20 "$log.err" >&2
			return 1
		fi
		mark end
		"$check"
		jq --argjson wire "$(wire_of "$pair-$method-$i")" '. + {wire: $wire}' "$log.json" >"$log.$i.json"
		${after:-:}
	done
	jq -s --arg pair "$pair" --arg method "$method" '[.[].seconds] as $all | sort_by(.seconds)[length / 2 | floor]
		+ {pair: $pair, method: $method, all_seconds: $all}' "$log".[0-9]*.json >"$out/results/$pair.$method.json"
	say "$(jq -r '"\(.pair): \(.method): \(.wire.bytes) bytes, \(.seconds) s"' "$out/results/$pair.$method.json")"
}
