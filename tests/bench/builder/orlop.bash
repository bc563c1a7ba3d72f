# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-build and these files set for each other
# Orlop: of cached packages a finished disk. "cold": a cache that has packages and metadata alone; "warm": the same build again;
# "changed": the build after that, with another version of one package.

orlop_definition() { # NAME COMPRESSION [PIN]
	python3 tests/bench/builder/definition.py editions/container-linux.yaml "$out/definitions/$1" "$2" "${3:-}"
}

orlop_build() { # DEFINITION CACHE OPTION…
	"$build/orlop" build "$out/definitions/$1/bench.yaml" --cache "$2" --keys "$keys" --output "$out/image" --quiet --json "${@:3}"
}

# A package that has another version in the suite without its fixes, and with which the rest still fits: "NAME=VERSION" of that one.
orlop_other_version() {
	local pin
	echo null >"$out/changed.json"
	orlop_build new "$out/packages-cache" --explain --security-mirror none >"$out/log/explain-old.json"
	while read -r pin; do
		orlop_definition old none "$pin"
		if orlop_build old "$out/packages-cache" --explain >"$out/log/explain-pin.json" 2>"$out/log/explain-pin.err"; then
			jq -n --arg pin "$pin" --slurpfile new "$out/log/explain-new.json" '{name: ($pin | sub("=.*"; "")), old: ($pin | sub("^[^=]*="; ""))}
				| . + {new: (.name as $name | $new[0].packages[] | select(.name == $name).version)}' >"$out/changed.json"
			echo "$pin"
			return
		fi
	done < <(jq -rn --slurpfile new "$out/log/explain-new.json" --slurpfile old "$out/log/explain-old.json" '
		($new[0].packages | map({(.name): .version}) | add) as $versions
		| $old[0].packages | sort_by(-.size)[] | select($versions[.name] and $versions[.name] != .version and (.name | startswith("linux-") | not))
		| "\(.name)=\(.version)"')
}

# Fills the cache with the packages of both definitions, and lists those that the peers get.
orlop_prepare() {
	mkdir -p "$out/packages-cache"
	orlop_definition new none
	orlop_build new "$out/packages-cache" --explain >"$out/log/explain-new.json"
	pin=$(orlop_other_version)
	rm -rf "$out/image"
	[ -z "$pin" ] || orlop_build old "$out/packages-cache" >"$out/log/build-old.json"
	rm -rf "$out/image"
	orlop_build new "$out/packages-cache" >"$out/log/build-new.json"
	orlop_build new "$out/packages-cache" --explain >"$out/log/explain-new.json"
	jq -r '.packages[] | "\(.name)=\(.version)"' "$out/image"/*.manifest.json | sort >"$out/packages"
	command_line=$(jq -r '.command_line | sub(" usrhash=[0-9a-f]*"; "") | sub(" dm_verity.require_signatures=1"; "")' "$out/image"/*.manifest.json)
	rm -rf "$out/tree" "$out/plain"
	mkdir "$out/plain"
	mv "$out/image"/* "$out/plain/"
	# What the writers of images are compared on.
	fsck.erofs --extract="$out/tree" "$out/plain/"*.usr.erofs >/dev/null
	say "$(wc -l <"$out/packages") packages; the one that changes: ${pin:-none, the archive has no fixes}"
}

# A cache as `orlop build` leaves it where it has fetched everything and decoded nothing.
orlop_fresh_cache() {
	rm -rf "$out/cache"
	mkdir "$out/cache"
	cp -r --reflink=auto "$out/packages-cache/sha256" "$out/packages-cache/release" "$out/packages-cache/solv" "$out/cache/"
}

orlop_check() { [ -s "$(echo "$out/image"/*.raw)" ]; }
orlop_figures() { jq -n --argjson size "$(stat -c %s "$out/image"/*.usr.erofs)" --argjson uki "$(stat -c %s "$out/image"/*.efi)" '{size: $size, uki: $uki}'; }

orlop_run() { # NAME DEFINITION
	rm -rf "$out/image"
	check=orlop_check figures=orlop_figures measure "$1" env LD_LIBRARY_PATH="$out/liblzma" "$build/orlop" build "$out/definitions/$2/bench.yaml" --offline --cache "$out/cache" \
		--keys "$keys" --output "$out/image" --quiet
}

orlop_measure() { # COMPRESSION
	orlop_definition old "$1" "$pin"
	orlop_definition new "$1"
	orlop_fresh_cache
	if [ -n "$pin" ]; then
		orlop_run "orlop-cold-$1" old
		orlop_run "orlop-warm-$1" old
		orlop_run "orlop-changed-$1" new
	else
		orlop_run "orlop-cold-$1" new
		orlop_run "orlop-warm-$1" new
	fi
	rm -rf "$out/images/$1"
	mkdir -p "$out/images"
	mv "$out/image" "$out/images/$1"
}

# What the edition itself takes, as it is shipped, and its resolution against metadata that is there already.
edition_measure() {
	local edition=("$build/orlop" build container-linux --offline --cache "$out/packages-cache" --keys "$keys" --quiet)
	measure resolve "${edition[@]}" --explain
	rm -rf "$out/image"
	check=orlop_check figures=orlop_figures measure orlop-edition "${edition[@]}" --output "$out/image"
	rm -rf "$out/image"
}
